"""Drafts: complete in each language, marked where nobody has reviewed the translation."""

import string
from datetime import UTC, datetime

import msgspec
import pytest

from salus.core.access import Leaf, Outcome
from salus.standards.fhir.model import resource_types
from salus.trust.breach.affected import Affected, Extent, Scope, categories, category_of, gather, held_as
from salus.trust.breach.clocks import duties
from salus.trust.breach.kinds import PROTECTIONS, is_unintelligible, kinds
from salus.trust.breach.notices import ORIGINAL, Occasion, draft, happenings, languages

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
OCCASION = Occasion("Hospital", 7, AT, AT, AT, ("The login is blocked.",))
RUI = Affected("rui", AT, AT, 3, 4, {"medicines", "results"})
RUIS = Extent()
RUIS.add([RUI])


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("notice", list(duties()))
@pytest.mark.parametrize("language", [*languages(), "xx"])
def test_every_notice_has_a_draft_in_every_language(notice, language):
    found = draft(notice, language, OCCASION, RUIS)
    assert "{" not in found.text
    assert found.language in languages()
    assert "7" in found.text
    assert found.reviewed or found.text.startswith("[")


@pytest.mark.parametrize("kind", list(kinds()))
@pytest.mark.parametrize("protection", PROTECTIONS)
def test_every_kind_has_its_own_sentences_in_every_language(kind, protection):
    assert set(happenings()) == {each.text for each in kinds().values()}
    occasion = msgspec.structs.replace(OCCASION, kind=kind, protection=protection)
    for language in languages():
        told = happenings()[kinds()[kind].text][language]
        text = draft("persons", language, occasion, RUIS).text
        assert told.headline in text
        assert told.risk in text
        original = happenings()[kinds()[kind].text][ORIGINAL]
        assert fields(told.nature) == fields(original.nature)
        assert fields(told.happened) == fields(original.happened)
        said = getattr(languages()[language], protection) in draft("authority", language, occasion, RUIS).text
        assert said == kinds()[kind].sealable


@pytest.mark.clause("GDPR 34(3)(a)")
def test_people_need_not_be_told_of_what_nobody_can_read():
    assert is_unintelligible("backup", "sealed")
    assert not is_unintelligible("backup", "opened")
    assert not is_unintelligible("backup", "unknown")
    assert not is_unintelligible("key-master", "sealed")


def test_what_the_store_held_of_a_person_is_what_a_copy_shows():
    held = held_as("rui", {"Patient": 1, "Observation": 3, "Condition": 1}, AT)
    assert (held.accesses, held.resources) == (0, 5)
    assert held.categories == {"identity", "results", "conditions"}
    assert held_as("rui", {"Patient": 1}, AT, ("accesses",)).categories == {"accesses"}


@pytest.mark.parametrize("notice", ["authority", "persons", "controller"])
def test_translations_say_what_the_original_says(notice):
    for sentences in languages().values():
        assert fields(getattr(sentences, notice)) == fields(getattr(languages()[ORIGINAL], notice))


@pytest.mark.clause("GDPR 34(2)")
def test_people_are_told_what_when_and_what_was_done():
    text = draft("persons", "en", OCCASION, RUIS).text
    for said in ("medicines and vaccinations", "2026-11-24", "The login is blocked.", "complain"):
        assert said in text


def test_without_measures_the_draft_says_so():
    bare = Occasion("Hospital", 7, AT, AT, AT, ())
    assert languages()["pt"].none in draft("persons", "pt", bare, RUIS).text


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


def test_what_a_client_did_in_anybodys_name_counts():
    usual = dict.fromkeys(("name", "role", "organisation", "purpose", "rule"), "") | {
        "at": AT, "request": "r", "patient": "rui", "action": "read", "what": "Observation/1",
        "resources": 1, "outcome": Outcome.SERVED,
    }  # fmt: skip
    by_app = Leaf(**usual, subject="ana", node="", app="pulse")
    itself = Leaf(**usual, subject="pulse", node="")
    by_node = Leaf(**usual, subject="dr", node="ee-1")
    other = Leaf(**usual, subject="ana", node="", app="other")
    leaves = [by_app, itself, by_node, other]
    client = {name: Scope(name, AT, AT, of_client=True) for name in ("pulse", "ee-1")}
    assert [client["pulse"].covers(leaf) for leaf in leaves] == [True, True, False, False]
    assert [client["ee-1"].covers(leaf) for leaf in leaves] == [False, False, True, False]
    found_as = Scope("app:pulse", AT, AT)
    of_service = msgspec.structs.replace(itself, role="app")
    assert [found_as.covers(leaf) for leaf in [*leaves, of_service]] == [True, False, False, False, True]
    assert [Scope("pulse", AT, AT).covers(leaf) for leaf in leaves] == [False, True, False, False]
    assert all(Scope("", AT, AT).covers(leaf) for leaf in leaves)
