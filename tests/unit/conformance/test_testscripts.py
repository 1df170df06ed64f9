"""A TestScript passes when all its assertions hold, and fails with the reason when one does not."""

import json

import httpx
import pytest
from conformance.scoreboard.suites.testscripts import SUITE
from conformance.scoreboard.testscript.player import play_script

BASE = "http://server.test/fhir/"
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1974-12-25", "name": [{"family": "Chalmers"}]}
FIXTURE = {"id": "made", "autocreate": True, "resource": {"reference": "fixtures/Patient/example.json"}}
READ = {
    "operation": {"type": {"code": "read"}, "resource": "Patient", "targetId": "made", "responseId": "read"}
}


def server(request):
    """A server that knows one Patient, whatever is asked of it."""
    if request.method == "POST":
        return httpx.Response(201, headers={"location": f"{BASE}Patient/s7/_history/1"}, request=request)
    found = PATIENT | {"id": request.url.path.rpartition("/")[2]}
    headers = {"content-type": "application/fhir+json; charset=utf-8", "etag": 'W/"1"'}
    return httpx.Response(200, content=json.dumps(found), headers=headers, request=request)


@pytest.fixture
def play(tmp_path):
    folder = tmp_path / "testscripts-some"
    (folder / "deep").mkdir(parents=True)
    (folder / "elsewhere" / "Patient").mkdir(parents=True)
    (folder / "elsewhere" / "Patient" / "example.json").write_text(json.dumps(PATIENT))

    def played(*actions, **more):
        script = {"resourceType": "TestScript", "fixture": [FIXTURE], "test": [{"action": [*actions]}]} | more
        path = folder / "deep" / "script.json"
        path.write_text(json.dumps(script))
        with httpx.Client(base_url=BASE, transport=httpx.MockTransport(server)) as client:
            return play_script(script, path, folder, client)

    return played


@pytest.mark.parametrize(
    ("assertion", "reason"),
    [
        ({"response": "okay"}, ""),
        ({"response": "created"}, "'200' equals '201' is false"),
        ({"responseCode": "200,204", "operator": "in"}, ""),
        ({"resource": "Patient"}, ""),
        ({"resource": "Bundle"}, "'Patient' equals 'Bundle'"),
        ({"contentType": "application/fhir+json"}, ""),
        ({"contentType": "xml"}, "is false"),
        ({"headerField": "ETag", "operator": "notEmpty"}, ""),
        ({"headerField": "Last-Modified", "operator": "notEmpty"}, "notEmpty"),
        ({"requestURL": "/Patient/s7", "operator": "contains"}, ""),
        ({"expression": "Patient.name.family = 'Chalmers'"}, ""),
        ({"expression": "Patient.name.count() > 1"}, "is ['false']"),
        ({"path": "fhir:Patient/fhir:birthDate/@value", "value": "1974-12-25"}, ""),
        ({"path": "Patient/name/family", "value": "Chalmers"}, ""),
        (
            {
                "expression": "Patient.birthDate",
                "compareToSourceId": "made",
                "compareToSourceExpression": "Patient.birthDate",
            },
            "",
        ),
        ({"minimumId": "made"}, "Patient.id is not as in 'made'"),
        ({"minimumId": "made", "sourceId": "made"}, ""),
        ({"validateProfileId": "base"}, ""),
        ({"validateProfileId": "other"}, "not at hand"),
        ({"navigationLinks": True}, "links are []"),
        ({"response": "gone", "warningOnly": True}, ""),
        ({"label": "nothing"}, "nothing: an assertion asserts nothing"),
    ],
)
def test_an_assertion_holds_or_says_why_not(play, assertion, reason):
    profiles = [
        {"id": "base", "reference": "http://hl7.org/fhir/StructureDefinition/Patient"},
        {"id": "other", "reference": "http://profiles.test/StructureDefinition/patient"},
    ]
    failure = play(READ, {"assert": assertion}, profile=profiles)
    assert (failure == "") == (reason == "")
    assert reason in failure


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"url": "dummy"}, "neither a type nor a method"),
        ({"method": "get", "url": "http://elsewhere.test/fhir"}, "not that of the server"),
        ({"type": {"code": "read"}, "resource": "Patient", "params": "/${unset}"}, "variable 'unset'"),
        ({"type": {"code": "update"}, "resource": "Patient", "sourceId": "never"}, "no fixture 'never'"),
    ],
)
def test_an_operation_that_cannot_be_carried_out_fails_the_script(play, operation, reason):
    assert reason in play({"operation": operation})


def test_variables_come_from_headers_paths_and_defaults(play):
    variables = [
        {"name": "id", "path": "Patient/id", "sourceId": "read"},
        {"name": "etag", "headerField": "ETag", "sourceId": "read"},
        {"name": "family", "defaultValue": "Chalmers"},
    ]
    asked = {
        "type": {"code": "search"},
        "resource": "Patient",
        "params": "?_id=${id}&v=${etag}&family=${family}",
    }
    said = {"requestURL": "family=Chalmers", "operator": "contains"}
    assert play(READ, {"operation": asked}, {"assert": said}, variable=variables) == ""


def test_a_fixture_that_the_suite_does_not_hold_fails_the_script(play):
    missing = {"id": "made", "resource": {"reference": "fixtures/Patient/none.json"}}
    assert play(READ, fixture=[missing]) == "the suite holds no fixture 'fixtures/Patient/none.json'"


def test_a_folder_is_known_by_its_scripts(tmp_path):
    folder = tmp_path / "testscripts-some"
    folder.mkdir()
    assert not SUITE.recognises(folder)
    (folder / "a.json").write_text('{"resourceType": "TestScript"}')
    assert SUITE.recognises(folder)
