"""Reading a local record for a page: through the gate's access, by search, as parsed resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import NotFound, TooLarge
from salus.primary.reading.people import person_name
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.labels import ASSERTED
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.nationalid.identifiers import (
    holds,
    identifier_of_system,
    national_identifiers,
    normalise,
)
from salus.store.merged import merges, persons_of
from salus.store.rows import StoredResource
from salus.store.search import search
from salus.trust.care import LOOKUP
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.search import with_merged
from salus.web.services import Services

CANDIDATES_MAX = 20


class Person(msgspec.Struct, frozen=True):
    """A Patient as a page's head shows one; `identifiers` are named as their country does."""

    id: str
    name: str
    birth_date: str
    gender: str
    identifiers: tuple[str, ...]


def person_of(resource: dict[str, Any]) -> Person:  # FHIR content is open JSON, hence Any
    """Return what a page's head shows of a Patient."""
    return Person(
        id=str(resource.get("id", "")),
        name=person_name(resource) or "without a name",
        birth_date=str(resource.get("birthDate", "")),
        gender=str(resource.get("gender", "not recorded")),
        identifiers=tuple(
            identifier_in_words(str(each.get("system", "")), str(each["value"]))
            for each in resource.get("identifier", [])
            if each.get("value") and not str(each.get("system", "")).startswith("urn:salus:synthetic")
        ),
    )


def identifier_in_words(system: str, value: str) -> str:
    """Return a national identifier with its country's name for it, any other with its system."""
    row = identifier_of_system(system)
    return f"{row.name} {value}" if row else f"{system} {value}".strip()


async def find(
    services: Services,
    access: Access,
    type_name: str,
    pairs: Sequence[tuple[str, str]],
    *,
    whole: bool = False,
) -> list[dict[str, Any]]:  # FHIR content is open JSON, hence Any
    """Search, note whose data leaves, and return what was found, each with its logical id.

    Of a person whose records were merged, what is in all of them.

    Raises:
        TooLarge: `whole` is asked for and there is more than one page.
    """
    page = await find_page(services, access, type_name, pairs)
    if whole and page.next_cursor:
        raise TooLarge(f"The record holds more of {type_name} than one page shows; none is shown.")
    return page.resources


class FoundPage(msgspec.Struct, frozen=True):
    """A page of a search, each resource with its logical id; `next_cursor` is "" on the last."""

    resources: list[dict[str, Any]]  # FHIR content is open JSON, hence Any
    next_cursor: str


async def find_page(
    services: Services, access: Access, type_name: str, pairs: Sequence[tuple[str, str]]
) -> FoundPage:
    """Return one page of what `find` finds."""
    known = await merges(services.database, services.clock())
    access.include(known.beside(access.grant.patients or ()))
    pairs = with_merged(known, type_name, tuple(pairs))
    query = parse_query(type_name, pairs, services.limits, strict=True, base=services.fhir_base)
    page = await search(access.grant, services.database, query, key=services.keys.search)
    for patient, count in page.patients.items():
        access.record([patient] if patient else [], count=count)
    return FoundPage([read(services, stored) for stored in page.resources], page.next_cursor)


def read(services: Services, stored: StoredResource) -> dict[str, Any]:
    """Return the resource with the id, the version and the source that the node knows it by."""
    resource = parse_json(stored.content, services.limits)
    resource["id"] = stored.id
    resource["meta"] = {**resource.get("meta", {}), "versionId": str(stored.version)}
    if stored.source:
        resource["meta"]["source"] = stored.source
    return resource


async def find_citizens(services: Services, identifier: str) -> list[Person]:
    """Return the Patients with the national identifier ("system|value" or the value alone), for a test login.

    The operator asks, and the look-up is written down like any other.
    """
    operator = Caller(
        subject="test-login",
        name="Test login",
        role=Role.OPERATOR,
        organisation=services.name,
        issuer=services.base_url,
        purpose=Purpose.OPERATIONS,
    )
    asked = AccessRequest(Action.SEARCH, "Patient", "Patient?identifier")
    async with enter(services.gatehouse, operator, asked) as access:
        return await find_persons(services, access, identifier)


async def find_persons(services: Services, access: Access, identifier: str) -> list[Person]:
    """Return the persons with the identifier, each once: a merged one by the record that stays.

    A national number may be typed as it is printed. Whom a citizen registered, or a document brought, is
    left out until staff confirm who it is.
    """
    wanted = ",".join(_spellings(identifier.strip(), services.country))
    asked = [("identifier", wanted), ("_security:not", ASSERTED), ("_count", str(CANDIDATES_MAX))]
    query = parse_query("Patient", asked, services.limits, strict=True, base=services.fhir_base)
    page = await search(access.grant, services.database, query, key=services.keys.search)
    persons, gone = await persons_of(access.grant, services.database, page.resources)
    for stored in (*persons, *gone):
        access.record(stored.patients)
    return [person_of(read(services, stored)) for stored in persons]


async def patient_of(services: Services, caller: Caller, identifier: str) -> str:
    """Return the logical id of the only patient with the identifier, as `patients_of` finds them.

    Raises:
        NotFound: nobody, or more than one, has it.
        AccessRefused: the caller is no professional of this node.
    """
    found = await patients_of(services, caller, identifier)
    if len(found) != 1:
        raise NotFound("No patient, or more than one, has this identifier here; check it.")
    return found[0].id


async def patients_of(services: Services, caller: Caller, identifier: str) -> list[Person]:
    """Return the patients with the identifier; the look-up is written down.

    Raises:
        AccessRefused: the caller is no professional of this node.
    """
    asked = AccessRequest(Action.SEARCH, LOOKUP, "Patient?identifier")
    # A token's scopes have no word for looking up; an app has nothing but its scopes.
    looking = msgspec.structs.replace(caller, scopes=caller.scopes if caller.app else ())
    async with enter(services.gatehouse, looking, asked) as access:
        return await find_persons(services, access, identifier)


def _spellings(text: str, country: str) -> list[str]:
    """Return what is typed as search values: as it is, and bare where that is a national number."""
    bare = normalise(text)
    found = [text.replace("\\", "\\\\").replace(",", "\\,")]
    if "|" not in text and bare != text:
        rows = (row for row in national_identifiers() if row.country == country)
        found += [f"{row.system}|{bare}" for row in rows if holds(row.system, bare)]
    return found


async def person_in_context(services: Services, caller: Caller, patient: str) -> Person:
    """Return whom the patient in context of a proxy or a professional is; this is an access, written down.

    Raises:
        NotFound: there is no such patient any more.
    """
    what = "" if caller.patient else "Patient"  # "": a power that covers some types still names its person
    asked = AccessRequest(Action.READ, what, f"Patient/{patient}", frozenset({patient}))
    async with enter(services.gatehouse, caller, asked) as access:
        return await _person(services, access, patient)


async def own_person(services: Services, access: Access) -> Person:
    """Return the Patient of the citizen whose access it is.

    Raises:
        NotFound: it was deleted.
    """
    return await _person(services, access, access.grant.caller.patient or "")


async def _person(services: Services, access: Access, patient: str) -> Person:
    """Return the person of a record, by the record that stays."""
    known = await merges(services.database, services.clock())
    found = await find(services, access, "Patient", [("_id", known.survivor(patient))])
    if not found:
        raise NotFound("This record is not at this node any more; ask its operator.")
    return person_of(found[0])
