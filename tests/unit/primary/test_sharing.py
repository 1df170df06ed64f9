"""A rule in the portal is kept as a FHIR Consent, which says the same to the veils."""

from datetime import UTC, date, datetime

import pytest

from salus.core.errors import MalformedContent
from salus.primary.sharing import Rule, check_rule, consent_of, rule_of
from salus.standards.fhir.validation.validator import validate
from salus.store.consents import Consents
from salus.trust.consent.veils import is_hidden, rules_of, veil_over
from salus.trust.consent.voice import item_of

AT = datetime(2026, 11, 29, tzinfo=UTC)
TODAY = AT.date()
DEPRESSION = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "F32.1"}]}
RULES = [
    (Rule("professionals"), {"professionals"}),
    (Rule("professionals", classes=("Condition", "Observation")), {"professionals"}),
    (Rule("organisation", "Tartu Hospital", classes=("Condition",)), {"organisation:Tartu Hospital"}),
    (
        Rule("organisation", "Tartu Hospital", identifier="urn:oid:1.2|77"),
        {"organisation:urn:oid:1.2|77", "organisation:Tartu Clinic"},
    ),
    (Rule("person", "s-1", "Mari Tamm", starts="2026-01-01", ends="2027-01-31"), {"person:s-1"}),
    (Rule("country", "EE", "Estonia"), {"country:EE"}),
    (Rule("abroad"), {"abroad"}),
    (Rule("proxies", classes=("Condition",)), {"proxies"}),
    (Rule("purpose", "HRESCH"), {"purpose:HRESCH"}),
    (Rule("professionals", labels=("PSY", "MH")), {"professionals"}),
    (Rule("organisation", "Tartu Hospital", labels=("PSY",)), {"organisation:Tartu Hospital"}),
]


@pytest.mark.parametrize(("rule", "meant"), RULES)
def test_a_rule_is_a_valid_consent_that_hides_from_whom_it_names_and_reads_as_itself(rule, meant):
    consent = consent_of(rule, "ana", AT)
    assert [found for found in validate(consent) if found.severity in ("error", "fatal")] == []
    assert rule_of(consent) == rule
    hanging = veil_over(
        item_of({"resourceType": "Condition", "id": "c", "code": DEPRESSION}),
        rules_of(Consents((consent,)), default_denies=False),
    )
    assert is_hidden(hanging, meant, AT.timestamp())
    assert not is_hidden(hanging, {"person:other"}, AT.timestamp())


@pytest.mark.parametrize(
    "provision",
    [
        {"type": "permit"},
        {"type": "deny", "code": [{"text": "x"}]},
        {"type": "deny", "provision": [{"type": "permit"}]},
        {"type": "deny", "actor": [{"reference": {"reference": "Practitioner/p"}}]},
        None,
    ],
)
def test_another_consent_is_no_rule(provision):
    assert rule_of({"resourceType": "Consent", "provision": provision}) is None


@pytest.mark.parametrize(
    "rule",
    [
        Rule("organisation", " "),
        Rule("person", "x" * 201),
        Rule("country", "Estonia"),
        Rule("purpose", "TREAT"),
        Rule("professionals", ends="2026-11-28"),
        Rule("professionals", starts="2027-02-01", ends="2027-01-01"),
        Rule("professionals", starts="soon"),
    ],
)
def test_a_rule_that_hides_from_nobody_or_never_is_refused(rule):
    with pytest.raises(MalformedContent):
        check_rule(rule, today=TODAY)


@pytest.mark.parametrize("rule", [each for each, _ in RULES])
def test_a_whole_rule_is_taken(rule):
    check_rule(rule, today=date(2026, 11, 29))
