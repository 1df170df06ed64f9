"""What a stranger may send: endless patterns, circles, chains and work without end."""

import pytest
from tests.unit.standards.terminology.asking import BODY, ask, codes, concept, parts, system, value_set

from salus.core.errors import TooCostly, TooLarge
from salus.standards.terminology.asked import Asked
from salus.standards.terminology.entries import Notes
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import TerminologyRefused
from salus.standards.terminology.library import Definitions
from salus.standards.terminology.selecting import Selected


def below(code, parent):
    return {"code": code, "property": [{"code": "parent", "valueCode": parent}]}


def test_a_pattern_that_backtracks_takes_no_time():
    long = system({"code": "a" * 5_000 + "b"}, {"code": "aaa"})
    for pattern in ("((a+)+)+", "(a|a)*", "(a?){30}a{30}"):
        chosen = value_set(
            {"system": BODY, "filter": [{"property": "code", "op": "regex", "value": pattern}]}
        )
        assert codes(ask("ValueSet/$expand", long, chosen, url=chosen["url"])) in (["aaa"], [])


def test_a_long_chain_is_shown_flat_and_a_circle_ends():
    chain = system(*[below(f"c{one}", f"c{one - 1}") for one in range(3_000)])
    whole = value_set({"system": BODY})
    found = ask("ValueSet/$expand", chain, whole, url=whole["url"], count=2_500)
    assert len(codes(found)) == 2_500
    assert (
        parts(ask("CodeSystem/$subsumes", chain, system=BODY, codeA="c0", codeB="c2999"))["outcome"]
        == "subsumes"
    )
    circle = system(below("a", "b"), below("b", "a"), concept("c"))
    assert (
        parts(ask("CodeSystem/$subsumes", circle, system=BODY, codeA="a", codeB="c"))["outcome"]
        == "not-subsumed"
    )
    kept = value_set({"system": BODY, "filter": [{"property": "concept", "op": "is-a", "value": "a"}]})
    for chosen, expected in ((kept, ["a", "b"]), (whole, ["a", "b", "c"])):
        found = ask("ValueSet/$expand", circle, chosen, url=chosen["url"])
        assert sorted(one.strip() for one in codes(found)) == expected


def test_work_ends_when_its_time_is_over():
    filters = [{"property": "code", "op": "regex", "value": f"c{number}.*"} for number in range(50)]
    chosen = value_set(*[{"system": BODY, "filter": [one]} for one in filters])
    library = Definitions([system(concept("c")), chosen])
    inquiry = Inquiry(library, Asked({}), is_late=lambda: True)
    with pytest.raises(TooCostly):
        Selected(library.value_set(chosen["url"], ""), inquiry, Notes(), enough=10)


def test_value_sets_that_import_each_other_end_and_batches_are_bounded():
    deep = [value_set({"valueSet": [f"urn:v{number + 1}"]}, url=f"urn:v{number}") for number in range(40)]
    with pytest.raises(TerminologyRefused):
        ask(
            "ValueSet/$expand",
            *deep,
            value_set({"system": BODY}, url="urn:v40"),
            system(concept("a")),
            url="urn:v0",
        )
    with pytest.raises(TooLarge):
        ask("ValueSet/$batch-validate-code", validation=[{"resourceType": "Parameters"}] * 1_001)
