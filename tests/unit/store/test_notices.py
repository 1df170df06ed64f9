"""Which leaves give rise to a notice, and to which."""

import msgspec
import pytest
from tests.conftest import NOW

from salus.core.access import Leaf, Outcome
from salus.store.notices import is_told, notice_of

LEAF = Leaf(
    at=NOW, request="r1", patient="ana", subject="s-1", name="Mari Tamm", role="clinician",
    organisation="Tartu Hospital", node="ee-1", purpose="ETREAT", action="read", what="Condition/c1",
    resources=1, outcome=Outcome.SERVED, rule="clinician-treats",
)  # fmt: skip
CLAIM = {"marks": ("emergency",), "what": "emergency/e1 claimed"}


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, False),
        (CLAIM, True),
        ({"marks": ("emergency",)}, False),
        ({"marks": ("unproven",)}, True),
        ({"marks": ("emergency", "unproven")}, True),
        ({"marks": ("cut-off",)}, True),
        ({"marks": ("assisted",)}, True),
        ({"marks": ("assisted",), "what": "assistance begun, passport"}, True),
        ({"marks": ("assisted",), "what": "assistance ended"}, False),
        ({"marks": ("assisted",), "what": "Patient/ana"}, False),
        ({"marks": ("assisted",), "what": "proxy/p1 given"}, False),
        ({"marks": ("assisted",), "what": "code to bind an account"}, False),
        ({"marks": ("assisted",), "outcome": Outcome.REFUSED}, False),
        ({"marks": ("opted-out",)}, False),
        (CLAIM | {"outcome": Outcome.REFUSED}, False),
        (CLAIM | {"patient": ""}, False),
    ],
)
def test_the_claim_of_an_emergency_and_what_is_unproven_is_told(fields, told):
    assert is_told(msgspec.structs.replace(LEAF, **fields)) is told


def test_each_emergency_is_told_and_what_is_unproven_once_a_day_for_each_asker():
    claim = notice_of(msgspec.structs.replace(LEAF, **CLAIM))
    assert (claim.kind, claim.key, claim.who) == ("emergency", "e1", "Mari Tamm")
    assert claim.place == "Tartu Hospital, ee-1"
    unproven = msgspec.structs.replace(LEAF, marks=("unproven",))
    later = msgspec.structs.replace(unproven, what="Condition/c2", request="r2")
    assert notice_of(unproven).key == notice_of(later).key
    other = msgspec.structs.replace(unproven, subject="s-2")
    assert notice_of(other).key != notice_of(unproven).key


def test_a_leaf_without_marks_is_the_bytes_that_it_was_before_there_were_marks():
    assert b"marks" not in msgspec.json.encode(LEAF)
    assert b'"marks":["unproven"]' in msgspec.json.encode(msgspec.structs.replace(LEAF, marks=("unproven",)))
