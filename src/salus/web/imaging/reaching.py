"""The way to the pictures of a study: an ImagingStudy that the caller may see, then its archive.

Pictures are reached through the record alone. A study that is hidden from the caller, and one that is in no
record, end at the same place, before any archive is asked.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, Gone, NotFound, PeerUnavailable
from salus.core.identifiers import is_fhir_id
from salus.primary.imaging.asking import Door
from salus.primary.imaging.studies import Verdict, check_part, check_study, numbers_of
from salus.standards.dicomweb.uids import OID, SYSTEM, URI, is_uid, study_uid
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.search.grammar import parse_query
from salus.store import resources
from salus.store.merged import merges
from salus.store.rows import StoredResource
from salus.store.search import search
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.services import Services

LOG = logging.getLogger("salus.imaging")
PREFIX = "/imaging"
NO_STUDY = "There is no such study in what this access may see."
CANDIDATES_MAX = 20
"""Most ImagingStudies with one UID: an archive's, and those of systems that sent it too."""
ENDPOINTS_MAX = 8
Resource = dict[str, Any]  # FHIR JSON, hence Any


class Reached(msgspec.Struct, frozen=True):
    """A study whose pictures may be shown now: the archive holds it, and its patient is the record's.

    Args:
        study: the ImagingStudy.
        uid: its Study Instance UID.
        door: the archive.
        numbers: of the patient, at that archive.
        access: through which it was opened.
        patients: in whose record it is.
    """

    study: Resource
    uid: str
    door: Door
    numbers: frozenset[str]
    access: Access
    patients: tuple[str, ...]

    def record(self, what: str) -> None:
        """Note that pictures, or what is said of them, leave."""
        self.access.record(self.patients, f"{what} of study {self.uid}")


def wado_base(services: Services) -> str:
    """Return the node's own WADO-RS address."""
    return f"{services.base_url}{PREFIX}/dicomweb"


@asynccontextmanager
async def reach_entry(
    services: Services, caller: Caller, patient: str, identity: str
) -> AsyncIterator[Reached]:
    """Open the study of an ImagingStudy of a record, known by its id.

    Raises:
        NotFound: there is none for this caller, or no archive of this node holds it.
        AccessRefused: the archive's study is another person's, or cannot be compared.
        PeerUnavailable: the archive does not answer.
    """
    asked = AccessRequest(Action.READ, "ImagingStudy", f"ImagingStudy/{identity[:64]}", frozenset({patient}))
    async with enter(services.gatehouse, caller, asked) as access:
        if not is_fhir_id(identity):
            raise NotFound(NO_STUDY)
        await _include(services, access)
        stored = await resources.read(access.grant, services.database, "ImagingStudy", identity)
        yield await _reached(services, access, [stored])


@asynccontextmanager
async def reach_uid(services: Services, caller: Caller, uid: str) -> AsyncIterator[Reached]:
    """Open a study by its Study Instance UID. Raises as `reach_entry`."""
    if not is_uid(uid):
        raise NotFound(NO_STUDY)
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", f"study {uid}")
    async with enter(services.gatehouse, caller, asked) as access:
        await _include(services, access)
        found = await with_uid(services, access, uid)
        if not found:
            raise NotFound(NO_STUDY)
        access.concern(patient for each in found for patient in each.patients)
        yield await _reached(services, access, found)


async def with_uid(services: Services, access: Access, uid: str) -> Sequence[StoredResource]:
    """Return the ImagingStudies of a UID that the access may see."""
    wanted = f"{SYSTEM}|{OID}{uid},{URI}|{OID}{uid}"
    pairs = [("identifier", wanted), ("_count", str(CANDIDATES_MAX))]
    query = parse_query("ImagingStudy", pairs, services.limits, strict=True, base=services.fhir_base)
    page = await search(access.grant, services.database, query, key=services.keys.search)
    return page.resources


async def patients_in(services: Services, access: Access, patients: Sequence[str]) -> list[Resource]:
    """Return the Patients of a record, and of those merged with it."""
    known = await merges(services.database, services.clock())
    found = []
    for each in sorted({*patients, *known.beside(patients)}):
        with suppress(Gone):  # a record that was merged into another one may have been deleted since
            stored = await resources.read(access.grant, services.database, "Patient", each)
            found.append(parse_json(stored.content, services.limits))
    return found


async def require_part(services: Services, reached: Reached, series: str, instance: str = "") -> None:
    """Refuse a series or an instance that is not of the study. Raises as `reach_entry`."""
    verdict = await check_part(reached.door, reached.uid, series, instance, reached.numbers, services.clock())
    if verdict is Verdict.ABSENT:
        raise NotFound(f"The archive {reached.door.archive.name} does not hold this.")
    if verdict is not Verdict.THEIRS:
        raise _refused(reached.access, reached.door, verdict)


async def endpoints_of(services: Services, access: Access, study: Resource) -> list[Resource]:
    """Return the Endpoints that a study and its series name, as far as they are here."""
    found = [each for each in study.get("contained", ()) if each.get("resourceType") == "Endpoint"]
    holders = [study, *study.get("series", ())]
    links = [str(each.get("reference", "")) for one in holders for each in one.get("endpoint", ())]
    names = [link.removeprefix(f"{services.fhir_base}/").partition("/") for link in links]
    wanted = dict.fromkeys(identity for kind, _, identity in names if kind == "Endpoint")
    for identity in list(wanted)[:ENDPOINTS_MAX]:
        with suppress(NotFound, Gone):
            stored = await resources.read(access.grant, services.database, "Endpoint", identity)
            found.append(parse_json(stored.content, services.limits))
    return found


def doors_of(services: Services, endpoints: Sequence[Resource]) -> list[Door]:
    """Return the archives that the endpoints of a study name; where there are none, any may hold it."""
    named: set[str] = set()
    own = {f"{base.removesuffix('/fhir')}{PREFIX}/dicomweb/archives" for base in services.own_bases}
    for each in endpoints:
        names = [one.get("value") for one in each.get("identifier", ()) if one.get("system") in own]
        places = [
            door.archive.name
            for door in services.archives.values()
            if each.get("address") == door.archive.base_url
        ]
        named.update(name for name in (*names, *places) if name in services.archives)
    if endpoints:
        return [services.archives[name] for name in sorted(named)]
    return list(services.archives.values())


async def _include(services: Services, access: Access) -> None:
    if access.grant.patients:
        known = await merges(services.database, services.clock())
        access.include(known.beside(access.grant.patients))


async def _reached(services: Services, access: Access, found: Sequence[StoredResource]) -> Reached:
    """Return the first of the ImagingStudies whose archive holds the study of its patient."""
    worst: Exception = NotFound("No archive that this node reaches holds the pictures of this study.")
    for stored in found:
        study = parse_json(stored.content, services.limits)
        uid = study_uid(study)
        patients = await patients_in(services, access, stored.patients)
        endpoints = await endpoints_of(services, access, study)
        doors = doors_of(services, endpoints) if uid else []
        for door in doors:
            numbers = numbers_of(patients, door.archive)
            try:
                verdict = await check_study(door, uid, numbers, services.clock())
            except PeerUnavailable as error:
                worst = error
                continue
            if verdict is Verdict.THEIRS:
                return Reached(study, uid, door, numbers, access, tuple(stored.patients))
            is_guess = verdict is Verdict.NO_NUMBER and len(doors) > 1
            if verdict is not Verdict.ABSENT and not is_guess:
                worst = _refused(access, door, verdict)
    raise worst


def _refused(access: Access, door: Door, verdict: Verdict) -> AccessRefused:
    """Tell the operator that a study is not its patient's, and return the error for who asked."""
    LOG.warning(
        "request %s: archive %s: a study of the record is refused: %s; see: salus imaging check",
        access.grant.request,
        door.archive.name,
        verdict.value,
    )
    if verdict is Verdict.NO_NUMBER:
        return AccessRefused(
            f"The record has no number by which the archive {door.archive.name} knows this patient, so that "
            "the pictures cannot be told to be theirs; none is shown. The node's operator was told."
        )
    return AccessRefused(
        f"The archive {door.archive.name} has this study under another patient; nothing of it is shown. "
        "The node's operator was told."
    )
