"""Transaction and batch Bundles: order, addresses, links (R4 http.html, bundle.html)."""

import json
from decimal import Decimal

import pytest

from salus.core.errors import InvalidResource, MalformedContent, NotSupported, TooLarge
from salus.standards.fhir.bundle import (
    conditional_references,
    entry_contents,
    lookup_for,
    plan_bundle,
    splice_references,
    version_of_etag,
)

BASE = "https://node.example/fhir"


def entry(method, url, resource=None, full_url=None, **request):
    built = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        built["resource"] = resource
    if full_url is not None:
        built["fullUrl"] = full_url
    return built


def plan(*entries, kind="transaction", entries_max=100):
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return plan_bundle(
        bundle, entry_contents(json.dumps(bundle).encode()), fhir_base=BASE, entries_max=entries_max
    )


PATIENT = {"resourceType": "Patient"}


def test_entries_are_processed_delete_post_put_get_whatever_their_place():
    planned = plan(
        entry("GET", "Patient/4"),
        entry("PUT", "Patient/3", {**PATIENT, "id": "3"}),
        entry("POST", "Patient", PATIENT),
        entry("DELETE", "Patient/1"),
    )
    assert [item.method for item in planned.ordered()] == ["DELETE", "POST", "PUT", "GET"]
    assert [item.index for item in planned.ordered()] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    "url",
    [
        "../../admin",
        "http://169.254.169.254/latest/meta-data",
        "https://node.example/fhir/../admin",
        "https://node.example/fhirx/Patient/1",
        "//evil.example/Patient",
        "Patient//1",
        "Patient/./1",
        "Patient/%2e%2e",
        "Patient\\1",
        "patient/1",
        "file:///etc/passwd",
        "Patient/1;drop",
        "Patient/a b",
        "Patient/" + "a" * 65,
    ],
)
def test_an_address_outside_the_base_is_refused(url):
    with pytest.raises(InvalidResource):
        plan(entry("GET", url))


@pytest.mark.parametrize("url", ["Patient/1", BASE + "/Patient/1", "/Patient/1", "/fhir/Patient/1"])
def test_an_address_below_the_base_may_be_absolute(url):
    planned = plan(entry("GET", url)).entries[0]
    assert (planned.type, planned.id) == ("Patient", "1")


@pytest.mark.parametrize(
    "pair",
    [
        (entry("DELETE", "Patient/1"), entry("PUT", "Patient/1", {**PATIENT, "id": "1"})),
        (entry("POST", "Patient", PATIENT, "urn:uuid:a"), entry("POST", "Patient", PATIENT, "urn:uuid:a")),
        (
            entry("POST", "Patient", PATIENT, ifNoneExist="identifier=1"),
            entry("POST", "Patient", PATIENT, ifNoneExist="identifier=1"),
        ),
        (entry("DELETE", "Patient?active=false"), entry("DELETE", "Patient?active=false")),
    ],
)
def test_two_entries_for_the_same_thing_are_refused_in_a_transaction_but_not_in_a_batch(pair):
    with pytest.raises(InvalidResource, match=r"entry\[0\]"):
        plan(*pair)
    assert len(plan(*pair, kind="batch").entries) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"request": {"method": "POST"}, "resource": PATIENT},
        {"request": {"method": "BREW", "url": "Patient"}},
        {"request": {"method": "POST", "url": "Patient"}},
        {"request": {"method": "PUT", "url": "Patient"}, "resource": PATIENT},
        {"request": {"method": "PUT", "url": "Observation/1"}, "resource": PATIENT},
        {"request": {"method": "PUT", "url": "Patient/1"}, "resource": {**PATIENT, "id": "2"}},
        {"request": {"method": "DELETE", "url": "Patient?"}},
        {"request": {"method": 1, "url": "Patient"}},
        {"request": "GET Patient"},
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_with_its_place(broken):
    with pytest.raises(InvalidResource, match=r"Bundle\.entry\[1\]"):
        plan(entry("GET", "Patient/1"), broken)


@pytest.mark.parametrize("place", ["subject", "extension"])
@pytest.mark.parametrize("link", ["urn:uuid:b", "urn:oid:1.2"])
def test_a_reference_to_an_entry_that_is_not_there_refuses_a_transaction(place, link):
    held = {"reference": link}
    held = held if place == "subject" else [{"url": "urn:x", "valueReference": held}]
    broken = entry("POST", "Observation", {"resourceType": "Observation", place: held})
    with pytest.raises(InvalidResource, match=r"Bundle\.entry\[1\].*" + link):
        plan(entry("POST", "Patient", PATIENT, "urn:uuid:a"), broken)
    with pytest.raises(InvalidResource, match=r"Bundle\.entry\[0\]"):
        plan(broken)
    assert len(plan(broken, entry("POST", "Patient", PATIENT, link)).entries) == 2


def test_a_logical_reference_and_a_document_need_no_entry():
    subject = {"identifier": {"system": "urn:oid:1.2", "value": "urn:uuid:b"}}
    inner = {"resourceType": "Observation", "subject": {"reference": "urn:uuid:inside"}}
    document = {"resourceType": "Bundle", "type": "document", "entry": [{"resource": inner}]}
    planned = plan(
        entry("POST", "Observation", {"resourceType": "Observation", "subject": subject}),
        entry("POST", "Bundle", document),
    )
    assert len(planned.entries) == 2


def test_an_entry_that_makes_no_sense_leaves_the_others_of_a_batch():
    planned = plan(
        entry("GET", "http://elsewhere.example/Patient/1"), entry("GET", "Patient/1"), kind="batch"
    )
    assert [item.index for item in planned.entries] == [1]
    assert list(planned.refusals) == [0]


def test_a_conditional_create_keeps_its_condition():
    assert plan(entry("POST", "Patient", PATIENT, ifNoneExist="identifier=s|1")).entries[0].condition == (
        "identifier=s|1"
    )


def test_too_many_entries_and_other_kinds_of_bundles_are_refused():
    with pytest.raises(TooLarge):
        plan(entry("GET", "Patient"), entry("GET", "Patient"), entries_max=1)
    with pytest.raises(NotSupported):
        plan(kind="searchset")
    with pytest.raises(MalformedContent):
        plan_bundle({"resourceType": "Patient"}, [], fhir_base=BASE, entries_max=1)


def rewritten(content, targets, full_url=""):
    planned = plan(entry("POST", "Observation", {"resourceType": "Observation"}, full_url)).entries[0]
    resource = json.loads(content, parse_float=Decimal)
    spliced = splice_references(
        content, resource, lookup_for(planned, targets), lambda found: json.dumps(found, default=str).encode()
    )
    return spliced, resource


def test_links_are_spliced_and_every_other_byte_stays():
    content = b'{ "subject" : {"reference" :\t"urn:uuid:p", "display":"urn:uuid:p"},\n "value": 72.50 }'
    spliced, resource = rewritten(content, {"urn:uuid:p": "Patient/7"})
    assert spliced == content.replace(b'\t"urn:uuid:p"', b'\t"Patient/7"')
    assert resource["subject"] == {"reference": "Patient/7", "display": "urn:uuid:p"}


def test_a_string_that_looks_like_a_link_is_not_one():
    content = json.dumps({"note": 'x "reference": "urn:uuid:p"', "id": "reference"}).encode()
    assert rewritten(content, {"urn:uuid:p": "Patient/7"})[0] == content


@pytest.mark.parametrize(
    "content",
    [
        rb'{"subject":{"\u0072eference":"urn:uuid:p"}}',
        rb'{"subject":{"reference":"urn\u003auuid:p"}}',
    ],
)
def test_an_escaped_link_is_found_too(content):
    spliced, _ = rewritten(content, {"urn:uuid:p": "Patient/7"})
    assert json.loads(spliced) == {"subject": {"reference": "Patient/7"}}


def test_links_in_uri_elements_and_in_the_narrative_are_replaced_canonicals_are_not():
    document = {
        "content": [{"attachment": {"url": "urn:uuid:b"}}],
        "valueCanonical": "urn:uuid:b",
        "text": {"div": '<div><a href="urn:uuid:b">urn:uuid:b</a></div>'},
    }
    spliced, _ = rewritten(json.dumps(document).encode(), {"urn:uuid:b": "Binary/1"})
    assert json.loads(spliced) == {
        "content": [{"attachment": {"url": "Binary/1"}}],
        "valueCanonical": "urn:uuid:b",
        "text": {"div": '<div><a href="Binary/1">urn:uuid:b</a></div>'},
    }


def test_a_relative_link_is_resolved_at_the_root_of_its_own_full_url():
    targets = {"https://other.example/r4/Patient/1": "Patient/new"}
    content = b'{"subject":{"reference":"Patient/1"}}'
    rooted, _ = rewritten(content, targets, "https://other.example/r4/Observation/9")
    assert json.loads(rooted)["subject"]["reference"] == "Patient/new"
    assert rewritten(content, targets, "urn:uuid:o")[0] == content


def test_conditional_references_are_found_at_any_depth():
    resource = {"a": [{"b": {"reference": "Patient?identifier=s|1"}}], "c": {"reference": "Patient/1"}}
    assert conditional_references(resource) == ["Patient?identifier=s|1"]


@pytest.mark.parametrize(
    ("tag", "version"), [('W/"3"', 3), ('"3"', 3), ("3", 3), ("*", None), ("", None), ('W/"x"', -1)]
)
def test_etags(tag, version):
    assert version_of_etag(tag) == version


@pytest.mark.parametrize("tag", ["three", 'W/"3', 'W/"3", W/"4"', "W/3"])
def test_what_is_no_entity_tag_is_refused(tag):
    with pytest.raises(MalformedContent):
        version_of_etag(tag)
