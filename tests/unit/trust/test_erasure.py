"""What may be erased, as a table: the facts and the ground in, the ruling out."""

from datetime import UTC, datetime

import msgspec
import pytest

from salus.store.erasing import Held
from salus.trust.erasure import rule_on_erasure, years_later
from salus.trust.jurisdictions.law import Ground, countries, jurisdiction_of
from salus.web.portal.words import LANGUAGES, words

NOW = datetime(2026, 11, 24, tzinfo=UTC)
RECENT, LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC), datetime(1980, 1, 1, tzinfo=UTC)
OWN, NONE, MISTAKE, ENDED = Ground.OWN_ENTRY, Ground.NO_GROUND, Ground.MISTAKE, Ground.RETENTION_ENDED


def held(*, whole=False, document=False, own=False, last=RECENT, looks=0):
    return Held(whole, document, own, last, looks)


@pytest.mark.clause("GDPR 17(1) and 17(3)")
@pytest.mark.parametrize(
    ("facts", "ground", "may"),
    [
        (held(own=True), OWN, True),
        (held(), OWN, False),
        (held(own=True), ENDED, False),
        (held(document=True), NONE, True),
        (held(), NONE, False),
        (held(whole=True), NONE, False),
        (held(whole=True), MISTAKE, True),
        (held(), MISTAKE, False),
        (held(document=True), MISTAKE, False),
        (held(whole=True), ENDED, False),
        (held(whole=True, last=LONG_AGO), ENDED, True),
        (held(last=LONG_AGO), ENDED, True),
        (held(whole=True), OWN, False),
        (held(whole=True, own=True, last=None), OWN, True),
        (held(whole=True, own=True, last=None), ENDED, True),
        (held(own=True, looks=1), OWN, False),
        (held(whole=True, looks=1), MISTAKE, False),
    ],
)
@pytest.mark.parametrize("country", countries())
def test_what_professionals_recorded_is_kept_and_the_rest_may_go(country, facts, ground, may):
    ruling = rule_on_erasure(facts, ground, jurisdiction_of(country), NOW)
    assert ruling.may is may
    assert len(ruling.reason) > 20
    assert ruling.law


def test_a_refusal_says_until_when_by_the_law_of_the_country():
    told = rule_on_erasure(held(), OWN, jurisdiction_of("EE"), NOW)
    assert "30 years" in told.reason
    assert "2056-01-01" in told.reason
    assert (told.rule, told.until) == ("kept", datetime(2056, 1, 1, tzinfo=UTC))


def test_a_ground_that_the_country_does_not_know_is_none():
    law = jurisdiction_of("PT")
    narrower = msgspec.structs.replace(law.erasure_grounds, value=[ENDED])
    stricter = msgspec.structs.replace(law, erasure_grounds=narrower)
    assert not rule_on_erasure(held(own=True), OWN, stricter, NOW).may


def test_a_leap_day_has_its_anniversary():
    assert years_later(datetime(2024, 2, 29, tzinfo=UTC), 1) == datetime(2025, 2, 28, tzinfo=UTC)
    assert years_later(datetime(2024, 2, 29, tzinfo=UTC), 4) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("facts", "ground"),
    [
        (held(own=True), OWN), (held(), OWN), (held(document=True), NONE), (held(whole=True), MISTAKE),
        (held(looks=1), OWN), (held(last=None), MISTAKE), (held(last=LONG_AGO), ENDED),
    ],
)  # fmt: skip
def test_pages_say_each_rule_in_their_language(facts, ground, language):
    ruling = rule_on_erasure(facts, ground, jurisdiction_of("PT"), NOW)
    assert words().phrase[f"erasure-rule-{ruling.rule}"][language]
