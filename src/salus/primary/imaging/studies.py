"""What archives hold of a patient, and whether a study there is this patient's.

PatientID is compared each time: an archive may answer more than it was asked, and a number entered wrongly at
the modality is somebody else's study in this record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, NotFound, PeerUnavailable, TooLarge, UnsupportedMedia
from salus.primary.imaging.archive import Archive
from salus.primary.imaging.asking import CHECKED_MAX, Door, fetch
from salus.standards.dicomweb import addresses
from salus.standards.dicomweb.attributes import Dataset, read_datasets, text
from salus.standards.dicomweb.imaging_study import imaging_study
from salus.standards.dicomweb.links import without_links
from salus.standards.dicomweb.pictures import Picture, picture_of
from salus.standards.dicomweb.uids import is_uid
from salus.store.shares import beside

STUDIES_MAX = 200
SERIES_MAX = 200
INSTANCES_MAX = 1_000
NUMBERS_MAX = 8
"""Most numbers of one person at one archive."""
CHECKED_SECONDS = 60
_JSON = (addresses.JSON, "application/json")
_IMAGES = ("image/jpeg", "image/png")
CONNECTION_TYPE = {
    "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
    "code": "dicom-wado-rs",
}
PAYLOAD = {"text": "DICOM"}
Resource = dict[str, Any]  # FHIR JSON, hence Any


class Verdict(StrEnum):
    """What comparing a study with a patient says."""

    THEIRS = "theirs"
    ABSENT = "absent"
    ANOTHER_PERSON = "another-person"
    NO_NUMBER = "no-number"
    """The patient has no number of the system that the archive knows patients by: nothing can be compared."""


class Held(msgspec.Struct, frozen=True):
    """What an archive holds of a patient.

    Args:
        studies: at the study level, compared with the patient.
        others: how many studies it answered that are not this patient's.
        more: it holds more than are read.
    """

    studies: tuple[Dataset, ...]
    others: int = 0
    more: bool = False


def numbers_of(patients: Iterable[Mapping[str, Any]], archive: Archive) -> frozenset[str]:
    """Return the numbers by which the archive knows the person of these Patients; no old ones."""
    found = {
        str(each.get("value", ""))
        for patient in patients
        for each in patient.get("identifier", ())
        if each.get("system") == archive.patient_system and each.get("use") != "old"
    }
    return frozenset(sorted(filter(addresses.is_patient_id, found))[:NUMBERS_MAX])


def is_theirs(dataset: Dataset, numbers: frozenset[str], archive: Archive) -> bool:
    """Return whether a data set states a number of the patient, and not that of another issuer."""
    issuer = text(dataset, "IssuerOfPatientID")
    return text(dataset, "PatientID") in numbers and (not archive.issuer or issuer in ("", archive.issuer))


async def find_studies(door: Door, numbers: frozenset[str]) -> Held:
    """Return the studies that an archive holds of a patient. Raises as `asking.fetch`."""
    found: dict[str, Dataset] = {}
    others, more = 0, False
    for number in sorted(numbers):
        answered = await _ask(door, addresses.studies_of(number, count_max=STUDIES_MAX + 1), STUDIES_MAX + 1)
        more = more or len(answered) > STUDIES_MAX
        for each in answered[:STUDIES_MAX]:
            uid = text(each, "StudyInstanceUID")
            if is_theirs(each, numbers, door.archive) and is_uid(uid):
                found[uid] = each
            else:
                others += 1
    return Held(tuple(found.values()), others, more)


async def check_study(door: Door, uid: str, numbers: frozenset[str], now: datetime) -> Verdict:
    """Say whether a study is at the archive, and of this patient. Raises as `find_studies`.

    That it is theirs counts for a minute: a page shows many pictures of one study.
    """
    if not numbers:
        return Verdict.NO_NUMBER
    key = (uid, numbers)
    if door.checked.get(key, now) > now:
        return Verdict.THEIRS
    try:
        answered = await _ask(door, addresses.study(uid), STUDIES_MAX)
    except NotFound:
        return Verdict.ABSENT
    stated = [each for each in answered if text(each, "StudyInstanceUID") == uid]
    if not stated:
        return Verdict.ABSENT
    if not all(is_theirs(each, numbers, door.archive) for each in stated):
        return Verdict.ANOTHER_PERSON
    _remember(door, key, now)
    return Verdict.THEIRS


async def check_part(
    door: Door, study_uid: str, series_uid: str, instance_uid: str, numbers: frozenset[str], now: datetime
) -> Verdict:
    """Say whether a series or an instance is of the study and the patient that the address names.

    An archive may look at the last UID of an address alone: what the instance itself states decides.
    """
    key = (f"{study_uid}/{series_uid}/{instance_uid}", numbers)
    if door.checked.get(key, now) > now:
        return Verdict.THEIRS
    if instance_uid:
        address = addresses.metadata(study_uid, series_uid, instance_uid)
    else:
        address = addresses.instances_of(study_uid, series_uid, count_max=1)
    answered = await _ask(door, address, INSTANCES_MAX)
    if not answered:
        return Verdict.ABSENT
    for each in answered:
        place = (text(each, "StudyInstanceUID"), text(each, "SeriesInstanceUID"))
        states = bool(text(each, "PatientID") or instance_uid)
        if place != (study_uid, series_uid) or (states and not is_theirs(each, numbers, door.archive)):
            return Verdict.ANOTHER_PERSON
    _remember(door, key, now)
    return Verdict.THEIRS


def _remember(door: Door, key: tuple[str, frozenset[str]], now: datetime) -> None:
    if len(door.checked) >= CHECKED_MAX:
        door.checked.clear()
    door.checked[key] = now + timedelta(seconds=CHECKED_SECONDS)


async def describe(door: Door, study: Dataset, subject: str, *, base: str) -> Resource:
    """Return a study that was found as an ImagingStudy with its series and the address of its pictures.

    Args:
        door: the archive.
        study: of `find_studies`.
        subject: reference to the patient.
        base: the node's own WADO-RS address: pictures are reached through it, and so under its rules.

    Raises:
        PeerUnavailable, MalformedContent: the archive does not say what the study holds.
    """
    uid = text(study, "StudyInstanceUID")
    try:
        series = await _ask(door, addresses.series_of(uid, count_max=SERIES_MAX), SERIES_MAX)
    except (NotFound, TooLarge):
        series = []
    try:
        instances = await _ask(door, addresses.instances_of(uid, count_max=INSTANCES_MAX), INSTANCES_MAX)
    except (NotFound, TooLarge):  # more than are listed: their number is stated
        instances = []
    found = imaging_study(study, series, instances, subject)
    return {**found, "contained": [endpoint_of(door.archive, base)], "endpoint": [{"reference": "#archive"}]}


def endpoint_of(archive: Archive, base: str) -> Resource:
    """Return the Endpoint of an archive's studies: the node's own address, and which archive is behind."""
    return {
        "resourceType": "Endpoint",
        "id": "archive",
        "identifier": [{"system": f"{base}/archives", "value": archive.name}],
        "status": "active",
        "connectionType": CONNECTION_TYPE,
        "name": archive.organisation,
        "managingOrganization": {"display": archive.organisation},
        "payloadType": [PAYLOAD],
        "payloadMimeType": ["application/dicom"],
        "address": base,
    }


async def middle_instance(door: Door, study_uid: str, series_uid: str, listed: Sequence[str]) -> str:
    """Return the UID of the instance that stands for a series: the middle one, where most is seen.

    `listed` are those that the ImagingStudy names, in order; the archive is asked where it names none.

    Raises:
        NotFound: the series holds none.
    """
    if not listed:
        address = addresses.instances_of(study_uid, series_uid, count_max=INSTANCES_MAX)
        answered = await _ask(door, address, INSTANCES_MAX)
        listed = [uid for each in answered if is_uid(uid := text(each, "SOPInstanceUID"))]
    if not listed:
        raise NotFound(f"The archive {door.archive.name} holds no pictures of this series.")
    return listed[len(listed) // 2]


async def render(
    door: Door, study_uid: str, series_uid: str, instance_uid: str, *, pixels: int
) -> tuple[bytes, Picture]:
    """Return an instance as a JPEG or PNG picture.

    Raises:
        PeerUnavailable, NotFound, TooLarge: as `asking.fetch`; also for what no browser may show.
    """
    address = addresses.rendered(study_uid, series_uid, instance_uid, pixels=pixels)
    most = door.limits.imaging_picture_bytes_max
    body = await fetch(door, address, addresses.PICTURES, _IMAGES, bytes_max=most)
    try:
        return body, picture_of(body)
    except UnsupportedMedia as error:
        raise PeerUnavailable(
            f"The archive {door.archive.name} sends what is neither a JPEG nor a PNG picture."
        ) from error


async def ask_without_links(door: Door, address: str) -> bytes:
    """Return DICOM JSON without the archive's own addresses. Raises as `asking.fetch`."""
    body = await ask_json(door, address)
    try:
        return await beside(len(body), without_links, body)
    except MalformedContent as error:
        raise _not_the_model(door) from error


async def ask_json(door: Door, address: str) -> bytes:
    """Return an answer of JSON. Raises as `asking.fetch`."""
    return await fetch(door, address, addresses.JSON, _JSON, bytes_max=door.limits.imaging_json_bytes_max)


async def _ask(door: Door, address: str, count_max: int) -> list[Dataset]:
    body = await ask_json(door, address)
    try:
        return await beside(len(body), read_datasets, body, count_max=count_max)
    except MalformedContent as error:
        raise _not_the_model(door) from error


def _not_the_model(door: Door) -> PeerUnavailable:
    return PeerUnavailable(f"The archive {door.archive.name} answers with what is not the DICOM JSON model.")
