"""$lookup, $subsumes, $translate, $closure and batches (R4 codesystem and conceptmap operations)."""

import pytest
from tests.unit.standards.terminology.asking import BODY, ask, concept, parts, system, value_set

from salus.standards.terminology.asked import Asked
from salus.standards.terminology.closure import concept_map, pairs
from salus.standards.terminology.grammars import Grammars
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import TerminologyRefused
from salus.standards.terminology.library import Definitions

SITES = system(
    concept("trunk", concept("chest", concept("heart")), concept("belly")), name="Sites", version="3"
)
OTHER = "urn:other"


def mapped(*elements, **more):
    group = {"source": BODY, "target": OTHER, "element": list(elements)} | more
    return {
        "resourceType": "ConceptMap",
        "url": "urn:map",
        "version": "1",
        "status": "active",
        "group": [group],
    }


def element(code, *targets):
    return {"code": code, "target": [{"code": one, "equivalence": how} for one, how in targets]}


def matches(answer):
    return [
        {one["name"]: one.get("valueCoding", one.get("valueCode")) for one in row["part"]}
        for row in answer["parameter"]
        if row["name"] == "match"
    ]


def test_a_look_up_tells_names_parents_and_children():
    answer = ask("CodeSystem/$lookup", SITES, system=BODY, code="chest")
    said = parts(answer)
    assert (said["name"], said["display"], said["version"]) == ("Sites", "Chest", "3")
    facts = [
        {one["name"]: one.get("valueCode", one.get("valueString")) for one in row["part"]}
        for row in answer["parameter"]
        if row["name"] == "property"
    ]
    assert {"code": "parent", "value": "trunk", "description": "Trunk"} in facts
    assert {"code": "child", "value": "heart", "description": "Heart"} in facts
    with pytest.raises(TerminologyRefused, match="no code spleen"):
        ask("CodeSystem/$lookup", SITES, system=BODY, code="spleen")


@pytest.mark.parametrize(
    ("left", "right", "outcome"),
    [
        ("trunk", "heart", "subsumes"),
        ("heart", "trunk", "subsumed-by"),
        ("heart", "heart", "equivalent"),
        ("heart", "belly", "not-subsumed"),
    ],
)
def test_subsumption_follows_the_hierarchy(left, right, outcome):
    assert parts(ask("CodeSystem/$subsumes", SITES, system=BODY, codeA=left, codeB=right)) == {
        "outcome": outcome
    }


def test_a_translation_carries_the_original_and_is_read_backwards_too():
    map_ = mapped(element("heart", ("H", "equivalent")), element("chest", ("C", "narrower")))
    coding = {"system": BODY, "code": "heart", "display": "Heart"}
    answer = ask("ConceptMap/$translate", map_, coding=coding)
    assert matches(answer) == [
        {"equivalence": "equivalent", "relationship": "equivalent", "concept": {"system": OTHER, "code": "H"},
         "source": coding, "originMap": None},
    ]  # fmt: skip
    back = ask("ConceptMap/$translate", map_, targetCode="C", targetSystem=OTHER)
    assert matches(back)[0]["source"] == {"system": BODY, "code": "chest"}
    assert matches(back)[0]["relationship"] == "source-is-broader-than-target"
    assert parts(back)["result"] is True


def test_what_no_map_knows_stays_as_it_is_and_unmapped_follows_the_map():
    map_ = mapped(element("heart", ("H", "disjoint")))
    assert parts(ask("ConceptMap/$translate", map_, code="heart", system=BODY))["result"] is False
    assert parts(ask("ConceptMap/$translate", map_, code="belly", system=BODY))["result"] is False
    assert parts(ask("ConceptMap/$translate", code="belly", system=BODY))["result"] is False
    same = mapped(element("heart", ("H", "equal")), unmapped={"mode": "provided"})
    assert (
        matches(ask("ConceptMap/$translate", same, code="belly", system=BODY))[0]["concept"]["code"]
        == "belly"
    )
    scoped = map_ | {"sourceUri": "urn:scope"}
    only = value_set({"system": BODY, "concept": [{"code": "chest"}]}, url="urn:scope")
    assert (
        parts(ask("ConceptMap/$translate", SITES, scoped, only, code="heart", system=BODY))["result"] is False
    )
    with pytest.raises(TerminologyRefused, match="not known"):
        ask("ConceptMap/$translate", url="urn:none", code="heart", system=BODY)


def test_a_closure_tells_what_each_new_code_adds():
    inquiry = Inquiry(Definitions([SITES]), Asked({}))
    found = pairs(inquiry, [(BODY, "trunk"), (BODY, "belly")], [(BODY, "heart"), (BODY, "chest")])
    said = {(one.below, one.above) for one in found}
    assert said == {("heart", "trunk"), ("chest", "trunk"), ("heart", "chest")}
    resource = concept_map("t", "2", found, "2026-01-01T00:00:00Z")
    assert resource["group"][0]["element"][0] == {
        "code": "heart",
        "target": [
            {"code": "trunk", "equivalence": "subsumes"},
            {"code": "chest", "equivalence": "subsumes"},
        ],
    }


def test_a_batch_answers_each_question_and_says_which_it_cannot_read():
    rows = [
        {"resourceType": "Parameters", "parameter": [{"name": "code", "valueCode": one}]}
        for one in ("heart", "x")
    ]
    rows.append({"resourceType": "Parameters", "parameter": []})
    answer = ask("CodeSystem/$batch-validate-code", SITES, url=BODY, validation=rows)
    found = [row["resource"] for row in answer["parameter"]]
    assert [parts(one)["result"] for one in found[:2]] == [True, False]
    assert found[2]["resourceType"] == "OperationOutcome"


def test_grammars_are_asked_and_never_listed():
    def check(url, code):
        answer = ask("CodeSystem/$validate-code", library=Grammars(), url=url, code=code)
        return parts(answer)["result"]

    assert check("urn:ietf:bcp:47", "pt-BR")
    assert not check("urn:ietf:bcp:47", "portuguese!")
    assert check("urn:ietf:bcp:13", "application/fhir+json")
    whole = value_set({"system": "urn:ietf:bcp:47"})
    with pytest.raises(TerminologyRefused, match="no end"):
        ask("ValueSet/$expand", whole, library=Grammars(), url=whole["url"])
