"""What a resource names, and what of that it states (docs/decisions/0010, 0027).

The cases were held against the functions that read this in SQL until schema 0134, as was every FHIR file of
the shared data.
"""

import json

import pytest

from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.links import links_of
from salus.standards.fhir.search.references import links_in

KEY = b"key of the test of links"
E = "Encounter/e"


def ref(name, **more):
    return {"reference": name, **more}


def read(kind, **content):
    """Return what a resource states, and what it names as context."""
    resource = {"resourceType": kind, **content}
    links, stated = links_of(kind, resource, links_in(resource)[2])
    assert len(set(links)) == len(links)
    return set(links[:stated]), set(links[stated:])


def said(text):
    return read("Flag", note=[{"text": text}])[0]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Condition/c", {"Condition/c"}),
        ("Condition/c/_history/3", {"Condition/c"}),
        ("Condition/c#part", {"Condition/c"}),
        ("Condition/c?x=Condition/d", {"Condition/c", "Condition/d"}),
        ("https://other.test/fhir/Condition/c/_history/3#part", {"Condition/c"}),
        ("https://app.test/#/Condition/c", {"Condition/c"}),
        ('<a href="Condition/c">x</a>', {"Condition/c"}),
        ("<a href='http://x.test/Condition/c'>x</a>", {"Condition/c"}),
        ("<p>Condition/c</p>", {"Condition/c"}),
        ("(Condition/c), [Condition/d]; Condition/f", {"Condition/c", "Condition/d", "Condition/f"}),
        ("one\nCondition/c\tCondition/d\r\n", {"Condition/c", "Condition/d"}),
        ("As in Condition/c.", {"Condition/c", "Condition/c."}),
        ("As in Condition/c...", {"Condition/c", "Condition/c..."}),
        (f"Condition/{'c' * 64}.", {f"Condition/{'c' * 64}"}),
        (f"{'a' * 2_500}/Condition/c {'b' * 1_900}/Condition/d", {"Condition/d"}),
        ("Condition/c/d", set()),
        ("Condition/c/", set()),
        ("Condition/...", {"Condition/..."}),
        ("Condition/c_1", set()),
        ("Condition/ö", set()),
        (f"Condition/{'c' * 65}", set()),
        ("MyCondition/c", set()),
        ("condition/c", set()),
        ("Blood/Pressure", set()),
        ("Patient/ana", set()),
        ("http://terminology.hl7.org/CodeSystem/observation-category", set()),
        ("Practitioner/p", set()),
    ],
)
def test_a_name_ends_a_text_or_a_piece_of_one(text, names):
    assert said(text) == names


@pytest.mark.parametrize(
    ("kind", "content", "stated", "context"),
    [
        ("Observation", {"encounter": ref(E)}, set(), {E}),
        ("Observation", {"encounter": ref(E, type="Encounter", id="1")}, set(), {E}),
        ("Observation", {"encounter": ref(E, display="Visit for HIV")}, {E}, set()),
        ("Observation", {"encounter": ref(E, _display={"id": "1"})}, {E}, set()),
        ("Observation", {"encounter": ref(E), "hasMember": [ref(E)]}, {E}, set()),
        ("Observation", {"encounter": ref(E), "note": [{"text": f"see {E}"}]}, {E}, set()),
        ("Observation", {"encounter": ref(f"https://x.test/{E}/_history/1")}, set(), {E}),
        ("Observation", {"encounter": {"identifier": {"assigner": ref(E)}}}, set(), {E}),
        ("Observation", {"encounter": {"identifier": {"assigner": ref(E, display="x")}}}, {E}, set()),
        ("Observation", {"performer": [ref("CareTeam/1"), ref("CareTeam/2", display="x")]},
         {"CareTeam/2"}, {"CareTeam/1"}),
        ("Observation", {"contained": [{"resourceType": "Observation", "encounter": ref(E)}]}, {E}, set()),
        ("Observation", {"extension": [{"url": "u", "valueReference": ref(E)}]}, {E}, set()),
        ("Encounter", {"partOf": ref(E), "episodeOfCare": [ref("EpisodeOfCare/1")]},
         {E}, {"EpisodeOfCare/1"}),
        ("MedicationDispense", {"context": ref(E), "authorizingPrescription": [ref("MedicationRequest/m")]},
         {"MedicationRequest/m"}, {E}),
        ("Observation", {"context": ref(E)}, {E}, set()),
        ("DocumentReference", {"context": {"encounter": [ref("Encounter/1"), ref("Encounter/2", display="x")],
                                           "related": [ref("Observation/3")]}},
         {"Encounter/2", "Observation/3"}, {"Encounter/1"}),
        ("Claim", {"item": [{"encounter": [ref(E)]}, {"encounter": [ref("Encounter/2", display="x")]}, 3]},
         {"Encounter/2"}, {E}),
        ("Procedure", {"basedOn": [ref("CarePlan/p"), ref("ServiceRequest/s"),
                                   ref("RequestGroup/g", display="x")]},
         {"ServiceRequest/s", "RequestGroup/g"}, {"CarePlan/p"}),
        ("Binary", {"data": "AAAA/Observation/o", "securityContext": ref("DocumentReference/d")},
         {"DocumentReference/d"}, set()),
        ("Binary", {"data": "AAAA/Observation/o"}, set(), set()),
        ("Bundle", {"entry": [
            {"fullUrl": "https://x.test/Observation/o",
             "resource": {"resourceType": "Observation", "id": "o", "encounter": ref(E)}},
            {"resource": {"resourceType": "Patient", "id": "ana"}},
            {"resource": {"resourceType": "Practitioner", "id": "p"}},
            {"resource": {"resourceType": "Bundle", "entry": [
                {"resource": {"resourceType": "Claim", "id": "c",
                              "item": [{"encounter": [ref("Encounter/f")]}]}}]}},
         ]}, {"Observation/o", "Patient/ana", "Claim/c"}, {E, "Encounter/f"}),
        ("Bundle", {"entry": [{"resource": {"resourceType": "Procedure", "basedOn": [ref("CarePlan/p")]}}]},
         {"CarePlan/p"}, set()),
        ("Bundle", {"entry": [{"resource": {"resourceType": 7, "id": {}}},
                              {"resource": "x"}, {"resource": None},
                              {"resource": {"resourceType": "Invented", "id": "o"}},
                              {"resource": {"resourceType": "List", "id": "o_1"}}]}, set(), set()),
        ("Observation", {"encounter": {"reference": {"a": E}}}, set(), {E}),
    ],
)  # fmt: skip
def test_context_says_no_more_than_the_link(kind, content, stated, context):
    assert read(kind, **content) == (stated, context)


def test_a_bundle_of_thousands_of_entries_is_read_in_one_pass():
    entries = [
        {"resource": {"resourceType": "Observation", "id": f"o{n}", "encounter": ref(f"Encounter/e{n}")}}
        for n in range(5_000)
    ]
    stated, context = read("Bundle", entry=entries)
    assert (len(stated), len(context)) == (5_000, 5_000)


def test_escapes_are_read_by_what_they_say():
    body = rb'{"resourceType":"Flag","note":[{"text":"see\u0020Condition\u002fc1\nor Condition\/c2"}]}'
    index = compile_indexer("Flag", KEY)(json.loads(body))
    assert (set(index.links), index.links_stated) == ({"Condition/c1", "Condition/c2"}, 2)
