"""Invariants that the presence of elements decides."""

import pytest

from salus.standards.fhir.fhirpath.grammar import parse
from salus.standards.fhir.validation.presence import EMPTY, FALSE, TRUE, UNKNOWN, decide

QUANTITY = "code.empty() or system.exists()"
PERIOD = "start.hasValue().not() or end.hasValue().not() or (start <= end)"
EXTENSION = "extension.exists() != value.exists()"
CANCELLED = "Appointment.cancelationReason.exists() implies (Appointment.status='no-show')"


@pytest.mark.parametrize(
    ("expression", "present", "answer"),
    [
        (QUANTITY, {"value"}, TRUE),
        (QUANTITY, {"code"}, FALSE),
        (QUANTITY, {"code", "system"}, TRUE),
        (PERIOD, {"start"}, TRUE),
        (PERIOD, {"start", "end"}, UNKNOWN),
        (EXTENSION, {"url"}, FALSE),
        (EXTENSION, {"url", "value"}, TRUE),
        (EXTENSION, {"url", "value", "extension"}, FALSE),
        (CANCELLED, {"status"}, TRUE),
        (CANCELLED, {"status", "cancelationReason"}, UNKNOWN),
        ("contained.contained.empty()", set(), TRUE),
        ("contained.contained.empty()", {"contained"}, UNKNOWN),
        ("item.count() > 1", {"item"}, UNKNOWN),
        ("a.exists() xor b.exists()", {"a"}, TRUE),
        ("a.exists() xor b.exists()", {"a", "b"}, FALSE),
        ("a.exists() and b.exists()", {"b"}, FALSE),
        ("kind = 'x'", set(), EMPTY),
        ("name.matches('[A-Z]')", set(), EMPTY),
    ],
)
def test_presence_decides_what_it_can(expression, present, answer):
    assert decide(parse(expression), present, "Appointment") is answer
