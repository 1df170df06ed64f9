"""What denials hide, from whom, and whom a permit spares."""

from salus.trust.consent.provisions import provisions_of
from salus.trust.consent.veils import veils_of


def _veils(*roots):
    return veils_of(provisions_of([{"status": "active", "provision": root} for root in roots]))


def _actor(*references):
    return [{"reference": {"reference": each}} for each in references]


def test_a_denial_without_actor_hides_from_every_professional():
    (veil,) = _veils({"type": "deny", "class": [{"code": "Condition"}]})
    assert (veil.audience, veil.classes, veil.spares) == ({"professionals"}, {"Condition"}, frozenset())


def test_a_denial_hides_from_each_of_its_actors_for_its_purpose():
    purpose = [{"code": "PUBHLTH"}]
    found = _veils({"type": "deny", "actor": _actor("Organization/o", "Practitioner/p"), "purpose": purpose})
    assert {"organisation:Organization/o", "purpose:PUBHLTH"} in [veil.audience for veil in found]
    assert {"person:Practitioner/p", "purpose:THREAT"} in [veil.audience for veil in found]


def test_a_permit_hides_nothing():
    assert _veils({"type": "permit"}) == ()


def test_an_exception_for_somebody_spares_them():
    nested = {"type": "permit", "actor": _actor("Practitioner/p")}
    (veil,) = _veils({"type": "deny", "provision": [nested]})
    assert veil.spares == {frozenset({"person:Practitioner/p"})}


def test_an_exception_for_fewer_rows_or_a_shorter_time_spares_nobody():
    actor = _actor("Practitioner/p")
    for less in ({"class": [{"code": "Condition"}]}, {"period": {"end": "2030"}}):
        (veil,) = _veils({"type": "deny", "provision": [{"type": "permit", "actor": actor} | less]})
        assert veil.spares == frozenset()


def test_a_permit_of_another_consent_spares_where_it_is_about_less_people():
    (veil,) = _veils({"type": "deny"}, {"type": "permit", "actor": _actor("Practitioner/p")})
    assert veil.spares == {frozenset({"person:Practitioner/p"})}
