"""Merkle proofs and checkpoints against the public vectors (transparency-dev/merkle) and our own."""

import base64
import json

from tests.spec.rfc9162 import root_of

from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import parse_key
from salus.standards.merkle.proof import verify_consistency, verify_inclusion


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def b64(text):
    return base64.b64decode(text or "")


def hashes(proof):
    return [b64(one) for one in proof or []]


def test_inclusion_proofs_are_judged_as_the_vectors_say(shared):
    cases = lines(shared / "testvectors/merkle-log/inclusion.jsonl")
    wrong = [
        case["name"]
        for case in cases
        if verify_inclusion(
            b64(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            hashes(case["proof"]),
            b64(case["root"]),
        )
        is case["wantErr"]
    ]
    assert (len(cases), wrong) == (98, [])


def test_consistency_proofs_are_judged_as_the_vectors_say(shared):
    cases = lines(shared / "testvectors/merkle-log/consistency.jsonl")
    wrong = [
        case["name"]
        for case in cases
        if verify_consistency(
            case["size1"], case["size2"], b64(case["root1"]), b64(case["root2"]), hashes(case["proof"])
        )
        is case["wantErr"]
    ]
    assert (len(cases), wrong) == (98, [])


def judged(case):
    proof = hashes(case["proof"])
    if case["kind"] == "inclusion":
        return verify_inclusion(b64(case["leaf_hash"]), case["index"], case["size"], proof, b64(case["root"]))
    return verify_consistency(case["size1"], case["size2"], b64(case["root1"]), b64(case["root2"]), proof)


def test_our_own_proofs_are_judged_as_marked(shared):
    cases = lines(shared / "testvectors/merkle-log/own/proofs.jsonl")
    assert [case for case in cases if judged(case) is not case["valid"]] == []


def test_roots_of_the_published_leaves(shared):
    tree = json.loads((shared / "testvectors/merkle-log/own/tree.json").read_text())
    leaves = [b64(leaf) for leaf in tree["leaves_b64"]]
    for size, root in tree["roots"].items():
        if int(size) <= len(leaves):
            assert root_of(leaves[: int(size)]) == b64(root)


def test_checkpoints_are_judged_as_marked(shared):
    table = json.loads((shared / "testvectors/merkle-log/own/checkpoints.json").read_text())
    log = parse_key(table["log_vkey"])
    witnesses = [parse_key(key) for key in table["witness_vkeys"]]
    wrong = []
    for case in table["cases"]:
        try:
            found = len(open_checkpoint(case["note"], log, witnesses).cosignatures)
        except MalformedContent:
            found = None
        if found != (case["cosignatures_valid"] if case["valid"] else None):
            wrong.append(case["why"])
    assert wrong == []
