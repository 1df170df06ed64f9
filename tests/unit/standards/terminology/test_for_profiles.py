"""Bindings that definitions leave open are answered by a loaded release, and by it alone."""

from tests.unit.standards.terminology.asking import BODY, concept, system

from salus.standards.fhir.profiles.terminology import IN, OUT
from salus.standards.terminology.for_profiles import LoadedTerminology
from salus.standards.terminology.library import Definitions

SITES = system(concept("chest", concept("heart")), concept("limb"))
FACTS = {
    "urn:open": {
        "compose": {
            "include": [{"system": BODY, "filter": [{"property": "concept", "op": "is-a", "value": "chest"}]}]
        }
    },
    "urn:listed": {"compose": {"include": [{"system": BODY, "codes": ["limb"]}]}},
    "urn:bare": {"compose": {"include": [{"system": BODY, "needs": "package X"}]}},
}


def terminology(*resources):
    return LoadedTerminology(FACTS.get, lambda canonical: None, lambda: Definitions(resources))


def test_a_release_decides_what_was_open_and_nothing_else():
    without, with_ = terminology(), terminology(SITES)
    assert without.judge("urn:open", BODY, "heart").answer is None
    assert with_.judge("urn:open", BODY, "heart") == IN
    assert with_.judge("urn:open", BODY, "limb") == OUT
    assert with_.judge("urn:open", BODY, "spleen") == OUT
    assert with_.judge("urn:listed", BODY, "limb") == IN
    assert with_.judge("urn:open", "", "heart") == IN


def test_what_neither_holds_stays_open_with_what_is_needed():
    found = terminology(SITES).judge("urn:bare", BODY, "heart")
    assert (found.answer, found.needs) == (None, "package X")
    package = {
        "resourceType": "ValueSet",
        "url": "urn:bare",
        "status": "active",
        "compose": {"include": [{"system": BODY}]},
    }
    assert terminology(SITES, package).judge("urn:bare", BODY, "heart") == IN
    assert terminology(SITES).judge("urn:none", BODY, "heart").answer is None
