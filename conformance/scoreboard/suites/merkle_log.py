"""Merkle proofs (transparency-dev/merkle testdata), and proofs, checkpoints and tiles of one tree (C2SP).

Each kind is known by its members: a proof is judged as `wantErr` or `valid` says; a tree has the roots
listed; a checkpoint holds or not, with that many known cosignatures; tiles have those paths and hashes.
A case of level "should" is set apart.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import level_apart, objects
from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import parse_key
from salus.standards.merkle.proof import verify_consistency, verify_inclusion
from salus.standards.merkle.tiles import Tile, parse_tile, path_tail, tiles_of
from salus.standards.merkle.tree import Node, Span, fold, full_nodes, leaf_hash, node_hash

Table = dict[str, Any]


def _recognises(folder: Path) -> bool:
    shapes = (("leafIdx", "wantErr"), ("size1", "wantErr"), ("kind", "proof"), ("log_vkey", "cases"))
    return "merkle" in folder.name and any(any(objects(folder, *shape)) for shape in shapes)


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _proof(case: Table) -> list[bytes]:
    return [_bytes(one) for one in case["proof"] or []]


def _inclusion(leaf: str, case: Table, index: int, size: int) -> bool:
    return verify_inclusion(_bytes(leaf), index, size, _proof(case), _bytes(case["root"]))


def _consistency(case: Table) -> bool:
    roots = _bytes(case["root1"]), _bytes(case["root2"])
    return verify_consistency(case["size1"], case["size2"], *roots, _proof(case))


def _said(holds: bool, expected: bool) -> str:
    return "" if holds is expected else f"should {'hold' if expected else 'not hold'}"


def _proofs(folder: Path) -> Iterator[Case]:
    for name, case in objects(folder, "leafIdx", "treeSize", "wantErr"):
        holds = _inclusion(case["leafHash"], case, case["leafIdx"], case["treeSize"])
        yield Case(name, _said(holds, not case["wantErr"]), level_apart(case))
    for name, case in objects(folder, "size1", "size2", "wantErr"):
        yield Case(name, _said(_consistency(case), not case["wantErr"]), level_apart(case))
    for name, case in objects(folder, "kind", "proof", "valid"):
        if case["kind"] == "inclusion":
            holds = _inclusion(case["leaf_hash"], case, case["index"], case["size"])
        else:
            holds = _consistency(case)
        yield Case(name, _said(holds, case["valid"]), level_apart(case))


def _roots(folder: Path) -> Iterator[Case]:
    for name, tree in objects(folder, "leaves_b64", "roots"):
        leaves = [_bytes(leaf) for leaf in tree["leaves_b64"]]
        for size, root in tree["roots"].items():
            if int(size) <= len(leaves):
                nodes = _levels(leaves[: int(size)])
                right = fold([nodes[node] for node in full_nodes(Span(0, int(size)))]) == _bytes(root)
                yield Case(f"{name}/root of {size}", "" if right else "another root")


def _checkpoints(folder: Path) -> Iterator[Case]:
    for name, table in objects(folder, "log_vkey", "cases"):
        log = parse_key(table["log_vkey"])
        witnesses = [parse_key(key) for key in table.get("witness_vkeys", [])]
        for number, case in enumerate(table["cases"], start=1):
            try:
                found: int | None = len(open_checkpoint(case["note"], log, witnesses).cosignatures)
            except MalformedContent:
                found = None
            expected = case["cosignatures_valid"] if case["valid"] else None
            wrong = "" if found == expected else f"expected {expected} cosignatures, found {found}"
            yield Case(f"{name}/{number} {case['why']}", wrong, level_apart(case))


def _levels(leaves: list[bytes]) -> dict[Node, bytes]:
    """Return the hashes of all full subtrees over the leaves."""
    row = [leaf_hash(leaf) for leaf in leaves]
    found: dict[Node, bytes] = {}
    level = 0
    while row:
        found |= {Node(level, position): value for position, value in enumerate(row)}
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        level += 1
    return found


def _digest(tile: Tile, nodes: dict[Node, bytes]) -> str:
    return hashlib.sha256(b"".join(nodes[node] for node in tile.nodes)).hexdigest()


def _tiles(folder: Path) -> Iterator[Case]:
    leaves = [_bytes(leaf) for _, tree in objects(folder, "leaves_b64") for leaf in tree["leaves_b64"]]
    for name, table in objects(folder, "trees", "index_encoding"):
        for tree in table["trees"]:
            if tree["size"] > len(leaves):
                continue
            nodes = _levels(leaves[: tree["size"]])
            found = {tile.path: _digest(tile, nodes) for tile in tiles_of(tree["size"])}
            right = found == {tile["path"]: tile["sha256"] for tile in tree["tiles"]}
            right = right and all(parse_tile(path).path == path for path in found)
            yield Case(f"{name}/tiles of {tree['size']}", "" if right else f"other tiles: {found}")
        for case in table["index_encoding"]:
            tail = path_tail(case["index"])
            path = f"tile/{case['level']}/{case['path_tail']}"
            right = tail == case["path_tail"] and parse_tile(path) == Tile(case["level"], case["index"])
            yield Case(f"{name}/{path}", "" if right else f"written as {tail}")


def _play(folder: Path) -> Iterator[Case]:
    yield from _proofs(folder)
    yield from _roots(folder)
    yield from _checkpoints(folder)
    yield from _tiles(folder)


SUITE = Suite("merkle-log", _recognises, _play)
