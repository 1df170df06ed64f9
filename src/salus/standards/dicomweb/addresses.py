"""Addresses of QIDO-RS and WADO-RS below an archive's base (DICOM PS3.18, tables 10.4.1-1 and 10.6.1-2).

Every part that comes from elsewhere is checked here: a UID is a UID, a patient's number holds no wildcard.
"""

from __future__ import annotations

from urllib.parse import urlencode

from salus.core.errors import InvalidSearch, NotFound
from salus.standards.dicomweb.attributes import tags
from salus.standards.dicomweb.uids import is_uid

JSON = "application/dicom+json"
INSTANCES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
PICTURES = "image/jpeg"
"""What every archive can render (table 8.7.4-1); some refuse a list of types."""
PATIENT_ID_LENGTH_MAX = 64
"""Of the value representation LO (PS3.5, 6.2)."""
_STUDY = ("PatientID", "IssuerOfPatientID", "StudyDescription", "ModalitiesInStudy", "TimezoneOffsetFromUTC",
          "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")  # fmt: skip
_SERIES = ("SeriesDate", "SeriesTime", "BodyPartExamined", "NumberOfSeriesRelatedInstances")

_INSTANCE = ("InstanceNumber", "PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID")


def is_patient_id(number: str) -> bool:
    """Return whether a number is asked for exactly: no wildcard, no separator of values (PS3.4, C.2.2.2)."""
    return 0 < len(number) <= PATIENT_ID_LENGTH_MAX and number.isprintable() and not set(number) & set("*?\\")


def studies_of(number: str, *, count_max: int) -> str:
    """Return the address that finds the studies of a patient.

    Raises:
        InvalidSearch: the number would be a pattern, or no value at all.
    """
    if not is_patient_id(number):
        raise InvalidSearch("A PatientID has 1 to 64 characters and none of * ? and backslash.")
    return f"/studies?{_query(_STUDY, count_max, PatientID=number)}"


def study(uid: str) -> str:
    """Return the address that finds one study."""
    return f"/studies?{_query(_STUDY, 2, StudyInstanceUID=_known(uid))}"


def series_of(study_uid: str, *, count_max: int) -> str:
    """Return the address that finds the series of a study."""
    return f"{whole(study_uid)}/series?{_query(_SERIES, count_max)}"


def instances_of(study_uid: str, series_uid: str = "", *, count_max: int) -> str:
    """Return the address that finds the instances of a study, or of one series of it."""
    return f"{whole(study_uid, series_uid)}/instances?{_query(_INSTANCE, count_max)}"


def whole(study_uid: str, series_uid: str = "", instance_uid: str = "") -> str:
    """Return the address that retrieves a study, a series or an instance.

    Raises:
        NotFound: one of them is no UID, so nothing has it.
    """
    found = f"/studies/{_known(study_uid)}"
    if series_uid:
        found += f"/series/{_known(series_uid)}"
    if instance_uid:
        found += f"/instances/{_known(instance_uid)}"
    return found


def metadata(study_uid: str, series_uid: str = "", instance_uid: str = "") -> str:
    """Return the address of what is said of a study, a series or an instance, without its pictures."""
    return f"{whole(study_uid, series_uid, instance_uid)}/metadata"


def rendered(study_uid: str, series_uid: str, instance_uid: str, *, pixels: int) -> str:
    """Return the address of an instance as a picture, at most so many pixels wide and high."""
    return f"{whole(study_uid, series_uid, instance_uid)}/rendered?viewport={pixels},{pixels}"


def _query(included: tuple[str, ...], count_max: int, **matched: str) -> str:
    fields = [("includefield", tags()[keyword].tag) for keyword in included]
    return urlencode([*matched.items(), *fields, ("limit", str(count_max))])


def _known(uid: str) -> str:
    if not is_uid(uid):
        raise NotFound("There is no study, series or instance of this UID.")
    return uid
