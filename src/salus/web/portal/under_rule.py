"""How many entries of a citizen's record fall under a rule that they are about to make (EHDS 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from salus.core.access import Action
from salus.primary.selection import NO_ENTRY
from salus.primary.sharing import Rule
from salus.standards.fhir.model import compartments
from salus.store import compartment
from salus.store.compartment import Position
from salus.store.merged import merges
from salus.store.rows import StoredResource
from salus.store.shares import beside
from salus.trust.consent.products import products_named
from salus.trust.consent.voice import Item, item_of, showing
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.portal.visit import Visit

PAGE_COUNT = 200
WHAT = "record, what a rule hides"


async def under_rule(visit: Visit, rule: Rule) -> int:
    """Return how many entries of the record are what the rule is about; its reading is written down."""
    patient = visit.caller.patient or ""
    asked = AccessRequest(Action.SEARCH, "", WHAT, frozenset({patient}))
    count = 0
    async with enter(visit.services.gatehouse, visit.caller, asked) as access:
        known = await merges(visit.services.database, visit.services.clock())
        merged = known.beside([patient])
        access.include(merged)
        async for page in _pages(visit, access, [patient, *sorted(merged)], rule):
            for stored in page:
                access.record(stored.patients, WHAT)
            count += await _labelled(visit, access, page, rule.labels) if rule.labels else len(page)
    return count


async def _pages(
    visit: Visit, access: Access, records: Sequence[str], rule: Rule
) -> AsyncIterator[list[StoredResource]]:
    database = visit.services.database
    held = await compartment.kinds(access.grant, database, records)
    types = sorted(held & frozenset(compartments()["Patient"]) - NO_ENTRY)
    wanted = [kind for kind in types if kind in rule.classes or not rule.classes]
    after: Position | None = None
    while wanted:
        page = await compartment.page(
            access.grant, database, records, wanted, since=None, after=after, count=PAGE_COUNT
        )
        if page:
            yield page
        if len(page) < PAGE_COUNT:
            return
        after = Position(page[-1].type, page[-1].id)


async def _labelled(
    visit: Visit, access: Access, page: Sequence[StoredResource], labels: Sequence[str]
) -> int:
    """Return how many of the page have one of the labels, by themselves or by the medicine that they name."""
    items = await _read(page)
    named = sorted({name for item in items for name in products_named(item)})
    keys = [(kind, identity) for kind, _, identity in (name.partition("/") for name in named)]
    found = await compartment.named(access.grant, visit.services.database, keys) if keys else []
    products = {item.reference: item for item in await _read(found)}
    count = 0
    for item in items:
        medicines = [products[name] for name in products_named(item) if name in products]
        count += not showing(item, medicines).labels.isdisjoint(labels)
    return count


async def _read(page: Sequence[StoredResource]) -> list[Item]:
    return await beside(sum(len(stored.content) for stored in page), _items, page)


def _items(page: Sequence[StoredResource]) -> list[Item]:
    return [
        item_of({**msgspec.json.decode(stored.content), "resourceType": stored.type, "id": stored.id})
        for stored in page
    ]
