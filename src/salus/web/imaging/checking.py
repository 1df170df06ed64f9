"""What is wrong with archives and with the studies of a patient, for whoever runs the node."""

from __future__ import annotations

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import NotFound, SalusError
from salus.primary.imaging.asking import Door
from salus.primary.imaging.studies import Verdict, ask_json, check_study, numbers_of
from salus.standards.dicomweb.attributes import read_datasets
from salus.standards.dicomweb.uids import study_uid
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.search.grammar import parse_query
from salus.store.merged import merges
from salus.store.rows import StoredResource
from salus.store.search import search
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.search import with_merged
from salus.web.imaging.reaching import doors_of, endpoints_of, patients_in
from salus.web.services import Services

ROWS_MAX = 500
ONE_STUDY = "/studies?limit=1"
MOST_ANSWERED = 1_000
"""Data sets of an archive that minds no limit, before it is called wrong."""


class Checked(msgspec.Struct, frozen=True):
    """One ImagingStudy compared with an archive, or an archive by itself (`study` is "").

    Args:
        archive: its name; "" where no archive of the node is named.
        study: id of the ImagingStudy.
        uid: its Study Instance UID.
        problem: what is wrong, "" where nothing is.
    """

    archive: str
    study: str = ""
    uid: str = ""
    problem: str = ""


WORDS = {
    Verdict.THEIRS: "",
    Verdict.ABSENT: "the archive does not hold this study",
    Verdict.ANOTHER_PERSON: "the archive has this study under another PatientID: correct it there or here",
    Verdict.NO_NUMBER: "the patient has no number of the archive's patient_system",
}


async def check_archives(services: Services) -> list[Checked]:
    """Ask each archive for one study of anybody, of which nothing is kept or shown."""
    return [Checked(name, problem=await _problem(door)) for name, door in services.archives.items()]


async def _problem(door: Door) -> str:
    try:
        read_datasets(await ask_json(door, ONE_STUDY), count_max=MOST_ANSWERED)
    except NotFound:
        return "there is no DICOMweb below base_url (404 for /studies)"
    except SalusError as error:
        return error.message
    return ""


async def check_studies(services: Services, caller: Caller, patient: str) -> tuple[list[Checked], bool]:
    """Compare the ImagingStudies of a patient with the archives; the second says whether these were all."""
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", "ImagingStudy?patient", frozenset({patient}))
    async with enter(services.gatehouse, caller, asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside([patient]))
        pairs = with_merged(known, "ImagingStudy", (("patient", patient), ("_count", str(ROWS_MAX))))
        query = parse_query("ImagingStudy", pairs, services.limits, strict=True, base=services.fhir_base)
        page = await search(access.grant, services.database, query, key=services.keys.search)
        found = [one for each in page.resources for one in await _compared(services, access, each)]
        access.record([patient], count=len(page.resources))
    return found, not page.next_cursor


async def _compared(services: Services, access: Access, stored: StoredResource) -> list[Checked]:
    study = parse_json(stored.content, services.limits)
    uid = study_uid(study)
    if not uid:
        return [Checked("", stored.id, problem="the ImagingStudy states no Study Instance UID")]
    doors = doors_of(services, await endpoints_of(services, access, study))
    if not doors:
        return [Checked("", stored.id, uid, "no archive of [[imaging]] is among its endpoints")]
    patients = await patients_in(services, access, stored.patients)
    found = []
    for door in doors:
        try:
            numbers = numbers_of(patients, door.archive)
            problem = WORDS[await check_study(door, uid, numbers, services.clock())]
        except SalusError as error:
            problem = error.message
        found.append(Checked(door.archive.name, stored.id, uid, problem))
    if len(doors) > 1 and any(
        not each.problem for each in found
    ):  # it names none: one that holds it is enough
        return [each for each in found if not each.problem]
    return found
