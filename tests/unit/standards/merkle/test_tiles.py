"""Tiles have the paths and nodes of C2SP tlog-tiles; witnesses cosign by tlog-cosignature."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import open_checkpoint, sign_checkpoint
from salus.standards.merkle.note import cosign, log_key, parse_key, witness_key
from salus.standards.merkle.tiles import Tile, parse_tile, tiles_of
from salus.standards.merkle.tree import Node

LOG, WITNESS = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(1, 999), "tile/1/999"),
        (Tile(2, 1000), "tile/2/x001/000"),
        (Tile(0, 1234067, 8), "tile/0/x001/x234/067.p/8"),
    ],
)
def test_a_tile_has_one_path(tile, path):
    assert tile.path == path
    assert parse_tile(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000/",
        "tile/0/../000",
        "tile/0/" + "x001/" * 30 + "000",
        "tile/entries/000",
    ],
)
def test_another_spelling_is_refused(path):
    with pytest.raises(MalformedContent):
        parse_tile(path)


def test_a_tree_has_the_tiles_that_the_standard_counts():
    # tlog-tiles, "Merkle Tree": 70,000 leaves are 273 full tiles and one of 112, then 1 and 17, then 1.
    found = list(tiles_of(70_000))
    assert (found[273], found[272]) == (Tile(0, 273, 112), Tile(0, 272))
    assert found[274:] == [Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles_of(0)) == []
    assert list(Tile(1, 1, 2).nodes) == [Node(8, 256), Node(8, 257)]


def cosigned(seconds, name="witness.example"):
    note = sign_checkpoint("log.example", 5, b"r" * 32, LOG)
    return note + cosign(note, name, WITNESS, seconds=seconds)


def opened(note, name="witness.example"):
    return open_checkpoint(note, log_key("log.example", LOG), [witness_key(name, WITNESS)])


def test_a_witness_vouches_for_a_checkpoint_at_a_time():
    assert [(one.name, one.seconds) for one in opened(cosigned(1_790_000_000)).cosignatures] == [
        ("witness.example", 1_790_000_000)
    ]
    key = witness_key("witness.example", WITNESS)
    assert parse_key(key.text) == key


def test_a_cosignature_without_a_time_counts_for_nothing():
    with pytest.raises(MalformedContent):
        opened(cosigned(0))
    with pytest.raises(MalformedContent):
        opened(cosigned(0, "log.example").replace("— log.example", "— x.example", 1), "log.example")
