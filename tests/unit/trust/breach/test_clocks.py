"""The clocks of GDPR, Art. 33 and 34, and NIS2, Art. 23."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.trust.breach.clocks import clocks

AWARE = datetime(2026, 1, 30, 22, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def of(sent=None, **kind):
    asked = {"acting": "controller", "is_significant": True, "is_high_risk": True} | kind
    return {clock.notice: clock for clock in clocks(AWARE, sent or {}, **asked)}


@pytest.mark.clause("GDPR 33(1)")
@pytest.mark.clause("NIS2 23(4)")
def test_each_clock_runs_from_awareness():
    found = of()
    assert found["authority"].due_at == AWARE + 72 * HOUR
    assert found["early-warning"].due_at == AWARE + 24 * HOUR
    assert found["csirt"].due_at == AWARE + 72 * HOUR
    assert found["persons"].due_at is None


def test_the_final_report_is_due_a_month_after_the_notification():
    assert of()["final-report"].due_at == datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    sent = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
    assert of({"csirt": sent})["final-report"].due_at == datetime(2026, 2, 28, 8, 0, tzinfo=UTC)
    assert of({"csirt": sent.replace(month=12)})["final-report"].due_at.year == 2027


@pytest.mark.parametrize(
    ("kind", "notices"),
    [
        ({}, {"early-warning", "authority", "csirt", "final-report", "persons"}),
        ({"is_significant": False}, {"authority", "persons"}),
        ({"is_significant": False, "is_high_risk": False}, {"authority"}),
        ({"acting": "processor", "is_significant": False}, {"controller"}),
    ],
)
def test_what_is_asked_depends_on_the_incident(kind, notices):
    assert set(of(**kind)) == notices


@pytest.mark.parametrize(
    ("hours_now", "hours_sent", "state"),
    [(71, None, "open"), (73, None, "late"), (73, 71, "done"), (80, 75, "done late")],
)
def test_a_clock_says_how_it_stands(hours_now, hours_sent, state):
    sent = {} if hours_sent is None else {"authority": AWARE + hours_sent * HOUR}
    assert of(sent)["authority"].state(AWARE + hours_now * HOUR) == state
    assert of()["persons"].state(AWARE + 10_000 * HOUR) == "open"
