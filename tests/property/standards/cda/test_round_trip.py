"""FHIR to CDA to FHIR says the same; every shared sample converts; nothing that is mutated does harm."""

from __future__ import annotations

import copy
import gzip
from datetime import UTC, date, datetime
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.property.standards.cda.facts import facts
from tests.unit.standards.cda.samples import SHARED, document, section
from tests.unit.standards.cda.test_entries import ASTHMA, problem

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.intake.synth.generator import synthesize
from salus.primary.documents.patient_summary import compose_summary
from salus.standards.cda.document import to_fhir
from salus.standards.cda.writing.document import to_cda
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.profiles.book import Book, Shelves
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.tables import shipped_shelf
from salus.standards.fhir.profiles.validator import check_resource
from salus.standards.fhir.validation.validator import validate

LIMITS = Limits(body_bytes_max=Limits().document_bytes_max)
EPS = SHARED.parent / "eehrxf" / "synderai" / "EPS.ndjson.gz"
SAMPLES = sorted(SHARED.rglob("*.xml")) if SHARED.is_dir() else []
NEEDS = "needs ../shared (real data and public suites), which is not here"
EHDSI = [path for path in SAMPLES if path.parent.name in ("openncp-ps", "ehdsi-dk-patient-summary")]


def parsed(bundle):
    return parse_json(write_json(bundle), LIMITS)


def and_back(bundle):
    written = to_cda(bundle)
    return written, parsed(to_fhir(written.body, LIMITS).bundle)


@cache
def european():
    """The 18 different summaries of another generator; each stands in the file twice."""
    with gzip.open(EPS) as lines:
        return [parse_json(line, LIMITS) for _, line in zip(range(18), lines, strict=False)]


def without_rhythm(found):
    """Facts without how often a medicine is taken, for rhythms that no single period says."""
    return sorted(
        repr((*fact[:4], [dose[0] for dose in fact[4]]) if fact[0] == "Medicine" else fact)
        for fact in found.elements()
    )


@pytest.mark.skipif(not EPS.is_file(), reason=NEEDS)
def test_a_summary_of_another_generator_comes_back_from_cda_with_the_same_facts():
    stated = 0
    for bundle in european():
        written, again = and_back(bundle)
        before, after = facts(bundle), facts(again)
        stated += before.total()
        if any("timing" in line.path for line in written.quality.dropped):
            assert without_rhythm(before) == without_rhythm(after)
        else:
            assert before == after
    assert stated > 1_000


@pytest.mark.parametrize("country", ["PT", "EE", "FR"])
def test_a_summary_of_ours_comes_back_from_cda_with_the_same_facts(country):
    records: dict[str, list] = {}
    for resource in synthesize(2, country, 11, date(2026, 11, 30)):
        link = (resource.get("subject") or resource.get("patient") or {}).get("reference", "")
        owner = f"Patient/{resource['id']}" if resource["resourceType"] == "Patient" else link
        records.setdefault(owner, []).append(resource)
    shared = records.pop("", [])
    for owner, own in records.items():
        patient = next(each for each in own if each["resourceType"] == "Patient")
        composed = compose_summary(
            [*own, *shared],
            patient=patient,
            author_organisation="Hospital",
            now=datetime(2026, 11, 30, tzinfo=UTC),
        )
        before = facts(parsed(composed))
        _, again = and_back(parsed(composed))
        assert before == facts(again), owner


@pytest.mark.skipif(not SAMPLES, reason=NEEDS)
def test_every_sample_converts_and_is_valid_r4():
    for path in SAMPLES:
        made = to_fhir(path.read_bytes(), LIMITS)
        faults = [issue for issue in validate(parsed(made.bundle)) if issue.severity in ("error", "fatal")]
        assert faults == [], path.name
        assert made.quality.mapped > 60, path.name


@pytest.mark.skipif(not EHDSI, reason=NEEDS)
def test_every_patient_summary_of_ehdsi_is_valid_by_the_european_profile_and_comes_back():
    book = Book(Shelves([shipped_shelf()]))
    for path in EHDSI:
        bundle = parsed(to_fhir(path.read_bytes(), LIMITS).bundle)
        detected = detect(bundle)
        assert detected.category == "patient-summary"
        issues = check_resource(bundle, book, detected.profiles, detected.inner)
        assert [issue for issue in issues if issue.severity == "error"] == [], path.name
        assert facts(and_back(bundle)[1]) == facts(bundle), path.name


WORDS = st.sampled_from(
    [
        "",
        "x",
        "-1",
        "1e9",
        "9" * 40,
        "20261399",
        "2026",
        "<&>",
        "é" * 50,
        "NI",
        "2.16.840",
        "#a",
        "PQ",
        "CD",
        "true",
    ]
)
KINDS = st.sampled_from(["delete", "set", "unset", "twice", "text", "rename", "graft"])
MUTATIONS = st.lists(
    st.tuples(KINDS, st.integers(0, 10_000), st.integers(0, 10_000), WORDS), min_size=1, max_size=12
)
ENTRY = f"<entry>{problem(ASTHMA)}</entry>"


@cache
def originals():
    chosen = [path for path in SAMPLES if path.stat().st_size < 50_000][:12]
    return [document(section("11450-4", ENTRY)), *(path.read_bytes() for path in chosen)]


def attempt(body):
    """What becomes of a body, None where it is refused in words; anything else that is raised is a fault."""
    try:
        return to_fhir(body, LIMITS)
    except SalusError as error:
        refusal = error.message
    assert refusal
    return None


def mutated(body, changes):
    root = etree.fromstring(body)
    for kind, where, other, word in changes:
        elements = [each for each in root.iter() if isinstance(each.tag, str)]
        one, second = elements[where % len(elements)], elements[other % len(elements)]
        names = list(one.attrib)
        if kind == "delete" and one is not root:
            one.getparent().remove(one)
        elif kind == "set" and names:
            one.set(names[other % len(names)], word)
        elif kind == "unset" and names:
            del one.attrib[names[other % len(names)]]
        elif kind == "twice" and one is not root:
            one.getparent().append(copy.deepcopy(one))
        elif kind == "text":
            one.text = word
        elif kind == "rename" and one is not root:
            one.tag = second.tag
        elif kind == "graft" and len(second) < 20:
            one.append(copy.deepcopy(second))
    return etree.tostring(root)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.integers(0, 12), MUTATIONS)
def test_a_mutated_document_is_refused_or_becomes_valid_r4(number, changes):
    made = attempt(mutated(originals()[number % len(originals())], changes))
    if made is not None:
        assert [
            issue for issue in validate(parsed(made.bundle)) if issue.severity in ("error", "fatal")
        ] == []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_that_are_broken_anywhere_raise_nothing_unexpected(data):
    body = bytearray(originals()[0])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    attempt(bytes(body))
