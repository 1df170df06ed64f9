"""The pages of the map of persons in the database, read along the way to persons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from salus.standards.merkle.persons import (
    ROOT,
    Page,
    Person,
    Place,
    below,
    decode_page,
    encode_page,
    person_in,
    proof_of,
    slot_of,
    top_of,
)
from salus.store.postgres import Connection

_PAGES = """
SELECT depth, prefix, content FROM person_page
WHERE (depth, prefix) IN (SELECT * FROM unnest($1::int2[], $2::int8[]))
"""
_WRITE = """
INSERT INTO person_page (depth, prefix, content) SELECT * FROM unnest($1::int2[], $2::int8[], $3::bytea[])
ON CONFLICT (depth, prefix) DO UPDATE SET content = excluded.content
"""


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
    waiting: dict[Place, list[bytes]] = {ROOT: list(pseudonyms)}
    while waiting:
        depths, prefixes = [place.depth for place in waiting], [place.prefix for place in waiting]
        rows = await connection.fetch(_PAGES, depths, prefixes)
        further: dict[Place, list[bytes]] = {}
        for row in rows:
            place = Place(row["depth"], row["prefix"])
            page = way[place] = decode_page(row["content"])
            for person in waiting[place]:
                slot = slot_of(person, place.depth)
                held = page.get(slot)
                if held is None:
                    continue
                end = person_in(held)
                if end is None:
                    further.setdefault(below(place, slot), []).append(person)
                elif end.pseudonym == person:
                    way.ends[person] = end
        waiting = further
    return way


async def write_pages(connection: Connection, pages: Mapping[Place, Page]) -> None:
    """Write the pages in place of those that were there."""
    if pages:
        await connection.execute(
            _WRITE,
            [place.depth for place in pages],
            [place.prefix for place in pages],
            [encode_page(page) for page in pages.values()],
        )


async def map_proofs(
    connection: Connection, pseudonyms: Iterable[bytes]
) -> dict[bytes, tuple[Person, list[bytes]]]:
    """Return where persons' chains end, with the siblings that prove it; who has no leaf is absent."""
    wanted = list(pseudonyms)
    way = await way_to(connection, wanted)
    proofs = {each: proof_of(way, each) for each in wanted}
    return {each: proof for each, proof in proofs.items() if proof is not None}
