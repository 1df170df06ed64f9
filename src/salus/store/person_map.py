"""The pages of the map of persons in the database, read along the way to persons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from salus.standards.merkle.persons import (
    HASH_BYTES,
    LEVELS,
    ROOT,
    SLOT_MASK,
    Page,
    Person,
    Place,
    decode_page,
    encode_page,
    end_in,
    proof_of,
    shift_at,
    top_of,
    way_of,
)
from salus.store.postgres import Connection

_PAGES = """
SELECT depth, prefix, content FROM person_page
WHERE (depth, prefix) IN (SELECT * FROM unnest($1::text::int2[], $2::text::int8[]))
"""
_WRITE = """
INSERT INTO person_page (depth, prefix, content)
SELECT * FROM unnest($1::text::int2[], $2::text::int8[], $3::bytea[])
ON CONFLICT (depth, prefix) DO UPDATE SET content = excluded.content
"""


_Waiting = dict[tuple[int, int], list[tuple[int, bytes]]]


class Way(dict[Place, Page]):
    """The pages on the way to some persons; `ends` says where each person's way ends."""

    def __init__(self) -> None:
        """Begin with no page."""
        super().__init__()
        self.ends: dict[bytes, Person] = {}

    @property
    def root(self) -> bytes:
        """The hash of the whole map (32 bytes)."""
        return top_of(self.get(ROOT, {}))[0]


async def way_to(connection: Connection, pseudonyms: Iterable[bytes]) -> Way:
    """Read the pages on the way to the persons, one round trip for each six levels."""
    way = Way()
    waiting: _Waiting = {ROOT: [(way_of(each), each) for each in pseudonyms]}
    while waiting:
        depths, prefixes = zip(*waiting, strict=True)
        rows = await connection.fetch(_PAGES, numbers(depths), numbers(prefixes))
        further: _Waiting = {}
        for row in rows:
            place = Place(row["depth"], row["prefix"])
            page = way[place] = decode_page(row["content"])
            shift, depth, prefix = shift_at(place.depth), place.depth + LEVELS, place.prefix << LEVELS
            for number, person in waiting[place]:
                slot = number >> shift & SLOT_MASK
                held = page.get(slot)
                if held is None:
                    continue
                if len(held) == HASH_BYTES:
                    further.setdefault((depth, prefix | slot), []).append((number, person))
                elif held.startswith(person):
                    way.ends[person] = end_in(held)
        waiting = further
    return way


async def write_pages(connection: Connection, pages: Mapping[Place, Page]) -> None:
    """Write the pages in place of those that were there."""
    if pages:
        depths, prefixes = zip(*pages, strict=True)
        contents = [encode_page(page) for page in pages.values()]
        await connection.execute(_WRITE, numbers(depths), numbers(prefixes), contents)


def numbers(column: Iterable[int]) -> str:
    """Return numbers as PostgreSQL writes an array: the driver asks of each whether it is an array itself."""
    return "{" + ",".join(map(str, column)) + "}"


async def map_proofs(
    connection: Connection, pseudonyms: Iterable[bytes]
) -> dict[bytes, tuple[Person, list[bytes]]]:
    """Return where persons' chains end, with the siblings that prove it; who has no leaf is absent."""
    wanted = list(pseudonyms)
    way = await way_to(connection, wanted)
    proofs = {each: proof_of(way, each) for each in wanted}
    return {each: proof for each, proof in proofs.items() if proof is not None}
