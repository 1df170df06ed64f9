"""The products and devices that entries name only by reference, so that none is shown without its name.

A prescription is shown with its product as it was prescribed (`primary.medications.as_prescribed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from salus.primary.medications import as_prescribed
from salus.primary.references import local_reference
from salus.store.compartment import named
from salus.store.readable import is_readable
from salus.store.rows import StoredResource
from salus.trust.gate import Access
from salus.web.portal.lookup import read
from salus.web.services import Services

MEMBERS = {"medicationReference": "Medication", "device": "Device"}
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


class Named(msgspec.Struct, frozen=True):
    """Resources as they are shown, with what they name only by reference.

    Args:
        resources: in the order given; each refers to the version of its Medication that it means.
        products: Medications and Devices by "Type/id", a Medication also with "/_history/version".
        stored: these as stored.
    """

    resources: list[Resource]
    products: dict[str, Resource]
    stored: list[StoredResource]


async def with_products(services: Services, access: Access, resources: Sequence[Resource]) -> Named:
    """Return the resources with the Medications and Devices of this node that they refer to."""
    found = await named_products(services, access, resources)
    for stored in found.stored:
        access.record(stored.patients)
    return found


async def named_products(services: Services, access: Access, resources: Sequence[Resource]) -> Named:
    """Return the same as `with_products`; that the products leave is the caller's to record."""
    links = {
        local_reference(str(resource.get(member, {}).get("reference", "")))
        for resource in resources
        for member in MEMBERS
        if isinstance(resource.get(member), dict)
    }
    pairs = [link.split("/") for link in sorted(links) if link.partition("/")[0] in MEMBERS.values()]
    keys = [(kind, name) for kind, name in pairs if is_readable(access.grant, kind)]
    current = await named(access.grant, services.database, keys) if keys else []
    shown = await as_prescribed(access.grant, services.database, resources, current, services.limits)
    products = {f"{each.type}/{each.id}": read(services, each) for each in current}
    products |= {link: read(services, each) for link, each in shown.found.items()}
    return Named(shown.resources, products, [*current, *shown.found.values()])
