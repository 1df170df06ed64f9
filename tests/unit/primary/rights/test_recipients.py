"""Who got something: by organisation and country, nobody who only tried, nobody who is withheld by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from salus.core.access import Leaf, Outcome
from salus.primary.rights.recipients import recipients

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
COUNTRIES = {"": "EE", "fr-1": "FR"}


def leaf(hour, organisation="Tartu Hospital", **fields):
    values = {
        "at": NOW + timedelta(hours=hour), "request": f"r-{hour}", "patient": "ana", "subject": "s-1",
        "name": "Mari Tamm", "role": "clinician", "organisation": organisation, "node": "",
        "purpose": "TREAT", "action": "read", "what": "Condition/c1", "resources": 1,
        "outcome": Outcome.SERVED, "rule": "r",
    }  # fmt: skip
    return Leaf(**(values | fields))


def test_accesses_are_told_by_organisation_and_country_the_latest_first():
    told = recipients(
        [
            (leaf(0), False),
            (leaf(2, resources=3, purpose="ETREAT"), False),
            (leaf(1, "Hôpital", node="fr-1"), False),
            (leaf(3, "", name="Dr. Abroad", role="app", purpose="PATRQT"), False),
        ],
        COUNTRIES.get,
    )
    rows = [(e.organisation, e.name, e.country, e.purposes, e.accesses, e.resources) for e in told]
    assert rows == [
        ("", "Dr. Abroad", "EE", ("PATRQT",), 1, 1),
        ("Tartu Hospital", "", "EE", ("ETREAT", "TREAT"), 2, 4),
        ("Hôpital", "", "FR", ("TREAT",), 1, 1),
    ]
    assert (told[1].first_at, told[1].last_at) == (NOW, NOW + timedelta(hours=2))


def test_an_app_that_a_person_lets_in_is_a_recipient_and_the_person_is_not():
    own, by_app = leaf(0, "", role="citizen"), leaf(1, "", role="citizen", app="diary")
    (told,) = recipients([(own, False), (by_app, False)], COUNTRIES.get, {"diary": "My diary"}.get)
    assert (told.organisation, told.name, told.accesses) == ("", "My diary", 1)


def test_who_was_refused_found_nothing_or_is_the_person_is_no_recipient():
    accesses = [leaf(0, outcome=Outcome.REFUSED), leaf(1, resources=0), leaf(2, role="citizen")]
    assert recipients([(each, False) for each in accesses], COUNTRIES.get) == []


def test_who_is_withheld_is_counted_and_not_named():
    (told,) = recipients([(leaf(0, node="fr-1"), True), (leaf(1, "Hôpital"), True)], COUNTRIES.get)
    assert (told.withheld, told.accesses) == (True, 2)
    assert (told.organisation, told.name, told.node, told.country, told.purposes) == ("", "", "", "", ())
