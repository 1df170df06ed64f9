"""A person's record as material for documents, read through the gate."""

from __future__ import annotations

from collections.abc import Sequence

from salus.core.errors import TooLarge
from salus.primary.medications import as_prescribed, with_own_ids
from salus.primary.products import medication_of
from salus.standards.fhir.bundle import Resource, links
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.model import compartments
from salus.store import compartment
from salus.store.readable import is_readable
from salus.store.rows import StoredResource
from salus.trust.gate import Access
from salus.web.fhir.answer import UNLIMITED, resource_bytes
from salus.web.services import Services

RESOURCES_MAX = 20_000
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
    for resource in page:
        access.record(resource.patients)
    held = [parsed(resource) for resource in page]
    here = {f"{one.type}/{one.id}" for one in page} | {f"Patient/{identity}"}
    wanted = {link for resource in held for link in links(resource) if link.count("/") == 1}
    wanted = wanted.union(filter(None, map(medication_of, held))) - here
    pairs = (link.split("/") for link in sorted(wanted))
    keys = [(kind, name) for kind, name in pairs if kind[:1].isupper() and is_readable(access.grant, kind)]
    others = await compartment.named(access.grant, services.database, keys) if keys else []
    shown = await as_prescribed(access.grant, services.database, held, others, UNLIMITED)
    for resource in (*others, *shown.found.values()):
        access.record(resource.patients)
    versions = {link: parsed(each) for link, each in shown.found.items()}
    return with_own_ids(shown, versions) + [parsed(resource) for resource in others]


def parsed(resource: StoredResource) -> Resource:
    """Return a stored resource parsed, with its id and meta."""
    return parse_json(resource_bytes(resource), UNLIMITED)
