"""Tables by a mapping: RFC 4180's rules, and each example of the documentation."""

import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.errors import MalformedContent, SettingsInvalid
from salus.core.limits import Limits
from salus.intake.formats.table import mapping_in, read, translate
from salus.standards.fhir.validation.validator import validate
from salus.standards.tabular.conversion import to_fhir
from salus.standards.tabular.mapping import read_mapping
from salus.standards.tabular.reading import fields, records

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples" / "tables"
MAPPING = """
name = "t"
decimal = ","
[subject]
column = "who"
system = "urn:x"
create = true
[codes.test]
A = { system = "http://loinc.org", code = "1-8" }
[codes.state]
ok = "final"
[units]
mg = "mg"
[[resource]]
type = "Observation"
key = ["who"]
[resource.take]
status = { column = "state", as = "code", codes = "state" }
code = { column = "test", codes = "test" }
effectiveDateTime = { column = "at", as = "dateTime", format = "%d.%m.%Y %H:%M" }
valueQuantity = { column = "n", as = "quantity", unit_column = "unit" }
"note[0].text" = "note"
"""
HEADER = "who,state,test,at,n,unit,note,more"


def row(text, mapping=MAPPING, header=HEADER):
    return to_fhir(f"{header}\n{text}".encode(), read_mapping(mapping.encode(), "m.toml"), line=7)


def observation(made):
    return next(
        one["resource"] for one in made.bundle["entry"] if one["resource"]["resourceType"] == "Observation"
    )


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("aaa,bbb,ccc", ["aaa", "bbb", "ccc"]),  # RFC 4180, 2.1
        ('"aaa","b\r\nbb","ccc"', ["aaa", "b\r\nbb", "ccc"]),  # 2.6
        ('"aaa","b""bb","ccc"', ["aaa", 'b"bb', "ccc"]),  # 2.7
        ("a,,", ["a", "", ""]),
        (",", ["", ""]),
        ('"a,b"', ["a,b"]),
        ('""', [""]),
    ],
)
def test_a_row_is_parted_as_rfc_4180_says(text, cells):
    assert fields(text.encode(), ",", "utf-8") == cells


@pytest.mark.parametrize("text", ['a"b,c', '"a"b,c', '"a', "a\0"])
def test_a_quote_or_null_out_of_place_is_an_error(text):
    with pytest.raises(MalformedContent):
        fields(text.encode(), ",", "utf-8")


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")), min_size=1))
def test_what_is_written_with_every_field_quoted_is_read_back(cells):
    text = ",".join('"{}"'.format(each.replace('"', '""')) for each in cells)
    assert fields(text.encode(), ",", "utf-8") == [each.strip() for each in cells]


def test_rows_have_their_line_and_a_byte_order_mark_is_none_of_them():
    table = b'\xef\xbb\xbfa,b\r\n\r\n1,"x\r\ny"\r\n2,z\r\n"open'
    found = list(records(io.BytesIO(table), bytes_max=100))
    assert [(one.line, one.content) for one in found] == [
        (1, b"a,b"), (3, b'1,"x\r\ny"'), (5, b"2,z"), (6, b'"open')
    ]  # fmt: skip
    assert "never ends" in found[3].problem
    with pytest.raises(MalformedContent, match="UTF-16"):
        list(records(io.BytesIO("a,b".encode("utf-16")), bytes_max=100))


def test_each_cell_is_mapped_approximated_dropped_or_absent():
    made = row('p1,ok,B,30.11.2026 08:00,"<5,20",mg,hi,rest')
    found = observation(made)
    assert found["valueQuantity"] == {
        "value": Decimal("5.20"), "comparator": "<", "unit": "mg",
        "system": "http://unitsofmeasure.org", "code": "mg",
    }  # fmt: skip
    assert (found["code"], found["effectiveDateTime"], found["note"]) == (
        {"text": "B"}, "2026-11-30", [{"text": "hi"}]
    )  # fmt: skip
    assert [line.path for line in made.quality.approximated] == ["at", "test"]
    assert [(line.path, line.examples) for line in made.quality.dropped] == [("more", ("rest",))]
    assert made.quality.mapped == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p,ok,A,,x,mg,,", "Line 7, column n: 'x' is no number"),
        ("p,ok,A,,1.000,mg,,", "Line 7, column n"),
        ("p,gone,A,,1,mg,,", "Line 7, column state: 'gone' is not in the code list state"),
        ("p,ok,A,31.02.2026 08:00,1,mg,,", "Line 7, column at"),
        ("p,ok,A,,1,mg,=A1+B2,", "Line 7, column note: '=A1+B2' is a formula"),
        ("p,ok,A,,#DIV/0!,mg,,", "error of a spreadsheet"),
        ("1.23E+11,ok,A,,1,mg,,", "format the column as text"),
        (",ok,A,,1,mg,,", "whose the row is"),
        ("p,ok,A,,1,mg,", "Line 7 has 7 fields; the header has 8"),
    ],
)
def test_what_cannot_be_read_is_named_by_line_and_column(text, told):
    with pytest.raises(MalformedContent) as caught:
        row(text)
    assert told in str(caught.value)


def test_the_same_key_is_the_same_resource_and_another_person_another():
    def addresses(text):
        return [one["fullUrl"] for one in row(text).bundle["entry"]]

    assert addresses("p,ok,A,,1,mg,,") == addresses("p,ok,A,,2,mg,,")
    assert not {*addresses("p,ok,A,,1,mg,,")} & {*addresses("q,ok,A,,1,mg,,")}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("valueQuantity =", "value ="), '"value" is no element of Observation'),
        (('codes = "test"', 'codes = "none"'), "[codes.none]"),
        (('type = "Observation"', 'type = "Observations"'), "resource type of R4"),
        (('as = "dateTime"', 'as = "moment"'), "m.toml"),
        (('decimal = ","', 'decimal = ";"'), "m.toml"),
        (('name = "t"', 'name = "t"\nzone = "Here"'), "Europe/Lisbon"),
        (('name = "t"', 'name = "t"\nencoding = "none"'), "utf-8"),
        (('name = "t"', 'name = "t"\nnames = "u"'), "names"),
        (('type = "Observation"', 'type = "Location"'), "about no patient"),
    ],
)
def test_a_mapping_is_checked_before_a_row_is_read(change, told):
    with pytest.raises(SettingsInvalid) as caught:
        read_mapping(MAPPING.replace(*change).encode(), "m.toml")
    assert told in str(caught.value)


def test_a_table_that_the_mapping_does_not_fit_is_refused_as_a_whole():
    mapping = read_mapping(MAPPING.encode(), "m.toml")
    for table, told in (
        (b"who;state\np;ok\n", "delimiter ','"),
        (b"who,who\n", "two columns"),
        (b"", "empty"),
    ):
        (unit,) = read(io.BytesIO(table), Limits(), mapping)
        assert told in unit.problem


@pytest.mark.parametrize(
    ("name", "counts", "lost"),
    [
        ("laboratory", {"Patient": 4, "Observation": 4}, {"batch": 4}),
        ("vital-signs", {"Patient": 2, "Observation": 5}, {}),
        ("immunisations", {"Patient": 2, "Immunization": 2}, {}),
    ],
)
def test_each_example_of_the_documentation_becomes_valid_fhir(name, counts, lost):
    mapping = mapping_in(EXAMPLES / f"{name}.toml")
    found, dropped = {}, {}
    with (EXAMPLES / f"{name}.csv").open("rb") as file:
        for unit in read(file, Limits(), mapping):
            made = translate(unit.content, mapping, line=unit.line)
            assert [one for one in validate(made.bundle) if one.severity == "error"] == []
            for entry in made.bundle["entry"]:
                kind = entry["resource"]["resourceType"]
                found[kind] = found.get(kind, 0) + 1
            for line in made.quality.dropped:
                dropped[line.path] = dropped.get(line.path, 0) + line.count
    assert (found, dropped) == (counts, lost)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80))
def test_no_row_breaks_the_reader(tail):
    mapping = read_mapping(MAPPING.encode(), "m.toml")
    for unit in read(io.BytesIO(HEADER.encode() + b"\np,ok,A,,1,mg," + tail), Limits(), mapping):
        if not unit.problem:
            try:
                made = translate(unit.content, mapping, line=unit.line)
            except MalformedContent:
                continue
            assert len(made.bundle["entry"]) == 2
