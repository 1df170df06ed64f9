"""Forms of the primitive types, with the examples and limits of R4 datatypes.html#primitive."""

from decimal import Decimal

import pytest

from salus.standards.fhir.model import type_definition, type_names
from salus.standards.fhir.validation.primitives import PRIMITIVES

LEGAL = {
    "boolean": [True, False],
    "integer": [0, -2147483648, 2147483647],
    "unsignedInt": [0, 2147483647],
    "positiveInt": [1, 2147483647],
    "decimal": [1, Decimal("72.50"), Decimal("1E+999999999"), -0.5],
    "string": ["a", " padded ", "line\nbreak", "Παπαδοπούλου", "\u00a0", "tab\tand\r\n", "\u0085 \U0001fffe"],
    "markdown": ["* a"],
    "code": ["a", "a b", "a\u00a0b"],
    "id": ["a", "A-1.b", "x" * 64],
    "uri": ["urn:x", "http://example.org/a?b#c", "relative"],
    "canonical": ["http://example.org/a|1.0"],
    "url": ["mailto:a@example.org"],
    "oid": ["urn:oid:1.2.3.4.5", "urn:oid:2.16.840"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "date": ["2018", "1973-06", "1905-08-23", "2024-02-29", "2000-02-29"],
    "dateTime": ["2018", "2015-02-07T13:28:17-05:00", "2017-01-01T00:00:00.000Z", "2016-12-31T23:59:60Z"],
    "instant": ["2015-02-07T13:28:17.239+02:00", "2017-01-01T00:00:00Z"],
    "time": ["00:00:00", "23:59:60", "12:30:15.5"],
    "base64Binary": ["AA==", "AAAA\nBBBB", "QUJD"],
}
ILLEGAL = {
    "boolean": ["true", 1, 0, None],
    "integer": [2147483648, -2147483649, Decimal("1.0"), "1", True],
    "unsignedInt": [-1, True],
    "positiveInt": [0, -1],
    "decimal": ["1.5", True, None],
    "string": ["", 1, None, "a\0b", ["a"], "a\x01", "a\x0bb", "\x1f", "a\ufffe", "\uffff", "\ud800"],
    "markdown": ["", "a\x0c"],
    "code": ["", " a", "a ", "a  b", "a\0", "a\x0bb", "a\x02"],
    "id": ["", "a_b", "x" * 65, "a\n"],
    "uri": ["", "a b", "a\tb", "urn:\x01"],
    "canonical": [" "],
    "url": [""],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02"],
    "uuid": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520"],
    "date": [
        "0000",
        "18",
        "1973-13",
        "1905-08-32",
        "2023-02-29",
        "1900-02-29",
        "2023-04-31",
        "2018-1-1",
        "2018-01-01\n",
    ],
    "dateTime": ["2015-02-07T13:28:17", "2015-02-07T13:28Z", "2015-02-30T13:28:17Z", "2015-02-07T24:00:00Z"],
    "instant": ["2015-02-07", "2015-02-07T13:28:17", "2015-02-31T13:28:17Z"],
    "time": ["24:00:00", "12:30", "12:30:15Z"],
    "base64Binary": ["", "A", "AAA", "AA=A", "é", "AA\x0b=="],
    "xhtml": ["", "<div>\x08</div>"],
}


def test_every_primitive_of_r4_has_a_form():
    kinds = {name for name in type_names() if type_definition(name).kind == "primitive"}
    assert set(PRIMITIVES) == kinds


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in LEGAL.items() for v in values])
def test_legal_values_are_taken(name, value):
    assert PRIMITIVES[name].is_valid(value)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in ILLEGAL.items() for v in values])
def test_illegal_values_are_refused(name, value):
    assert not PRIMITIVES[name].is_valid(value)
