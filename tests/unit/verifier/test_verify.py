"""The stand-alone verifier, by its command line: genuine, complete, tampered with."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.unit.verifier import reports
from tests.unit.verifier.reports import CASES, LOG, OTHER_WITNESS, WITNESS
from verifier import verify

PROGRAM = Path(verify.__file__)

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_ed25519_verifies_the_vectors_of_rfc_8032_and_nothing_near_them(public, message, signature):
    key, text, signed = (bytes.fromhex(part) for part in (public, message, signature))
    assert verify.verify_ed25519(key, text, signed)
    for place in (0, 31, 32, 63):
        wrong = bytearray(signed)
        wrong[place] ^= 1
        assert not verify.verify_ed25519(key, text, bytes(wrong))
    assert not verify.verify_ed25519(key, text + b"x", signed)
    beyond = int.from_bytes(signed[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    assert not verify.verify_ed25519(key, text, signed[:32] + beyond.to_bytes(32, "little"))
    assert not verify.verify_ed25519(key[:-1], text, signed)


def test_ed25519_agrees_with_the_library_on_keys_and_messages_at_random():
    for number in range(20):
        key = reports.Ed25519PrivateKey.from_private_bytes(reports.sha256(bytes([number])))
        public, message = key.public_key().public_bytes_raw(), bytes(range(number))
        signed = key.sign(message)
        for candidate in (signed, signed[32:] + signed[:32], bytes(64)):
            assert verify.verify_ed25519(public, message, candidate) is accepted(public, message, candidate)


def test_ed25519_judges_the_wycheproof_cases_as_marked(shared):
    table = json.loads((shared / "testvectors/jose-crypto/ed25519_test.json").read_text())
    wrong = []
    for group in table["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            holds = verify.verify_ed25519(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            if holds is not (case["result"] == "valid"):
                wrong.append(case["comment"])
    assert wrong == []


def test_inclusion_proofs_are_judged_as_the_vectors_say(shared):
    lines = (shared / "testvectors/merkle-log/inclusion.jsonl").read_text().splitlines()
    wrong = []
    for case in map(json.loads, lines):
        leaf, root = (base64.b64decode(case[name] or "") for name in ("leafHash", "root"))
        proof = [base64.b64decode(each) for each in case["proof"] or []]
        access = verify.Access(case["leafIdx"], b"", None, proof)
        if holds(access, leaf, verify.Checkpoint(case["treeSize"], root, [], [])) is case["wantErr"]:
            wrong.append(case["name"])
    assert wrong == []


def holds(access, leaf, checkpoint):
    """Return whether the leaf's hash is where the access says; hashes of other lengths are no leaves."""
    if not 0 <= access.index < checkpoint.size or len(leaf) != 32:
        return False
    return verify.root_by_proof(leaf, access.index, checkpoint.size, access.proof) == checkpoint.root


def test_checkpoints_are_judged_as_the_vectors_say(shared):
    table = json.loads((shared / "testvectors/merkle-log/own/checkpoints.json").read_text())
    log, witnesses = verify.parse_key(table["log_vkey"]), list(map(verify.parse_key, table["witness_vkeys"]))
    wrong = []
    for case in table["cases"]:
        try:
            found = len(verify.open_checkpoint(case["note"], log, witnesses).witnesses)
        except (verify.Forged, verify.Unreadable):
            found = None
        if found != (case["cosignatures_valid"] if case["valid"] else None):
            wrong.append(case["why"])
    assert wrong == []


def accepted(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.fixture
def check(tmp_path, capsys):
    def run(report, *arguments):
        path = tmp_path / "report.json"
        path.write_text(json.dumps(report))
        code = verify.main([str(path), *arguments])
        return code, capsys.readouterr()

    return run


@pytest.mark.parametrize("name", CASES)
def test_every_report_is_judged_as_what_it_is(check, name):
    report, code = CASES[name]
    assert check(report, "--log", LOG, "--witness", WITNESS)[0] == code


def test_it_runs_alone_with_the_standard_library(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(reports.COMPLETE))
    (tmp_path / "log.key").write_text(LOG + "\n")
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(path), "--log", str(tmp_path / "log.key")]
    done = subprocess.run([*command, "--list"], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "GENUINE: all 4 accesses are, unchanged, in the log of salus.test/ledger" in done.stdout
    assert "COMPLETE: accesses 1 to 4 are all there" in done.stdout
    assert "Márcia | Observation/6" in done.stdout


def test_it_says_what_a_report_does_not_show(check):
    _, said = check(reports.GENUINE)
    assert "CAUTION: no key of the log was given" in said.out
    assert "NOT SHOWN: whether an access is missing" in said.out
    assert "No witness that you named signed" in said.out
    _, said = check(reports.without(reports.COMPLETE, 0), "--log", LOG)
    assert "IN PART: accesses 2 to 4 are all there, older ones are not in this file" in said.out
    _, said = check(reports.changed(reports.GENUINE, unsigned=2), "--log", LOG)
    assert "MORE:" in said.out


def test_witnesses_are_counted_and_their_time_is_told(check):
    code, said = check(reports.COMPLETE, "--log", LOG, "--witness", WITNESS, "--quorum", "1")
    assert code == 0
    assert "ee-1.test vouches for the log as it was at 2026-11-24 09:00:00 UTC" in said.out
    two = ["--witness", WITNESS, "--witness", OTHER_WITNESS, "--quorum", "2"]
    code, said = check(reports.COMPLETE, "--log", LOG, *two)
    assert code == 1
    assert "1 of the named witnesses signed the checkpoint; 2 must" in said.out
    assert (
        check(reports.COMPLETE, "--log", LOG, "--witness", WITNESS, "--witness", WITNESS, "--quorum", "2")[0]
        == 1
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--log", LOG[:-2]],
        ["--log", LOG.replace("salus", "other")],
        ["--log", WITNESS],
        ["--log", LOG, "--witness", LOG],
        ["--log", "/no/such/file"],
    ],
)
def test_a_wrong_key_is_refused_with_the_reason(check, arguments):
    code, said = check(reports.GENUINE, *arguments)
    assert (code, said.err.startswith("CANNOT BE READ: ")) == (2, True)


def test_what_an_entry_says_cannot_steer_the_terminal(check):
    entries = json.dumps({"leaf": dict.fromkeys(("at", "name", "organisation", "node", "action", "what",
                                                 "purpose", "outcome"), "\x1b[2J")}).encode()  # fmt: skip
    leaf = reports.sha256(b"\x00", entries)
    report = reports.report_of(
        reports.note(1, leaf), [{"index": 0, "entry": reports.b64(entries), "hashes": []}]
    )
    code, said = check(report, "--list")
    assert (code, "\x1b" in said.out) == (3, False)
