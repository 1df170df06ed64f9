"""Medicines of the shared directory: in no record, and telling what somebody has by being named in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from salus.store import veils
from salus.store.postgres import Connection
from salus.trust.consent.voice import Item, item_of, showing

_TYPES = frozenset({"Medication", "Substance"})
Products = dict[str, Item | None]
"""By "Type/id"; None for one that is not here."""


async def learn(connection: Connection, items: Iterable[Item], products: Products) -> None:
    """Read the medicines that the items name and that are not among the products yet, and add them."""
    missing = {name for item in items for name in products_named(item) if name not in products}
    if missing:
        products.update(dict.fromkeys(missing))
        products.update(await _read(connection, missing))


def with_products(item: Item, products: Products) -> Item:
    """Return a resource of a record with what the medicines that it names are about."""
    named = (products.get(name) for name in products_named(item))
    return showing(item, [product for product in named if product is not None])


async def _read(connection: Connection, names: set[str]) -> Products:
    keys = [("", kind, identity) for kind, _, identity in (name.partition("/") for name in sorted(names))]
    found: Products = {}
    for _, kind, identity, content in await veils.contents(connection, keys):
        resource = {**msgspec.json.decode(content), "resourceType": kind, "id": identity}
        found[f"{kind}/{identity}"] = item_of(resource)
    return found


def products_named(item: Item) -> Iterator[str]:
    """Yield the medicines and substances of the directory that a resource names, as "Type/id"."""
    for reference in item.refers_to or ():
        *_, kind, identity = ("", *reference.split("/"))
        if kind in _TYPES:
            yield f"{kind}/{identity}"
