"""What provisions say: the most specific, then the most restrictive; labels, data, what is not known."""

import msgspec
import pytest

from salus.standards.fhir.search.values import date_interval
from salus.trust.consent.provisions import provisions_of
from salus.trust.consent.voice import Asked, Item, item_of, voice_of
from salus.trust.facts import Voice

NOW = date_interval("2026-11-24")[0]
ITEM = Item("Observation/1", frozenset({"Observation"}), frozenset({"http://loinc.org|1-8"}))
ASKED = Asked("TREAT", frozenset({"Practitioner/ana", "Organization/a"}), NOW, ITEM)


def _said(*roots, asked=ASKED, **changes):
    consents = [{"resourceType": "Consent", "status": "active", "provision": root} for root in roots]
    item = msgspec.structs.replace(asked.item, **changes)
    return voice_of(provisions_of(consents), msgspec.structs.replace(asked, item=item))


def _actor(reference):
    return [{"reference": {"reference": reference}}]


def _labels(*codes):
    return [{"code": code} for code in codes]


def test_no_consent_is_none_and_no_word_about_it_is_silent():
    assert _said() is Voice.NONE
    assert _said({"type": "permit", "purpose": [{"code": "HRESCH"}]}) is Voice.SILENT


@pytest.mark.parametrize(
    ("purpose", "listed", "kind", "voice"),
    [
        ("ETREAT", "TREAT", "permit", Voice.PERMIT),
        ("BTG", "TREAT", "permit", Voice.SILENT),
        ("BTG", "BTG", "permit", Voice.PERMIT),
        ("TREAT", "ETREAT", "permit", Voice.SILENT),
        ("HLEGAL", "HOPERAT", "permit", Voice.SILENT),
        ("HLEGAL", "HOPERAT", "deny", Voice.DENY),
        ("ETREAT", "TREAT", "deny", Voice.SILENT),
        ("ETREAT", "ETREAT", "deny", Voice.DENY),
    ],
)
def test_a_purpose_stands_for_its_kinds_and_an_emergency_is_denied_by_name_only(purpose, listed, kind, voice):
    asked = msgspec.structs.replace(ASKED, purpose=purpose)
    assert _said({"type": kind, "purpose": [{"code": listed}]}, asked=asked) is voice


@pytest.mark.parametrize(
    ("kind", "listed", "data", "applies"),
    [
        ("permit", ("N",), (), True),
        ("permit", ("N",), ("L",), True),
        ("permit", ("N",), ("R",), False),
        ("permit", ("R",), ("N",), True),
        ("permit", ("R",), ("V",), False),
        ("permit", ("N",), ("PSY",), False),
        ("permit", ("R",), ("PSY",), False),
        ("permit", ("PSY",), ("PSY",), True),
        ("permit", ("PSY",), ("R", "PSY"), True),
        ("permit", ("N", "PSY"), ("R", "PSY"), False),
        ("permit", ("PSY",), ("PSY", "HIV"), False),
        ("permit", ("PSY",), ("N",), False),
        ("permit", ("ETH",), ("ETHUD",), True),
        ("permit", ("ETHUD",), ("ETH",), False),
        ("deny", ("R",), ("N",), False),
        ("deny", ("R",), ("V",), True),
        ("deny", ("R",), ("PSY",), True),
        ("deny", ("PSY",), ("N",), False),
        ("deny", ("PSY",), ("PSY", "HIV"), True),
        ("deny", ("ETHUD",), ("ETH",), True),
    ],
)
def test_labels(kind, listed, data, applies):
    expected = {"permit": Voice.PERMIT, "deny": Voice.DENY}[kind] if applies else Voice.SILENT
    assert _said({"type": kind, "securityLabel": _labels(*listed)}, labels=frozenset(data)) is expected


@pytest.mark.parametrize(
    ("stated", "known", "unknown"),
    [
        ({"class": [{"code": "Observation"}]}, {}, {"classes": None}),
        ({"code": [{"coding": [{"system": "http://loinc.org", "code": "1-8"}]}]}, {}, {"codes": None}),
        (
            {"dataPeriod": {"start": "2022", "end": "2022"}},
            {"period": date_interval("2022-07")},
            {"period": None},
        ),
        (
            {"data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/x"}}]},
            {"authors": frozenset({"Practitioner/x"})},
            {"authors": None},
        ),
        (
            {"data": [{"meaning": "related", "reference": {"reference": "Encounter/x"}}]},
            {"refers_to": frozenset({"Encounter/x"})},
            {"refers_to": None},
        ),
    ],
)
def test_what_is_not_known_fits_no_permit_and_every_denial(stated, known, unknown):
    assert _said({"type": "permit"} | stated, **known) is Voice.PERMIT
    assert _said({"type": "permit"} | stated, **unknown) is Voice.SILENT
    assert _said({"type": "deny"} | stated, **unknown) is Voice.DENY


@pytest.mark.parametrize(("period", "voice"), [("2022-07", Voice.SILENT), ("2021-12-31", Voice.PERMIT)])
def test_a_permit_covers_data_wholly_inside_its_time(period, voice):
    stated = {"type": "permit", "dataPeriod": {"end": "2022-07-15"}}
    assert _said(stated, period=date_interval(period)) is voice


@pytest.mark.parametrize(
    ("permit", "denial", "voice"),
    [
        # This physician, of all physicians.
        ({"actor": _actor("Practitioner/ana")}, {}, Voice.PERMIT),
        # All physicians but this one.
        ({}, {"actor": _actor("Practitioner/ana")}, Voice.DENY),
        # On a par, and about different things.
        ({}, {}, Voice.DENY),
        ({"actor": _actor("Practitioner/ana")}, {"class": [{"code": "Observation"}]}, Voice.DENY),
    ],
)
def test_of_two_consents_the_more_specific_counts_then_the_more_restrictive(permit, denial, voice):
    assert _said({"type": "permit"} | permit, {"type": "deny"} | denial) is voice


def test_a_denial_nested_in_a_narrower_permit_stands():
    nested = {"type": "deny", "actor": _actor("Organization/a")}
    root = {
        "type": "permit",
        "purpose": [{"code": "TREAT"}],
        "actor": _actor("Organization/a"),
        "provision": [nested],
    }
    assert _said(root) is Voice.DENY


@pytest.mark.parametrize(("done", "voice"), [("access", Voice.PERMIT), ("disclose", Voice.SILENT)])
def test_a_permitted_action_is_the_one_listed(done, voice):
    asked = msgspec.structs.replace(ASKED, actions=frozenset({done}))
    stated = {"type": "permit", "action": [{"coding": [{"code": "access"}]}]}
    assert _said(stated, asked=asked) is voice


def test_a_stored_resource_as_consents_see_it():
    item = item_of(
        {
            "resourceType": "Observation",
            "id": "1",
            "meta": {
                "security": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"},
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"},
                ]
            },
            "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
            "effectiveDateTime": "2022-07",
            "performer": [{"reference": "Practitioner/x"}],
            "encounter": {"reference": "Encounter/x"},
        }
    )
    assert item.labels == {"R"}
    assert item.authors == {"Practitioner/x"}
    assert item.refers_to == {"Practitioner/x", "Encounter/x"}
    assert item.period == date_interval("2022-07")
    assert "http://loinc.org|1-8" in item.codes
