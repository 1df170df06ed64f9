"""From the DICOM JSON model to R4 ImagingStudy and back.

Sources: HL7 FHIR R4 ImagingStudy, "DICOM Tag Mapping" (imagingstudy-mappings.html). A date with a time needs
an offset from UTC in FHIR, so that without (0008,0201) the day alone is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from salus.core.errors import MalformedContent
from salus.standards.dicomweb.attributes import Dataset, number, tags, text, texts
from salus.standards.dicomweb.uids import OID, URI, identifier_of, is_uid, study_uid

DCM = "http://dicom.nema.org/resources/ontology/DCM"
ACCESSION = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}],
}
UNKNOWN_MODALITY = "OT"
"""Other (PS3.3, C.7.3.1.1.1): FHIR wants one of each series."""
Resource = dict[str, Any]  # FHIR JSON, hence Any
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"(\d\d)(?::?(\d\d))?(?::?(\d\d))?(?:\.\d{1,6})?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")


def imaging_study(
    study: Dataset, series: Sequence[Dataset], instances: Iterable[Dataset], subject: str
) -> Resource:
    """Return a study as an ImagingStudy.

    Args:
        study: answer of QIDO-RS at the level of studies.
        series: at the level of series; those of other studies are left out.
        instances: likewise.
        subject: reference to the patient, e.g. "Patient/1".

    Raises:
        MalformedContent: the study has no Study Instance UID.
    """
    uid = text(study, "StudyInstanceUID")
    if not is_uid(uid):
        raise MalformedContent("A study of the answer has no Study Instance UID.")
    held: dict[str, list[Resource]] = {}
    for each in instances:
        if _uid(each, "StudyInstanceUID") in ("", uid) and (found := _instance(each)):
            held.setdefault(_uid(each, "SeriesInstanceUID"), []).append(found)
    listed = [
        _series(each, held.get(_uid(each, "SeriesInstanceUID"), []))
        for each in series
        if _uid(each, "StudyInstanceUID") in ("", uid) and _uid(each, "SeriesInstanceUID")
    ]
    accession = text(study, "AccessionNumber")
    modalities = texts(study, "ModalitiesInStudy") or sorted({each["modality"]["code"] for each in listed})
    referrer = text(study, "ReferringPhysicianName").replace("^", " ").strip()
    return _said(
        resourceType="ImagingStudy",
        identifier=[identifier_of(uid), *([{"type": ACCESSION, "value": accession}] if accession else [])],
        status="available",
        modality=[_modality(each) for each in modalities],
        subject={"reference": subject},
        started=_started(study, "Study"),
        referrer={"display": referrer} if referrer else None,
        numberOfSeries=_count(number(study, "NumberOfStudyRelatedSeries"), listed),
        numberOfInstances=number(study, "NumberOfStudyRelatedInstances"),
        description=text(study, "StudyDescription"),
        series=listed,
    )


def _count(stated: int | None, listed: Sequence[Resource]) -> int | None:
    return stated if stated is not None else len(listed) or None


def _series(dataset: Dataset, instances: list[Resource]) -> Resource:
    part = text(dataset, "BodyPartExamined")
    return _said(
        uid=text(dataset, "SeriesInstanceUID"),
        number=number(dataset, "SeriesNumber"),
        modality=_modality(text(dataset, "Modality") or UNKNOWN_MODALITY),
        description=text(dataset, "SeriesDescription"),
        numberOfInstances=_count(number(dataset, "NumberOfSeriesRelatedInstances"), instances),
        bodySite={"display": part} if part else None,
        started=_started(dataset, "Series"),
        instance=sorted(instances, key=lambda one: (one.get("number", 0), one["uid"])),
    )


def _instance(dataset: Dataset) -> Resource | None:
    uid, kind = _uid(dataset, "SOPInstanceUID"), _uid(dataset, "SOPClassUID")
    if not uid or not kind:
        return None
    return _said(
        uid=uid, sopClass={"system": URI, "code": f"{OID}{kind}"}, number=number(dataset, "InstanceNumber")
    )


def _modality(code: str) -> Resource:
    return {"system": DCM, "code": code}


def _uid(dataset: Dataset, keyword: str) -> str:
    found = text(dataset, keyword)
    return found if is_uid(found) else ""


def _started(dataset: Dataset, level: str) -> str:
    """Return date and time (PS3.5, 6.2: DA, TM) as FHIR has them; "" without a date."""
    day = _DAY.fullmatch(text(dataset, f"{level}Date"))
    if day is None or not _is_day(day[0]):
        return ""
    written = "-".join(day.groups())
    time = _TIME.fullmatch(text(dataset, f"{level}Time"))
    offset = _OFFSET.fullmatch(text(dataset, "TimezoneOffsetFromUTC"))
    if time is None or offset is None or int(time[1]) > 23 or int(time[2] or 0) > 59 or int(offset[2]) > 14:
        return written
    seconds = min(int(time[3] or 0), 59)  # 60 is a leap second in DICOM, and no time in FHIR
    hours = f"{time[1]}:{time[2] or '00'}:{seconds:02d}"
    return f"{written}T{hours}{offset[1]}{offset[2]}:{offset[3]}"


def _is_day(digits: str) -> bool:
    try:
        date.fromisoformat(digits)
    except ValueError:
        return False
    return True


def _said(**members: Any) -> Resource:  # Any: FHIR JSON
    """Return the members that say something; a number may be 0."""
    return {name: value for name, value in members.items() if value or value == 0}


def study_dataset(study: Mapping[str, Any], patient_id: str) -> dict[str, Any]:  # Any: JSON of both
    """Return an ImagingStudy as a data set of QIDO-RS's study level, with what is stated of it.

    Raises:
        MalformedContent: it states no Study Instance UID.
    """
    uid = study_uid(study)
    if not uid:
        raise MalformedContent("The ImagingStudy states no Study Instance UID.")
    started = str(study.get("started", ""))
    accession = next((each.get("value") for each in study.get("identifier", ()) if _is_accession(each)), None)
    values = {
        "StudyDate": started[:10].replace("-", "") if len(started) >= 10 else None,
        "StudyTime": started[11:19].replace(":", "") if len(started) > 18 else None,
        "TimezoneOffsetFromUTC": _offset(started),
        "AccessionNumber": accession,
        "ModalitiesInStudy": [each["code"] for each in study.get("modality", ()) if each.get("code")],
        "StudyDescription": study.get("description"),
        "PatientID": patient_id,
        "StudyInstanceUID": uid,
        "NumberOfStudyRelatedSeries": study.get("numberOfSeries"),
        "NumberOfStudyRelatedInstances": study.get("numberOfInstances"),
    }
    found: dict[str, Any] = {}
    for keyword, value in values.items():
        listed = value if isinstance(value, list) else [] if value in (None, "") else [value]
        if listed:
            found[tags()[keyword].tag] = {"vr": tags()[keyword].vr, "Value": listed}
    return found


def _is_accession(identifier: Mapping[str, Any]) -> bool:
    codings = identifier.get("type", {}).get("coding", ())
    return any(each.get("code") == "ACSN" for each in codings)


def _offset(started: str) -> str | None:
    if started.endswith("Z"):
        return "+0000"
    found = re.search(r"([+-]\d\d):(\d\d)$", started[19:])
    return f"{found[1]}{found[2]}" if found else None
