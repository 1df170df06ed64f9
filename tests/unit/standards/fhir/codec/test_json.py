"""What the JSON door takes and what it refuses."""

import base64
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from salus.core.errors import MalformedContent, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import (
    parse_as_written,
    parse_json,
    parse_json_value,
    without_comments,
    write_json,
    write_json_like,
)
from salus.standards.fhir.codec.xml import parse_xml, write_xml

LIMITS = Limits()
SUITE = Path(__file__).parents[6] / "shared/testvectors/json-parsing/jsontestsuite.jsonl"
REFUSED_ON_PURPOSE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


@pytest.mark.skipif(not SUITE.exists(), reason="needs ../shared (testvectors/json-parsing)")
def test_the_json_test_suite_is_accepted_and_refused_as_it_says():
    wrong = []
    for line in SUITE.read_text().splitlines():
        case = json.loads(line)
        try:
            parse_json_value(base64.b64decode(case["b64"]), LIMITS)
            outcome = "accept"
        except MalformedContent:
            outcome = "refuse"
        expected = "refuse" if case["name"] in REFUSED_ON_PURPOSE else case["expect"]
        if expected not in (outcome, "either"):
            wrong.append((case["name"], outcome))
    assert wrong == []


@pytest.mark.parametrize("body", [b"42", b"null", b'"x"', b'[{"resourceType":"Patient"}]'])
def test_what_is_no_object_parses_but_is_no_resource(body):
    parse_json_value(body, LIMITS)
    with pytest.raises(MalformedContent, match="resourceType"):
        parse_json(body, LIMITS)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"a":1,"a":2}', "'a' twice"),
        (b'{"a":{"b":1,"\\u0062":2}}', "'b' twice"),
        (b'{"a" :1,"a":2,"x":":"}', "'a' twice"),
        (b'{"a":1,"a":2,"x":"\\u0022:"}', "'a' twice"),
        (b'{"a":1,"a":2,"x":"\\u003a"}', "'a' twice"),
        (b'{"a":"":"b"}', "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'{"a":1e99999999999999999999999}', "exponent"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\ud800x"}', "surrogate"),
        (b'{"a":"x\\uDC00"}', "surrogate"),
        (b'{"a":"\\ud83d\\ude00', "truncated"),
        (b'{"a":"\\\\ud800', "truncated"),
        (b'{"a":"\xc0\xaf"}', "UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16"), "byte order mark"),
        (b'{"a":1}{"b":1}', "not JSON"),
        (b'{"a":0x10}', "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "levels deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "levels deep"),
        (b"[" * 200 + b"]" * 200, "levels deep"),
    ],
)
def test_bad_input_is_refused_with_a_reason(body, hint):
    with pytest.raises(MalformedContent, match=hint.replace("+", r"\+")):
        parse_json(body, LIMITS)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\\\u0000"}',
        b'{"a" : 1, "b"\n:2, "c":" :", "d":"say \\":", "e":":"}',
        b'{"a":{"x":1},"b":{"x":1}}',
        b'{"a":' * 64 + b"1" + b"}" * 64,
        b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}',
    ],
)
def test_unusual_but_legal_input_is_taken(body):
    assert parse_json(body, LIMITS) == json.loads(body)


def test_a_body_over_the_limit_is_refused_before_it_is_parsed():
    with pytest.raises(TooLarge, match="at most 10"):
        parse_json(b'{"a":"not even json', msgspec.structs.replace(LIMITS, body_bytes_max=10))


@pytest.mark.parametrize("digits", ["72.50", "0.0", "-1.230E+5", "1E+3", "100.000", "1E+9999"])
def test_decimals_keep_their_digits(digits):
    value = parse_json(b'{"value":%b}' % digits.encode(), LIMITS)
    assert isinstance(value["value"], Decimal)
    assert write_json(value) == b'{"value":%b}' % digits.encode()


@pytest.mark.parametrize("number", ["0.00000010", "1e5", "1E-7", "0.0000000", "-2.50e+3", "72.50", "10"])
def test_numbers_can_be_written_as_they_were_read(number):
    body = b'{"a":[%b,{"b":%b}],"c":"1e5 ,0.00000010"}' % (number.encode(), number.encode())
    value = parse_json(body, Limits())
    assert write_json_like(value, body) == body


@pytest.mark.parametrize("number", ["0.00000010", "1.0E-7", "1.50e+3", "-0.0000000", "72.50"])
def test_a_decimal_from_xml_is_stored_with_the_text_it_came_with(number):
    body = f'''<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="{number}"/>
        <unit value="of 0010e2"/></valueQuantity></Observation>'''.encode()
    stored = write_json_like(parse_xml(body, LIMITS), body)
    assert f'"value":{number},'.encode() in stored
    assert f'<value value="{number}"/>'.encode() in write_xml(parse_as_written(stored))


def test_a_text_that_is_no_json_number_never_becomes_one():
    body = b'{"value":1E5,"text":"001E5"}'
    assert write_json_like(parse_json(body, LIMITS), body) == body


@pytest.mark.parametrize("number", ["1e400000", "-1e-20000", "0e400000", "1." + "0" * 20_000, "9" * 200_000])
def test_a_number_that_no_database_holds_is_refused(number):
    with pytest.raises(MalformedContent):
        parse_json(b'{"n":%s}' % number.encode(), Limits())


@pytest.mark.parametrize("number", ["1E+100", "0.00", "1." + "0" * 1_000])
def test_a_long_number_keeps_its_digits(number):
    assert str(parse_json(b'{"n":%s}' % number.encode(), Limits())["n"]) == number


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"a": 1} // b', b'{"a": 1}     '),
        (b'{"a": "// b /* c */"}', b'{"a": "// b /* c */"}'),
        (b'{ /* x\ny */ "a": 1}', b'{     \n     "a": 1}'),
        (rb'{"a": "\"// b"}', rb'{"a": "\"// b"}'),
        (b'{"a": 1} /* open', b'{"a": 1} /* open'),
    ],
)
def test_comments_become_blanks(body, wanted):
    assert without_comments(body) == wanted
