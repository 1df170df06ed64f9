"""Every format: what it yields, where, and what becomes of input that is cut off or broken."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from salus.core.limits import Limits
from salus.intake.formats import json_document, ndjson, registry

SMALL = msgspec.structs.replace(Limits(), document_bytes_max=2_000)
PATIENT = {"resourceType": "Patient", "id": "1"}


def bundle(kind="collection", count=3, **more):
    entries = [
        {"fullUrl": f"urn:uuid:{number}", "resource": {**PATIENT, "id": str(number), "pad": "x" * 300}}
        for number in range(count)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


def read(module, body, limits=SMALL):
    return list(module.read(io.BytesIO(body), limits))


def test_every_format_is_found_by_suffix_compressed_or_not_and_by_its_first_bytes():
    names = {one.name for one in registry.formats()}
    assert names == {"NDJSON", "FHIR JSON", "FHIR XML", "CDA", "FHIR R5", "HL7 v2"}
    for one in registry.formats():
        for suffix in one.suffixes:
            alone = sum(suffix in other.suffixes for other in registry.formats()) == 1
            assert not alone or registry.find(f"a{suffix}.gz", b"") is one
    cda = b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    assert [registry.find(name, cda).name for name in ("a.xml", "a.xml.gz", "a.cda", "-")] == ["CDA"] * 4
    assert [registry.find("a.xml", body).name for body in (b"<Patient/>", b"")] == ["FHIR XML"] * 2
    assert registry.find("-", b'{"a":1}\n{"a":2}\n').name == "NDJSON"
    assert registry.find("-", b'{\n "a":1}').name == "FHIR JSON"
    assert registry.find("-", b"<Patient/>").name == "FHIR XML"
    assert registry.find("notes.txt", b"hello") is None


@pytest.mark.parametrize("name", ["a.ndjson", "-"])
def test_a_byte_order_mark_is_no_part_of_the_first_resource(name):
    body = b'\xef\xbb\xbf{"a":1}\n{"b":2}'
    found = registry.find(name, body)
    assert found.name == "NDJSON"
    assert [unit.content for unit in found.read(io.BytesIO(body), SMALL)] == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("count", [1, 30])
def test_a_byte_order_mark_is_no_part_of_a_bundle(count):
    body = json.dumps(bundle(count=count)).encode()
    marked = [unit.content for unit in read(json_document, b"\xef\xbb\xbf" + body)]
    assert marked == [unit.content for unit in read(json_document, body)]


def test_ndjson_yields_a_unit_a_line_with_its_line_number():
    units = read(ndjson, b'{"a":1}\r\n\n  \n{"b":2}')
    assert [(unit.number, unit.line, unit.content) for unit in units] == [
        (0, 1, b'{"a":1}'),
        (1, 4, b'{"b":2}'),
    ]


def test_a_line_that_is_too_long_is_named_and_the_next_one_is_read():
    units = read(ndjson, b'{"a":"' + b"x" * 9_000 + b'"}\n{"b":2}\n')
    assert "longer than 2000 bytes" in units[0].problem
    assert units[1].content == b'{"b":2}'


def test_ndjson_under_the_name_json_is_read_line_by_line():
    assert len(read(json_document, b'{"a":1}\n{"a":2}\n')) == 2


def test_a_file_that_fits_is_one_unit():
    body = json.dumps(bundle(count=2)).encode()
    assert [unit.content for unit in read(json_document, body)] == [body]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("type_first", [True, False])
def test_a_large_bundle_is_cut_into_its_entries_byte_for_byte(indent, type_first):
    whole = bundle(count=40)
    if not type_first:
        whole["type"] = whole.pop("type")
    units = read(json_document, json.dumps(whole, indent=indent).encode())
    assert [unit.entry for unit in units] == list(range(40))
    assert [json.loads(unit.content) for unit in units] == whole["entry"]
    assert all(unit.is_entry and not unit.group for unit in units)


def test_a_large_transaction_is_one_group():
    units = read(json_document, json.dumps(bundle("transaction", 40)).encode())
    assert {unit.group for unit in units} == {"transaction"}


def test_references_within_a_large_bundle_know_the_type_of_their_target():
    whole = bundle(count=40)
    whole["entry"][0]["resource"]["link"] = [{"other": {"reference": "urn:uuid:39"}}]
    units = read(json_document, json.dumps(whole).encode())
    assert units[0].types == {"urn:uuid:39": ("Patient", True)}
    assert units[1].types == {}


def test_a_bundle_that_is_cut_off_yields_what_came_before_and_says_where_it_ends():
    body = json.dumps(bundle(count=3), indent=1).encode()
    cut = body[: body.index(b'"urn:uuid:2"') + 20]
    units = read(json_document, cut)
    assert [json.loads(unit.content)["fullUrl"] for unit in units[:-1]] == ["urn:uuid:0", "urn:uuid:1"]
    assert "cannot be read" in units[-1].problem
    assert f"line {units[-1].line}" in units[-1].problem


@pytest.mark.parametrize("kind", ["transaction", "document"])
def test_of_what_stands_or_falls_as_one_all_bytes_are_kept_when_it_is_cut_off(kind):
    cut = json.dumps(bundle(kind, 3)).encode()[:-40]
    [unit] = read(json_document, cut)
    assert unit.content == cut
    assert unit.problem


def test_a_document_over_the_limit_is_refused_by_name():
    [unit] = read(json_document, json.dumps(bundle("document", 40)).encode())
    assert "document_bytes_max" in unit.problem


def test_an_entry_that_is_no_json_is_cut_out_and_its_neighbours_are_read():
    body = json.dumps(bundle(count=3)).encode().replace(b'"id": "1"', b'"id": oops')
    units = read(json_document, body)
    assert len(units) == 3
    assert b"oops" in units[1].content
    assert json.loads(units[2].content)["fullUrl"] == "urn:uuid:2"


@pytest.mark.parametrize("body", [b"{", b'{"resourceType":"Patient"', b"nonsense", b"[1,2", b'{"a":1}}'])
def test_what_is_no_json_is_one_unit_with_a_problem(body):
    units = read(json_document, body)
    assert len(units) == 1
    assert units[0].problem


def test_deep_nesting_in_an_entry_does_not_stop_the_others():
    body = json.dumps(bundle(count=2, note="deep")).encode()
    deep = b'{"fullUrl":"urn:uuid:9","resource":' + b"[" * 900 + b"]" * 900 + b"},"
    body = body.replace(b'"entry": [', b'"entry": [' + deep) + b" " * 3_000
    assert len(read(json_document, body)) == 3


def test_memory_stays_bounded_on_a_bundle_of_a_hundred_thousand_entries(tmp_path):
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.write(b'{"resourceType":"Bundle","type":"collection","entry":[')
        for number in range(100_000):
            file.write(b"," if number else b"")
            file.write(
                b'{"fullUrl":"urn:uuid:%d","resource":{"resourceType":"Patient","id":"%d"}}'
                % (number, number)
            )
        file.write(b"]}")
    limits = msgspec.structs.replace(Limits(), document_bytes_max=1 << 20)
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(1 for _ in json_document.read(file, limits))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 24 << 20


# VmHWM is this program's own peak; ru_maxrss begins at that of the process that started it.
PEAK = """
import re, sys
from pathlib import Path
from salus.core.limits import Limits
from salus.intake.formats import json_document
with open(sys.argv[1], "rb") as file:
    for unit in json_document.read(file, Limits()):
        print(unit.entry, len(unit.content) < 100_000, unit.is_entry, unit.problem)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
HUGE = [
    (b'{"', b'":1}'),
    (b'{"resourceType":"Bundle","type":"collection","entry":[{"a":1},{"x":"', b'"},{"a":2}]}'),
    (b'{"resourceType":"Bundle","type":"collection","id":"', b'","entry":[{"a":1},{"a":2}]}'),
]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc for a peak")
@pytest.mark.parametrize(("begin", "end"), HUGE)
def test_memory_stays_bounded_by_a_resource_on_a_token_of_two_hundred_megabytes(tmp_path, begin, end):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.write(begin)
        for _ in range(200):
            file.write(b"k" * (1 << 20))
        file.write(end)
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True)
    *units, peak = done.stdout.splitlines()
    assert int(peak) < 256 * 1024  # KiB; the interpreter alone has some 50 MiB, the first look 32 MiB
    if begin == HUGE[0][0]:
        [unit] = units
        assert "at most" in unit
    elif begin == HUGE[1][0]:
        assert [unit.split()[0] for unit in units] == ["0", "1", "2"]
        offset = begin.index(b'{"x"')
        assert f"begins at byte {offset} is longer than" in units[1]
        assert [unit.split()[2] for unit in units] == ["True", "False", "True"]
    else:
        assert [unit.split()[0] for unit in units] == ["0", "1"]


def test_an_entry_that_is_too_long_is_passed_over_wherever_its_quotes_and_braces_fall():
    for pad in range(40):
        odd = {"a": '\\"]}' * (600 + pad), "b": [{}] * 3, "pad": "x" * pad}
        whole = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [PATIENT, odd, {**PATIENT, "id": "2"}],
        }
        units = read(json_document, json.dumps(whole).encode())
        assert [bool(unit.problem) for unit in units] == [False, True, False]
        assert json.loads(units[2].content)["id"] == "2"
