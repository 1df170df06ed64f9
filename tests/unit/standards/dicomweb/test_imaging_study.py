"""ImagingStudy from the DICOM JSON model and back: the values of PS3.18 annex F and the R4 mapping."""

import json

import pytest

from salus.core.errors import MalformedContent, TooLarge
from salus.standards.dicomweb.attributes import read_datasets
from salus.standards.dicomweb.imaging_study import imaging_study, study_dataset
from salus.standards.fhir.validation.validator import validate

# The example of DICOM PS3.18, F.4, as far as the study level goes.
PUBLISHED = """[{
"00080020": {"vr": "DA", "Value": ["20130409"]}, "00080030": {"vr": "TM", "Value": ["131600.0000"]},
"00080050": {"vr": "SH", "Value": ["11235813"]}, "00080061": {"vr": "CS", "Value": ["CT", "PET"]},
"00080090": {"vr": "PN", "Value": [{"Alphabetic": "^Bob^^Dr."}]},
"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小東"}]},
"00100020": {"vr": "LO", "Value": ["12345"]},
"0020000D": {"vr": "UI", "Value": ["1.2.392.200036.9116.2.2.2.1762893313.1029997326.945873"]},
"00201206": {"vr": "IS", "Value": [4]}, "00201208": {"vr": "IS", "Value": ["942"]}}]"""


def study(**attributes):
    base = {"0020000D": {"vr": "UI", "Value": ["2.999.1"]}, **attributes}
    return read_datasets(json.dumps([base]).encode(), count_max=1)[0]


def made(dataset, series=(), instances=()):
    found = imaging_study(dataset, series, instances, "Patient/1")
    assert [each for each in validate(found) if each.severity in ("error", "fatal")] == []
    return found


def test_the_published_example_becomes_an_imaging_study():
    found = made(read_datasets(PUBLISHED.encode(), count_max=1)[0])
    assert found["identifier"][0]["value"] == "urn:oid:1.2.392.200036.9116.2.2.2.1762893313.1029997326.945873"
    assert found["identifier"][1]["value"] == "11235813"
    assert [each["code"] for each in found["modality"]] == ["CT", "PET"]
    assert found["started"] == "2013-04-09"
    assert (found["numberOfSeries"], found["numberOfInstances"]) == (4, 942)
    assert found["referrer"]["display"] == "Bob  Dr."


def test_and_back():
    dataset = read_datasets(PUBLISHED.encode(), count_max=1)[0]
    back = read_datasets(json.dumps([study_dataset(made(dataset), "12345")]).encode(), count_max=1)[0]
    for tag in ("00080020", "00080050", "00080061", "00100020", "0020000D"):
        assert back[tag].Value == dataset[tag].Value


@pytest.mark.parametrize(
    ("day", "time", "offset", "started"),
    [
        ("20260503", "141500", "+0100", "2026-05-03T14:15:00+01:00"),
        ("20260503", "14:15:00", "-0330", "2026-05-03T14:15:00-03:30"),  # as ACR-NEMA wrote times
        ("20260503", "1415", "+0100", "2026-05-03T14:15:00+01:00"),
        ("20260503", "235960", "+0000", "2026-05-03T23:59:59+00:00"),
        ("20260503", "141500", "", "2026-05-03"),  # FHIR has no time without an offset
        ("20260503", "999999", "+0100", "2026-05-03"),
        ("20260231", "141500", "+0100", None),
        ("<b>", "141500", "+0100", None),
    ],
)
def test_when_it_started(day, time, offset, started):
    values = {"00080020": day, "00080030": time, "00080201": offset}
    dataset = study(**{tag: {"vr": "DA", "Value": [value]} for tag, value in values.items()})
    assert made(dataset).get("started") == started


def test_series_and_instances_of_other_studies_are_left_out():
    def row(study_uid, series, instance, number):
        return {"0020000D": study_uid, "0020000E": series, "00080018": instance,
                "00080016": "1.2.840.10008.5.1.4.1.1.2", "00200013": number, "00080060": "MR"}  # fmt: skip

    def rows(*listed):
        body = [{tag: {"vr": "UI", "Value": [value]} for tag, value in each.items()} for each in listed]
        return read_datasets(json.dumps(body).encode(), count_max=9)

    series = rows(row("2.999.1", "2.999.1.1", "", 1), row("2.999.2", "2.999.2.1", "", 1))
    held = rows(
        row("2.999.1", "2.999.1.1", "2.999.1.1.10", 10),
        row("2.999.1", "2.999.1.1", "2.999.1.1.2", 2),
        row("2.999.2", "2.999.1.1", "2.999.9", 3),
        row("2.999.1", "2.999.1.1", "not a uid", 4),
    )
    (one,) = made(study(), series, held)["series"]
    assert (one["uid"], one["modality"]["code"], one["numberOfInstances"]) == ("2.999.1.1", "MR", 2)
    assert [each["uid"] for each in one["instance"]] == ["2.999.1.1.2", "2.999.1.1.10"]


def test_what_is_hostile_stays_text_or_is_left_out():
    dataset = study(
        **{
            "00081030": {"vr": "LO", "Value": ["<script>alert(1)</script>\u202e\x1b[31m" + "x" * 5_000]},
            "00201206": {"vr": "IS", "Value": ["-1"]},
            "00201208": {"vr": "IS", "Value": [{"a": 1}]},
            "00080090": {"vr": "PN", "Value": [["deep"]]},
            "00080050": {"vr": "SH", "Value": [None, True]},
        }
    )
    found = made(dataset)
    assert found["description"].startswith("<script>alert(1)</script>\\u202e\\x1b[31m")
    assert len(found["description"]) <= 1_024
    assert not {"numberOfInstances", "referrer"} & found.keys()
    assert len(found["identifier"]) == 1


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"{}", b'[{"0020000D": []}]', b'[{"0020000D": {"Value": 7}}]', b"[" * 100_000, b"\xff",
     b'[{"0020000D": {"Value": [' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_dicom_json_is_refused(body):
    with pytest.raises(MalformedContent):
        read_datasets(body, count_max=10)


def test_more_than_asked_for_is_refused():
    with pytest.raises(TooLarge):
        read_datasets(b"[{},{},{}]", count_max=2)


def test_a_study_without_uid_is_refused():
    with pytest.raises(MalformedContent):
        imaging_study({}, [], [], "Patient/1")
