"""A person's record as material for documents, read through the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from salus.core.errors import TooLarge
from salus.primary.medications import as_prescribed, with_own_ids
from salus.primary.products import medication_of
from salus.standards.fhir.bundle import Resource, links
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.model import compartments
from salus.store import compartment
from salus.store.directory import SHARED_TYPES
from salus.store.readable import is_readable
from salus.store.rows import StoredResource
from salus.trust.gate import Access
from salus.web.fhir.answer import UNLIMITED, resource_bytes
from salus.web.services import Services

RESOURCES_MAX = 20_000
HOPS_MAX = 4
"""How far what a document is about leads: a report to a panel, to its members, to what these derive from."""
OWN = frozenset({"Device"})
"""Types that R4's compartment definition leaves out though they may be about a patient."""
NOT_NEEDED = frozenset({"Claim", "ExplanationOfBenefit", "AuditEvent", "Account"})


async def record_of(
    services: Services, access: Access, identity: str, merged: Sequence[str]
) -> list[Resource]:
    """Return the patient's resources and those outside the compartment that they refer to.

    A product is that in the version that was prescribed, beside others under an id of its own.

    Of a person whose records were merged, those of all of them.

    Of the types only that the access opens: the policy lists all that a summary shows.

    Raises:
        TooLarge: the record has more than `RESOURCES_MAX` resources.
    """
    known = frozenset(compartments()["Patient"]) - NOT_NEEDED | OWN
    types = tuple(sorted(name for name in known if is_readable(access.grant, name)))
    page = await compartment.page(
        access.grant, services.database, [identity, *merged], types,
        since=None, after=None, count=RESOURCES_MAX + 1,
    )  # fmt: skip
    if len(page) > RESOURCES_MAX:
        raise TooLarge(f"The record has more than {RESOURCES_MAX} resources; use $everything in pages.")
    return await _with_named(services, access, page, identity)


async def around(
    services: Services, access: Access, about: StoredResource, records: Sequence[str], types: Sequence[str]
) -> list[Resource]:
    """Return a resource of a person's record with what it leads to there, in the manner of `record_of`.

    Args:
        services: the node.
        access: through the gate.
        about: where it begins.
        records: ids of the person's records, the one that stays first.
        types: of which the record's resources all belong to it, for they lead to it and not it to them.

    Raises:
        TooLarge: it leads to more than `RESOURCES_MAX` resources.
    """
    grant, database = access.grant, services.database
    known = frozenset(compartments()["Patient"]) - NOT_NEEDED
    found = {f"{about.type}/{about.id}": about}
    opened = tuple(sorted(name for name in types if is_readable(grant, name)))
    if opened:
        page = await compartment.page(
            grant, database, list(records), opened, since=None, after=None, count=RESOURCES_MAX + 1
        )
        found |= {f"{each.type}/{each.id}": each for each in page}
    frontier = list(found.values())
    for _ in range(HOPS_MAX):
        named = {link for each in frontier for link in links(parsed(each)) if link.count("/") == 1}
        pairs = [link.split("/") for link in sorted(named - found.keys())]
        keys = [(kind, name) for kind, name in pairs if kind in known and is_readable(grant, kind)]
        frontier = [
            each
            for each in (await compartment.named(grant, database, keys) if keys else [])
            if each.patients[:1] and each.patients[0] in records
        ]
        found |= {f"{each.type}/{each.id}": each for each in frontier}
        if len(found) > RESOURCES_MAX:
            raise TooLarge(f"It leads to more than {RESOURCES_MAX} resources; search for them in pages.")
    return await _with_named(services, access, list(found.values()), records[0])


async def _with_named(
    services: Services, access: Access, page: Sequence[StoredResource], identity: str
) -> list[Resource]:
    """Return resources of a record and those outside it that they refer to, and what these refer to."""
    for resource in page:
        access.record(resource.patients)
    held = [parsed(resource) for resource in page]
    here = {f"{one.type}/{one.id}" for one in page} | {f"Patient/{identity}"}
    wanted = {link for resource in held for link in links(resource) if link.count("/") == 1}
    wanted = wanted.union(filter(None, map(medication_of, held))) - here
    others = await _named(services, access, wanted)
    here |= {f"{one.type}/{one.id}" for one in others}
    further = {link for one in others for link in links(parsed(one))}
    shared = {link for link in further - here if link.partition("/")[0] in SHARED_TYPES}
    others = [*others, *await _named(services, access, shared)]
    shown = await as_prescribed(access.grant, services.database, held, others, UNLIMITED)
    for resource in (*others, *shown.found.values()):
        access.record(resource.patients)
    versions = {link: parsed(each) for link, each in shown.found.items()}
    return with_own_ids(shown, versions) + [parsed(resource) for resource in others]


async def _named(services: Services, access: Access, wanted: Iterable[str]) -> list[StoredResource]:
    pairs = (link.split("/") for link in sorted(wanted) if link.count("/") == 1)
    keys = [(kind, name) for kind, name in pairs if kind[:1].isupper() and is_readable(access.grant, kind)]
    return await compartment.named(access.grant, services.database, keys) if keys else []


def parsed(resource: StoredResource) -> Resource:
    """Return a stored resource parsed, with its id and meta."""
    return parse_json(resource_bytes(resource), UNLIMITED)
