"""Drafts: complete in each language, marked where nobody has reviewed the translation."""

import string
from datetime import UTC, datetime

import pytest

from salus.core.access import Leaf, Outcome
from salus.standards.fhir.model import resource_types
from salus.trust.breach.affected import Affected, Scope, categories, category_of, gather
from salus.trust.breach.clocks import duties
from salus.trust.breach.notices import ORIGINAL, Occasion, draft, languages

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
OCCASION = Occasion("Hospital", 7, AT, AT, AT, ("The login is blocked.",))
RUI = Affected("rui", AT, AT, 3, 4, {"medicines", "results"})


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("notice", list(duties()))
@pytest.mark.parametrize("language", [*languages(), "xx"])
def test_every_notice_has_a_draft_in_every_language(notice, language):
    found = draft(notice, language, OCCASION, [RUI])
    assert "{" not in found.text
    assert found.language in languages()
    assert "7" in found.text
    assert found.reviewed or found.text.startswith("[")


@pytest.mark.parametrize("notice", ["authority", "persons"])
def test_translations_say_what_the_original_says(notice):
    for sentences in languages().values():
        assert fields(getattr(sentences, notice)) == fields(getattr(languages()[ORIGINAL], notice))


@pytest.mark.clause("GDPR 34(2)")
def test_people_are_told_what_when_and_what_was_done():
    text = draft("persons", "en", OCCASION, [RUI]).text
    for said in ("medicines and vaccinations", "2026-11-24", "The login is blocked.", "complain"):
        assert said in text


def test_without_measures_the_draft_says_so():
    bare = Occasion("Hospital", 7, AT, AT, AT, ())
    assert languages()["pt"].none in draft("persons", "pt", bare, [RUI]).text


def test_every_category_is_named_in_every_language_and_holds_its_types_once():
    spoken = set(languages())
    assert all(set(category.text) == spoken for category in categories().values())
    named = [name for category in categories().values() for name in category.types]
    assert len(named) == len(set(named))
    words = {"", "summary", "incident", "incident-settlement", "restriction"}
    assert set(named) - words <= set(resource_types())


@pytest.mark.parametrize(
    ("what", "category"),
    [
        ("Observation/1", "results"),
        ("MedicationRequest?patient,status", "medicines"),
        ("Patient/rui/$everything", "record"),
        ("Patient/rui", "identity"),
        ("summary", "record"),
        ("", "record"),
        ("NoSuchType/1", "record"),
    ],
)
def test_a_leaf_tells_the_category(what, category):
    assert category_of(what) == category


def test_only_what_the_scope_covers_counts():
    def leaf(**fields):
        usual = dict.fromkeys(("name", "role", "organisation", "node", "purpose", "rule"), "") | {
            "at": AT, "request": "r", "patient": "rui", "subject": "s", "action": "read",
            "what": "Observation/1", "resources": 1, "outcome": Outcome.SERVED,
        }  # fmt: skip
        return Leaf(**(usual | fields))

    affected = {}
    outside = [
        leaf(subject="t"), leaf(at=AT.replace(day=1)), leaf(patient=""), leaf(resources=0),
        leaf(outcome=Outcome.REFUSED), leaf(patient="eva"),
    ]  # fmt: skip
    gather(affected, Scope("s", AT, AT, frozenset({"rui"})), [*outside, leaf(), leaf(what="Condition/2")])
    assert list(affected) == ["rui"]
    assert (affected["rui"].accesses, affected["rui"].categories) == (2, {"results", "conditions"})
