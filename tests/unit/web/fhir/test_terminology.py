"""The terminology operations over HTTP: what is stored, sent or loaded answers a caller with a token."""

import json

import pytest

from salus.standards.fhir.validation.validator import validate
from salus.standards.terminology.releases.release import Release, Row
from salus.store.terminology_writer import write_release

SYSTEM = "https://example.org/fhir/CodeSystem/colours"
COLOURS = {
    "resourceType": "CodeSystem",
    "url": SYSTEM,
    "version": "1.0.0",
    "name": "Colours",
    "status": "active",
    "caseSensitive": True,
    "content": "complete",
    "language": "en",
    "property": [{"code": "hue", "type": "integer", "uri": "https://example.org/hue"}],
    "concept": [
        {
            "code": "red",
            "display": "Red",
            "designation": [{"language": "et", "value": "Punane"}],
            "concept": [
                {"code": "crimson", "display": "Crimson", "property": [{"code": "hue", "valueInteger": 348}]}
            ],
        },
        {"code": "blue", "display": "Blue"},
    ],
}
REDS = {
    "resourceType": "ValueSet",
    "url": "https://example.org/fhir/ValueSet/reds",
    "status": "active",
    "compose": {
        "include": [{"system": SYSTEM, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]}]
    },
}
MAP = {
    "resourceType": "ConceptMap",
    "url": "https://example.org/fhir/ConceptMap/colours",
    "status": "active",
    "group": [
        {
            "source": SYSTEM,
            "target": "https://example.org/paints",
            "element": [{"code": "red", "target": [{"code": "R1", "equivalence": "wider"}]}],
        }
    ],
}
LOADED = "https://example.org/loaded"


@pytest.fixture
async def door(open_door, tmp_path):
    """Yield a node on which an operator has stored the definitions and loaded a release."""
    rows = [Row("a", "Ay"), Row("b", "Bee")]
    release = Release(LOADED, "2026", "Letters", "nobody", lambda: rows, edges=lambda: [("b", "a")])
    write_release(release, tmp_path / "terminology" / "letters.terminology", lambda step: None)
    found = open_door(data=tmp_path)
    for resource in (COLOURS, REDS, MAP):
        answer = await found.operator("POST", f"/{resource['resourceType']}", resource)
        assert answer.status_code == 201, answer.text
    return found


def parts(body):
    return {
        row["name"]: next(value for key, value in row.items() if key != "name") for row in body["parameter"]
    }


def parameters(**values):
    rows = [
        {"name": name, "resource" if isinstance(one, dict) else "valueString": one}
        for name, one in values.items()
    ]
    return {"resourceType": "Parameters", "parameter": rows}


async def test_what_is_stored_answers_every_operation(door):
    found = await door("GET", f"/CodeSystem/$lookup?system={SYSTEM}&code=red&displayLanguage=et")
    assert parts(found.json())["display"] == "Punane"

    found = await door("GET", f"/CodeSystem/$subsumes?system={SYSTEM}&codeA=red&codeB=crimson")
    assert parts(found.json()) == {"outcome": "subsumes"}

    found = await door("GET", f"/ValueSet/$validate-code?url={REDS['url']}&system={SYSTEM}&code=blue")
    assert found.status_code == 200
    assert parts(found.json())["result"] is False

    found = await door("GET", f"/CodeSystem/$validate-code?url={SYSTEM}&code=blue&display=Blue")
    assert parts(found.json())["result"] is True

    found = await door("POST", "/ValueSet/$expand", parameters(url=REDS["url"], property="hue"))
    codes = found.json()["expansion"]["contains"]
    assert [one["code"] for one in codes[0]["contains"]] == ["crimson"]
    (extension,) = codes[0]["contains"][0]["extension"]
    assert extension["url"].endswith("/extension-ValueSet.expansion.contains.property")
    assert {"url": "value", "valueInteger": 348} in extension["extension"]

    found = await door("GET", f"/ConceptMap/$translate?system={SYSTEM}&code=red")
    (match,) = [one for one in found.json()["parameter"] if one["name"] == "match"]
    said = {one["name"]: one for one in match["part"]}
    assert said["equivalence"]["valueCode"] == "wider"
    assert said["source"]["valueCoding"] == {"system": SYSTEM, "code": "red"}


async def test_an_instance_and_what_is_sent_along_answer(door):
    listed = await door("GET", f"/ValueSet?url={REDS['url']}")
    identity = listed.json()["entry"][0]["resource"]["id"]
    found = await door("GET", f"/ValueSet/{identity}/$expand")
    assert found.json()["expansion"]["total"] == 2
    found = await door("GET", f"/ValueSet/{identity}/$validate-code?system={SYSTEM}&code=crimson")
    assert parts(found.json())["result"] is True

    blues = REDS | {
        "url": "https://example.org/blues",
        "compose": {"include": [{"system": SYSTEM, "concept": [{"code": "blue"}]}]},
    }
    body = parameters(url=blues["url"], system=SYSTEM, code="blue")
    body["parameter"].append({"name": "tx-resource", "resource": blues})
    found = await door("POST", "/ValueSet/$validate-code", body)
    assert parts(found.json())["result"] is True

    found = await door("POST", "/ValueSet/$expand", blues)
    assert [one["code"] for one in found.json()["expansion"]["contains"]] == ["blue"]


async def test_a_loaded_release_answers_and_is_named_in_the_capabilities(door):
    found = await door("GET", f"/CodeSystem/$subsumes?system={LOADED}&codeA=b&codeB=a")
    assert parts(found.json()) == {"outcome": "subsumed-by"}
    found = await door.client.get("https://node.test/fhir/metadata?mode=terminology")
    assert found.json()["resourceType"] == "TerminologyCapabilities"
    named = {
        one["uri"]: [row["code"] for row in one.get("version", ())] for one in found.json()["codeSystem"]
    }
    assert named[LOADED] == ["2026"]
    assert [one for one in validate(found.json()) if one.severity == "error"] == []
    found = await door.client.get("https://node.test/fhir/metadata")
    features = {
        one["extension"][0]["valueCanonical"]: one["extension"][1] for one in found.json()["extension"]
    }
    assert features["http://hl7.org/fhir/uv/tx-ecosystem/FeatureDefinition/CodeSystemAsParameter"] == {
        "url": "value",
        "valueBoolean": True,
    }
    kinds = {one["type"]: one for one in found.json()["rest"][0]["resource"]}
    said = {one["name"]: one["definition"] for one in kinds["ValueSet"]["operation"]}
    assert said["validate-code"] == "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code"


async def test_what_is_unknown_is_reported_and_never_guessed(door):
    found = await door("GET", f"/CodeSystem/$lookup?system={SYSTEM}&code=mauve")
    assert found.status_code == 404
    assert found.json()["issue"][0]["details"]["coding"][0]["code"] == "invalid-code"
    found = await door("GET", "/CodeSystem/$lookup?system=https://example.org/none&code=x")
    assert found.status_code == 404
    found = await door("GET", f"/ConceptMap/$translate?system={SYSTEM}&code=blue")
    assert parts(found.json())["result"] is False
    found = await door("GET", "/ValueSet/$expand?url=https://example.org/none")
    assert found.status_code == 422
    found = await door("GET", "/ValueSet/$expand?url=https://example.org/none&colour=red")
    assert found.status_code == 400
    found = await door("POST", "/ValueSet/$expand", {"resourceType": "Patient"})
    assert found.status_code == 400


async def test_a_change_counts_from_the_next_question_on(door):
    listed = await door("GET", f"/CodeSystem?url={SYSTEM}")
    identity = listed.json()["entry"][0]["resource"]["id"]
    changed = COLOURS | {"id": identity, "concept": [{"code": "mauve", "display": "Mauve"}]}
    assert (await door.operator("PUT", f"/CodeSystem/{identity}", changed)).status_code == 200
    found = await door("GET", f"/CodeSystem/$lookup?system={SYSTEM}&code=mauve")
    assert parts(found.json())["display"] == "Mauve"


async def test_many_questions_go_in_one_request(door):
    asked = [parameters(system=SYSTEM, code=code) for code in ("red", "blue")]
    body = {"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": REDS["url"]}]}
    body["parameter"] += [{"name": "validation", "resource": one} for one in asked]
    found = await door("POST", "/ValueSet/$batch-validate-code", body)
    results = [parts(one["resource"])["result"] for one in found.json()["parameter"]]
    assert results == [True, False]


async def test_nothing_answers_without_a_token(door):
    for path in ("/CodeSystem/$lookup?system=x&code=y", "/ValueSet/$expand?url=x"):
        assert (await door.client.get(f"https://node.test/fhir{path}")).status_code == 401
    found = await door.citizen("GET", f"/CodeSystem/$lookup?system={SYSTEM}&code=red", patient="p1")
    assert found.status_code == 200
    assert json.loads(found.text)["resourceType"] == "Parameters"


async def test_a_closure_table_is_started_grows_and_is_told_again(door):
    def asked(*codes, **more):
        rows = [{"name": "name", "valueString": "mine"}]
        rows += [{"name": "concept", "valueCoding": {"system": SYSTEM, "code": code}} for code in codes]
        return {
            "resourceType": "Parameters",
            "parameter": rows + [{"name": key, "valueString": one} for key, one in more.items()],
        }

    def told(answer):
        rows = answer.json().get("group", [{"element": []}])[0]["element"]
        return answer.json()["version"], {
            (one["code"], above["code"]) for one in rows for above in one["target"]
        }

    assert (await door("POST", "/ConceptMap/$closure", asked("red"))).status_code == 404
    assert told(await door("POST", "/ConceptMap/$closure", asked())) == ("0", set())
    assert told(await door("POST", "/$closure", asked("red", "blue"))) == ("1", set())
    assert told(await door("POST", "/ConceptMap/$closure", asked("crimson"))) == ("2", {("crimson", "red")})
    assert told(await door("POST", "/ConceptMap/$closure", asked("crimson"))) == ("2", set())
    assert told(await door("POST", "/ConceptMap/$closure", asked(version="0"))) == ("2", {("crimson", "red")})
    assert (await door("POST", "/ConceptMap/$closure", asked(version="9"))).status_code == 400
    other = await door("POST", "/ConceptMap/$closure", asked("crimson"), subject="somebody-else")
    assert other.status_code == 404
    bound = await door.citizen("POST", "/ConceptMap/$closure", asked(), patient="p1")
    assert bound.status_code == 403
    assert (await door("GET", "/ConceptMap/$closure?name=mine")).status_code == 405


POISON = {"resourceType": "CodeSystem", "status": "active", "content": "complete", "version": "99"}


@pytest.mark.parametrize(
    ("system", "code", "display"),
    [("http://unitsofmeasure.org", "mg", "mg"), ("urn:ietf:bcp:47", "pt", "pt"), (LOADED, "a", "Ay")],
)
@pytest.mark.parametrize("version", ["", "&version=99"])
async def test_what_is_stored_redefines_no_release_and_no_grammar(door, system, code, display, version):
    stored = POISON | {"url": system, "concept": [{"code": code, "display": "a kilogram"}]}
    assert (await door.operator("POST", "/CodeSystem", stored)).status_code == 201
    found = await door("GET", f"/CodeSystem/$lookup?system={system}&code={code}{version}")
    assert "a kilogram" not in found.text
    if not version:
        assert parts(found.json())["display"] == display


async def test_a_value_set_implied_by_a_release_is_not_redefined(door):
    stored = REDS | {"url": f"{LOADED}?fhir_vs=isa/b"}
    assert (await door.operator("POST", "/ValueSet", stored)).status_code == 201
    found = await door("GET", f"/ValueSet/$validate-code?url={LOADED}?fhir_vs=isa/b&system={SYSTEM}&code=red")
    assert parts(found.json())["result"] is False
