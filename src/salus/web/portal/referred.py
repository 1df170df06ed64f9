"""The products and devices that entries name only by reference, so that none is shown without its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from salus.primary.references import local_reference
from salus.store.compartment import named
from salus.store.readable import is_readable
from salus.store.rows import StoredResource
from salus.trust.gate import Access
from salus.web.portal.lookup import read
from salus.web.services import Services

MEMBERS = {"medicationReference": "Medication", "device": "Device"}


async def products_of(
    services: Services, access: Access, resources: Iterable[dict[str, Any]]
) -> dict[str, dict[str, Any]]:  # FHIR content is open JSON, hence Any
    """Return the Medications and Devices of this node that the resources refer to, by "Type/id"."""
    found = await stored_products(services, access, resources)
    for stored in found:
        access.record(stored.patients)
    return by_reference(services, found)


def by_reference(services: Services, found: Iterable[StoredResource]) -> dict[str, dict[str, Any]]:
    """Return what was found by "Type/id"."""
    return {f"{stored.type}/{stored.id}": read(services, stored) for stored in found}


async def stored_products(
    services: Services, access: Access, resources: Iterable[dict[str, Any]]
) -> list[StoredResource]:  # FHIR content is open JSON, hence Any
    """Return these products as stored; that they leave is the caller's to record."""
    links = {
        local_reference(str(resource.get(member, {}).get("reference", "")))
        for resource in resources
        for member in MEMBERS
        if isinstance(resource.get(member), dict)
    }
    pairs = [link.split("/") for link in sorted(links) if link.partition("/")[0] in MEMBERS.values()]
    keys = [(kind, name) for kind, name in pairs if is_readable(access.grant, kind)]
    return await named(access.grant, services.database, keys) if keys else []
