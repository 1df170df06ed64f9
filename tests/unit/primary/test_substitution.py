"""What the prescriber's word on substitution allows: R4's element, HL7 v3's codes, and other words."""

import pytest

from salus.primary.products import read_product
from salus.primary.substitution import CODES, REFUSALS, Leave, read_leave, why_not_given

V3 = "http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution"
ATC = "http://www.whocc.no/atc"


def coded(*codes, system=V3, **members):
    return {
        "allowedCodeableConcept": {"coding": [{"system": system, "code": code} for code in codes]} | members
    }


@pytest.mark.parametrize(
    ("written", "leave"),
    [
        (None, Leave.ANY),
        ({"allowedBoolean": True}, Leave.ANY),
        ({"allowedBoolean": False}, Leave.NONE),
        ({"reason": {"text": "allergy"}}, Leave.UNCLEAR),
        ({"allowedCodeableConcept": {"text": "Do not substitute"}}, Leave.UNCLEAR),
        (coded("NOSUB", system="urn:x:national"), Leave.UNCLEAR),
        (coded("G", system="urn:x:national"), Leave.UNCLEAR),
        (coded("N", system="urn:x:national"), Leave.NONE),
        (coded("X"), Leave.UNCLEAR),
        (coded("N"), Leave.NONE),
        (coded("G"), Leave.SUBSTANCE),
        (coded("TE"), Leave.GROUP),
        (coded("TE", "G"), Leave.SUBSTANCE),
        (coded("G", "N"), Leave.NONE),
        (coded("G", text="generics only"), Leave.SUBSTANCE),
    ],
)
def test_only_a_known_word_is_leave(written, leave):
    assert read_leave(written) is leave


def product(text, code=""):
    return read_product(
        {"medicationCodeableConcept": {"text": text, "coding": [{"system": ATC, "code": code}]}}
    )


CIMETIDINE, RANITIDINE = product("Tagamet", "A02BA01"), product("Zantac", "A02BA02")
GENERIC, UNKNOWN = product("Cimetidine X", "A02BA01"), product("Ibuprofen")


@pytest.mark.parametrize(
    ("leave", "given", "refused"),
    [
        (Leave.ANY, UNKNOWN, False),
        (Leave.GROUP, RANITIDINE, False),
        (Leave.GROUP, GENERIC, False),
        (Leave.GROUP, UNKNOWN, True),
        (Leave.SUBSTANCE, GENERIC, False),
        (Leave.SUBSTANCE, RANITIDINE, True),
        (Leave.SUBSTANCE, UNKNOWN, True),
        (Leave.NONE, GENERIC, True),
        (Leave.UNCLEAR, GENERIC, True),
    ],
)
def test_how_far_each_leave_goes(leave, given, refused):
    assert (why_not_given(leave, CIMETIDINE, given, substituted=True) != "") is refused
    assert why_not_given(leave, CIMETIDINE, CIMETIDINE, substituted=False) == ""


def test_every_leave_that_may_refuse_says_why():
    assert set(REFUSALS) == set(Leave) - {Leave.ANY}
    assert set(CODES.values()) <= set(Leave)
