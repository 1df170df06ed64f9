"""What Consents say before anybody looks at the data."""

import pytest

from salus.store.consents import NOTHING_SAID, Consents
from salus.trust.consent.at_the_gate import voice_at_the_gate
from salus.trust.facts import Voice

AT = 1_800_000_000.0
PRACTITIONER = {"Practitioner/p": {"resourceType": "Practitioner", "identifier": [{"value": "s-1"}]}}
DOCTOR = [{"reference": {"reference": "Practitioner/p"}}]
STRANGER = [{"reference": {"reference": "Practitioner/gone"}}]


def said(*roots, status="active"):
    return Consents(tuple({"status": status, "provision": root} for root in roots), PRACTITIONER)


@pytest.mark.parametrize(
    ("root", "voice"),
    [
        ({"type": "permit"}, Voice.PERMIT),
        ({"type": "permit", "class": [{"code": "Condition"}]}, Voice.PERMIT),
        ({"type": "permit", "actor": DOCTOR}, Voice.PERMIT),
        ({"type": "permit", "actor": STRANGER}, Voice.SILENT),
        ({"type": "permit", "purpose": [{"code": "HRESCH"}]}, Voice.SILENT),
        ({"type": "permit", "period": {"end": "2020-01-01"}}, Voice.SILENT),
        ({"type": "permit", "action": [{"coding": [{"code": "collect"}]}]}, Voice.SILENT),
        ({"type": "deny", "class": [{"code": "Condition"}]}, Voice.SILENT),
        ({"type": "deny"}, Voice.DENY),
        ({"type": "deny", "actor": STRANGER}, Voice.DENY),
        ({"type": "deny", "provision": [{"type": "permit", "actor": DOCTOR}]}, Voice.PERMIT),
    ],
)
def test_a_permit_of_some_data_speaks_and_of_denials_only_one_of_all_data(caller, root, voice):
    assert voice_at_the_gate(said(root), caller(), AT) is voice


def test_who_has_said_nothing_or_took_it_back_says_nothing(caller):
    assert voice_at_the_gate(NOTHING_SAID, caller(), AT) is Voice.NONE
    assert voice_at_the_gate(said({"type": "deny"}, status="inactive"), caller(), AT) is Voice.NONE
