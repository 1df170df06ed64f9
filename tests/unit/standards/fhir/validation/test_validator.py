"""What validation finds: rule and place, as a table."""

import gzip
import json
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest

from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.model import type_definition, type_names
from salus.standards.fhir.validation.aspects import STRUCTURE, Aspect
from salus.standards.fhir.validation.invariants import message_of
from salus.standards.fhir.validation.issue import ERRORS_MAX, WARNINGS_MAX
from salus.standards.fhir.validation.structure import PLANS_MAX
from salus.standards.fhir.validation.validator import is_valid, validate

SHARED = Path(__file__).parents[6] / "shared"
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
CONTAINED = {"resourceType": "Patient", "id": "p"}


def patient(**elements):
    return {"resourceType": "Patient"} | elements


def observation(**elements):
    return OBSERVATION | elements


def bundle(kind="collection", *entries, **elements):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)} | elements


def errors(resource):
    return [
        (issue.message_id, issue.expression)
        for issue in validate(resource)
        if issue.severity != "information"
    ]


PAYMENT = {
    "status": "active",
    "created": "2020",
    "payment": {"display": "x"},
    "recipient": {"display": "x"},
}
VALID = {
    "extension instead of a value": patient(
        _birthDate={"extension": [{"url": "http://e.example", "valueCode": "x"}]}
    ),
    "id beside a value": patient(birthDate="1970", _birthDate={"id": "b"}),
    "null with an extension": patient(
        name=[
            {
                "given": [None, "B"],
                "_given": [{"extension": [{"url": "http://e.example", "valueCode": "x"}]}, None],
            }
        ]
    ),
    "required element as an extension": {"resourceType": "Observation", "code": {"text": "x"}}
    | {"_status": {"extension": [{"url": "http://e.example", "valueCode": "x"}]}},
    "reference to a contained resource": observation(subject={"reference": "#p"}, contained=[CONTAINED]),
    "absolute reference": observation(subject={"reference": "http://e.example/Patient/1"}),
    "conditional reference": observation(subject={"reference": "Patient?identifier=http://e.example|1"}),
    "absolute reference to something that is no resource": observation(
        subject={"reference": "https://e.example/people/1"}
    ),
    "reference by urn": observation(subject={"reference": "urn:oid:1.2.3"}),
    "reference to a version": observation(subject={"reference": "Patient/1/_history/2"}),
    "reference and its type": observation(subject={"reference": "Patient/1", "type": "Patient"}),
    "media type with a parameter": patient(
        photo=[{"contentType": "text/plain; charset=utf-8", "url": "urn:x"}]
    ),
    "currency": {"resourceType": "PaymentNotice"} | PAYMENT | {"amount": {"value": 1, "currency": "EUR"}},
    "formats of a server": {
        "resourceType": "CapabilityStatement",
        "status": "draft",
        "date": "2020",
        "kind": "requirements",
        "description": "x",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server"}],
    },
    "reference without literal": observation(subject={"display": "x"}),
    "any target": {
        "resourceType": "Provenance",
        "target": [{"reference": "Patient/1"}],
        "recorded": "2020-01-01T00:00:00Z",
    }
    | {"agent": [{"who": {"reference": "Patient/1"}}]},
    "nested extension with a short url": patient(
        extension=[{"url": "http://e.example", "extension": [{"url": "short", "valueCode": "x"}]}]
    ),
    "decimal with an exponent": observation(valueQuantity={"value": 10**9}),
    "entry reference by urn": bundle(
        "collection",
        {"fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "resource": patient()},
        {"resource": observation(subject={"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"})},
    ),
}

INVALID = [
    (patient(nmae=[{"family": "x"}]), "unknown-element", "Patient"),
    (patient(name=[{"family": "x", "resourceType": "y"}]), "unknown-element", "Patient.name[0]"),
    (patient(_name=[{"id": "x"}]), "unknown-element", "Patient"),
    (
        patient(extension=[{"url": "http://e.example", "_url": {"id": "a"}, "valueCode": "x"}]),
        "unknown-element",
        "Patient.extension[0]",
    ),
    ({"resourceType": "Observation", "code": {"text": "x"}}, "cardinality-min", "Observation.status"),
    (patient(deceasedBoolean=True, deceasedDateTime="2020"), "choice-exclusive", "Patient.deceased"),
    (patient(deceasedBoolean="true"), "wrong-type", "Patient.deceased.ofType(boolean)"),
    (patient(active="true"), "wrong-type", "Patient.active"),
    (patient(active=1), "wrong-type", "Patient.active"),
    (patient(multipleBirthInteger=True), "wrong-type", "Patient.multipleBirth.ofType(integer)"),
    (patient(name={"family": "x"}), "expected-array", "Patient.name"),
    (patient(maritalStatus=[{"text": "x"}]), "unexpected-array", "Patient.maritalStatus"),
    (patient(birthDate=["1970"]), "unexpected-array", "Patient.birthDate"),
    (patient(name=[]), "empty-array", "Patient.name"),
    (patient(name=[{"given": []}]), "empty-array", "Patient.name[0].given"),
    (patient(name=[{"given": "x"}]), "expected-array", "Patient.name[0].given"),
    (patient(name=[{}]), "empty-object", "Patient.name[0]"),
    (patient(name=[None]), "null-value", "Patient.name[0]"),
    (patient(name=["x"]), "wrong-type", "Patient.name[0]"),
    (patient(name=[{"family": ""}]), "empty-string", "Patient.name[0].family"),
    (patient(name=[{"family": "a\0b"}]), "format-string", "Patient.name[0].family"),
    (patient(birthDate=None), "null-value", "Patient.birthDate"),
    (patient(name=[{"given": [None]}]), "null-value", "Patient.name[0].given[0]"),
    (patient(name=[{"given": ["a"], "_given": [None, None]}]), "sibling-length", "Patient.name[0].given"),
    (patient(name=[{"given": [None], "_given": [None]}]), "null-value", "Patient.name[0].given[0]"),
    (patient(birthDate="1970", _birthDate="x"), "sibling-type", "Patient.birthDate"),
    (patient(_birthDate={"id": "x"}), "ele-1", "Patient.birthDate"),
    (patient(name=[{"id": "x"}]), "ele-1", "Patient.name[0]"),
    (patient(birthDate="1970-02-30"), "format-date", "Patient.birthDate"),
    (patient(id="a_b"), "format-id", "Patient.id"),
    (patient(gender="divers"), "binding-required", "Patient.gender"),
    (observation(status="done"), "binding-required", "Observation.status"),
    (
        {
            "resourceType": "AllergyIntolerance",
            "patient": {"display": "x"},
            "clinicalStatus": {"text": "active"},
        },
        "binding-required",
        "AllergyIntolerance.clinicalStatus",
    ),
    (observation(subject={"reference": "Practitioner/1"}), "reference-target", "Observation.subject"),
    (
        observation(subject={"reference": "#p"}, contained=[{"resourceType": "Practitioner", "id": "p"}]),
        "reference-target",
        "Observation.subject",
    ),
    (
        observation(subject={"type": "Practitioner", "display": "x"}),
        "reference-target",
        "Observation.subject",
    ),
    (observation(subject={"reference": "foo"}), "reference-form", "Observation.subject"),
    (observation(subject={"reference": "Patient"}), "reference-form", "Observation.subject"),
    (observation(subject={"reference": "Patient/a b"}), "reference-form", "Observation.subject"),
    (observation(subject={"reference": "/Patient/1"}), "reference-form", "Observation.subject"),
    (
        observation(subject={"reference": "https://x.example/fhir/Practitioner/1"}),
        "reference-target",
        "Observation.subject",
    ),
    (
        observation(subject={"reference": "Patient/1", "type": "Group"}),
        "reference-type-mismatch",
        "Observation.subject",
    ),
    (
        observation(focus=[{"reference": "Patient/1", "type": "Group"}]),
        "reference-type-mismatch",
        "Observation.focus[0]",
    ),
    (
        patient(photo=[{"contentType": "jpeg", "url": "urn:x"}]),
        "binding-required",
        "Patient.photo[0].contentType",
    ),
    (
        {"resourceType": "PaymentNotice"} | PAYMENT | {"amount": {"value": 1, "currency": "EURO"}},
        "binding-required",
        "PaymentNotice.amount.currency",
    ),
    (observation(focus=[{"reference": "Chicken/1"}]), "reference-type-unknown", "Observation.focus[0]"),
    (observation(subject={"reference": "#q"}), "ref-1", "Observation.subject"),
    (observation(subject={"reference": ""}), "empty-string", "Observation.subject.reference"),
    (observation(contained=[CONTAINED]), "dom-3", "Observation.contained[0]"),
    (
        observation(subject={"reference": "#p"}, contained=[CONTAINED, CONTAINED]),
        "duplicate-id",
        "Observation.contained[1]",
    ),
    (
        {
            "resourceType": "Patient",
            "name": [{"id": "a", "family": "X"}],
            "birthDate": "1974",
            "_birthDate": {"id": "a"},
        },
        "duplicate-id",
        "Patient.birthDate.id",
    ),
    ({"resourceType": "Patient", "name": [{"id": "a b", "family": "X"}]}, "element-id", "Patient.name[0].id"),
    (
        observation(subject={"reference": "#p"}, contained=[CONTAINED | {"meta": {"versionId": "1"}}]),
        "dom-4",
        "Observation",
    ),
    (patient(extension=[{"url": "http://e.example"}]), "ext-1", "Patient.extension[0]"),
    (patient(extension=[{"valueCode": "x"}]), "cardinality-min", "Patient.extension[0].url"),
    (patient(extension=[{"url": "short", "valueCode": "x"}]), "extension-url", "Patient.extension[0].url"),
    (observation(valueQuantity={"value": 1, "code": "kg"}), "qty-3", "Observation.value.ofType(Quantity)"),
    (observation(referenceRange=[{"type": {"text": "x"}}]), "obs-3", "Observation.referenceRange[0]"),
    (
        observation(referenceRange=[{"low": {"value": 1, "comparator": "<"}}]),
        "sqty-1",
        "Observation.referenceRange[0].low",
    ),
    (observation(valueString="x", dataAbsentReason={"text": "x"}), "obs-6", "Observation"),
    (
        observation(effectivePeriod={"start": "2021", "end": "2020"}),
        "per-1",
        "Observation.effective.ofType(Period)",
    ),
    (patient(contact=[{"gender": "male"}]), "pat-1", "Patient.contact[0]"),
    (patient(text={"status": "generated", "div": "<div>x</div>"}), "txt-1", "Patient.text.div"),
    (
        patient(photo=[{"contentType": "text/plain", "data": "QUJD", "size": 4}]),
        "attachment-size",
        "Patient.photo[0]",
    ),
    (bundle("collection", {"resource": patient(active=1)}), "wrong-type", "Bundle.entry[0].resource.active"),
    (bundle("document", {"resource": patient()}), "bdl-9", "Bundle"),
    (
        bundle("collection", {"fullUrl": "Patient/1", "resource": patient()}),
        "full-url-absolute",
        "Bundle.entry[0].fullUrl",
    ),
    (
        bundle("collection", {"fullUrl": "http://e.example/Patient/1", "resource": patient(id="2")}),
        "full-url-mismatch",
        "Bundle.entry[0].fullUrl",
    ),
    (
        bundle(
            "collection",
            {"fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "resource": patient()},
            {
                "resource": OBSERVATION
                | {"encounter": {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}
            },
        ),
        "reference-target",
        "Bundle.entry[1].resource.encounter",
    ),
    (bundle("batch", {"resource": patient()}), "bdl-3", "Bundle"),
    ({"resourceType": "Pat1ent"}, "resource-type-unknown", "Pat1ent"),
    ({"resourceType": "DomainResource"}, "resource-type-unknown", "DomainResource"),
    ({}, "resource-type-missing", "Resource"),
    ({"resourceType": ["Patient"]}, "resource-type-unknown", "Resource"),
    ([], "wrong-type", ""),
]


@pytest.mark.parametrize("resource", VALID.values(), ids=VALID.keys())
def test_valid_resources_have_no_error(resource):
    assert [issue for issue in validate(resource) if issue.severity == "error"] == []


@pytest.mark.parametrize(("resource", "message_id", "expression"), INVALID)
def test_a_broken_rule_is_found_where_it_is_broken(resource, message_id, expression):
    assert (message_id, expression) in errors(resource)


def test_a_resource_without_narrative_is_valid_with_a_warning():
    issues = validate(patient())
    assert [(issue.severity, issue.message_id) for issue in issues] == [("warning", "dom-6")]
    assert is_valid(issues)


def test_a_message_says_what_to_write_and_quotes_little():
    (issue,) = [issue for issue in validate(patient(birthDate="x" * 1000)) if issue.severity == "error"]
    assert "YYYY-MM-DD" in issue.message
    assert len(issue.message) < 300
    assert issue.code == "value"


def test_the_number_of_issues_is_bounded():
    resource = patient(name=[{"family": ""}] * 10_000, **{f"unknown{n}": 1 for n in range(10_000)})
    issues = validate(resource)
    assert len(issues) == ERRORS_MAX + 1
    assert issues[-1].message_id == "more-issues"


def test_an_error_behind_many_warnings_is_found():
    entries = [{"resource": patient()} for _ in range(WARNINGS_MAX * 3)]
    issues = validate(bundle("collection", *entries, {"resource": patient(active=1)}))
    assert len([issue for issue in issues if issue.severity == "warning"]) == WARNINGS_MAX
    assert [issue.message_id for issue in issues if issue.severity == "error"] == ["wrong-type"]
    assert issues[-1].message_id == "more-issues"
    assert not is_valid(issues)


def test_more_shapes_than_are_kept_are_checked_all_the_same():
    keys = {"active": True, "gender": "male", "birthDate": "1970", "language": "de", "id": "x"}
    keys |= {"deceasedBoolean": True, "multipleBirthInteger": 1, "implicitRules": "http://e.example"}
    shapes = [{key: keys[key] for n, key in enumerate(keys) if number >> n & 1} for number in range(256)]
    entries = [{"resource": patient(**shape)} for shape in shapes]
    assert len(shapes) > PLANS_MAX
    assert is_valid(validate(bundle("collection", *entries)))
    entries[255]["resource"]["gender"] = "x"
    assert not is_valid(validate(bundle("collection", *entries)))


def test_endless_nesting_is_an_issue():
    resource = observation()
    for _ in range(5_000):
        resource = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    assert "too-deep" in [issue.message_id for issue in validate(resource)]


def test_aspects_can_be_left_out():
    resource = patient(
        gender="x", extension=[{"url": "http://e.example"}], generalPractitioner=[{"reference": "Patient/1"}]
    )
    assert validate(resource, checks=STRUCTURE) == []
    assert [issue.message_id for issue in validate(resource, checks=Aspect.BINDINGS)] == ["binding-required"]


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared (data/synthea)")
def test_synthea_is_valid():
    wrong = []
    for path in sorted((SHARED / "data/synthea/patients100").glob("*.ndjson.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines()[:200]:
            wrong += [issue for issue in validate(parse_json(line, Limits())) if issue.severity == "error"]
    for path in sorted((SHARED / "data/synthea/transaction-bundles").glob("*.json.gz"))[:3]:
        content = gzip.decompress(path.read_bytes())
        wrong += [issue for issue in validate(parse_json(content, Limits())) if issue.severity == "error"]
    assert wrong == []


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared (data/eehrxf)")
def test_european_documents_are_valid_but_for_an_encounter_status_of_r5():
    wrong = set()
    for path in sorted((SHARED / "data/eehrxf/synderai").glob("*.ndjson.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines()[::20]:
            issues = validate(parse_json(line, Limits()))
            wrong |= {(issue.message_id, issue.message[:11]) for issue in issues if issue.severity == "error"}
    assert wrong <= {("binding-required", "'completed'")}


def test_every_rule_of_this_table_is_documented():
    documented = (Path(__file__).parents[5] / "docs/validation.md").read_text()
    invariants = {"ele-1", "ref-1", "dom-3", "txt-1"} | {
        rule.key for name in type_names() for rule in type_definition(name).invariants
    }
    named = {message_id for _, message_id, _ in INVALID if message_id not in invariants | {"sqty-1"}}
    assert {name for name in named if name not in documented and not name.startswith("format-")} == set()


INVALID_EXAMPLES = {
    "Consent-consent-example.json",  # R5: no scope, no policy
    "Encounter-enc-example.json",  # R5: status "completed"
    "Medication-04A-FirmagonBranded.json",  # ingredient without item
    "Bundle-HDR-Paolo-Marcheschi-Example.json",  # an identifier with only an id (ele-1)
    "Bundle-Instance-Bundle-1a24e60d-9b12-4109-a50a-07249a4f21c3.json",  # udiCarrier with only an id (ele-1)
}


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared (fhir-packages)")
def test_the_examples_of_the_european_guides_are_valid_but_for_those_known_to_be_wrong():
    wrong = set()
    for path in sorted((SHARED / "fhir-packages").glob("hl7.fhir.*.tgz")):
        if "r4.core" in path.name or "extensions.r4-5" in path.name:
            continue
        with tarfile.open(path) as archive:
            for member in archive:
                if "/example/" in member.name and member.name.endswith(".json"):
                    resource = json.load(archive.extractfile(member))
                    if not is_valid(validate(resource)):
                        wrong.add(member.name.rsplit("/", 1)[1])
    assert wrong <= INVALID_EXAMPLES


def test_advice_holds_for_xml_as_for_json():
    issue = validate(observation(valueQuantity={"value": "viel"}))[0]
    assert issue.message_id == "wrong-type"
    assert issue.message == "A decimal is expected here, not 'viel'; write a number, in JSON without quotes."
    issue = validate(patient(gender=1))[0]
    assert issue.message.endswith("write a code without blanks at its ends or two in a row, in quotes.")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1.0, "An integer is expected here, not a number with a decimal point or an exponent; write a whole"),
        (
            Decimal("1.0"),
            "An integer is expected here, not a number with a decimal point or an exponent; write",
        ),
        ({}, "An integer is expected here, not an object; write a whole number"),
        ("1", "An integer is expected here, not '1'; write a whole number"),
    ],
)
def test_a_number_is_never_advised_to_be_put_in_quotes(number, message):
    issue = validate(patient(multipleBirthInteger=number))[0]
    assert issue.message.startswith(message)
    assert "in quotes" not in issue.message


def test_no_message_shows_the_tracing_of_a_rule():
    rules = [rule for name in type_names() for rule in type_definition(name).invariants]
    traced = [rule for rule in rules if ".trace(" in rule.expression]
    assert traced
    assert [rule.key for rule in traced if "trace" in message_of(rule)] == []
