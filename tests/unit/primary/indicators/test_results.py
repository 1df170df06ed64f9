from datetime import date

import pytest

from salus.core.tally import Kind, Outcome, Tally
from salus.primary.indicators.export import month_claims, suppress
from salus.primary.indicators.results import Fault, Result, rank_faults, work_out
from salus.primary.indicators.table import indicators
from salus.store.tallies import Counted

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)


def check(count, outcome=Outcome.VALID, *, day=MONDAY, vendor="Acme", first=True, category="patient-summary"):
    tally = Tally(Kind.CHECK, "load", vendor=vendor, category=category, outcome=outcome.value, is_first=first)
    return Counted(day, tally, count)


def asked(count, outcome, classes=()):
    return Counted(
        MONDAY,
        Tally(Kind.EXCHANGE, "asked", "ee-1", country="EE", outcome=outcome.value),
        count,
        0.0,
        classes,
    )


def citizens(day, conformant, others):
    for outcome, count in (("conformant", conformant), ("not-conformant", others)):
        tally = Tally(Kind.CITIZENS, "survey", category="patient-summary", outcome=outcome)
        yield Counted(day, tally, count)


def shares(counted, by=()):
    return {(each.indicator, *each.group): each.share for each in work_out(counted, by)}


def test_a_share_is_what_fits_the_numerator_of_what_fits_the_denominator():
    found = shares([check(3), check(1, Outcome.INVALID), check(4, first=False)])
    assert found["valid-at-first-attempt",] == 3 / 4
    assert found["valid",] == 7 / 8
    assert ("exchanges-answered",) not in found  # nothing was asked: no share, not 0 or 1


@pytest.mark.parametrize(("by", "groups"), [("vendor", {"Acme", "Beta"}), ("month", {"2026-11", "2026-12"})])
def test_shares_are_told_by_group_and_over_time(by, groups):
    counted = [check(1), check(1, Outcome.INVALID, vendor="Beta", day=TUESDAY)]
    found = {group: share for (name, group), share in shares(counted, (by,)).items() if name == "valid"}
    assert set(found) == groups
    assert sorted(found.values()) == [0, 1]


def test_what_is_late_or_empty_or_refused_without_a_reason_is_a_sign_of_blocking():
    outcomes = {
        Outcome.ANSWERED: 5, Outcome.EMPTY: 2, Outcome.LATE: 1,
        Outcome.REFUSED_WITHOUT_REASON: 1, Outcome.REFUSED: 1,
    }  # fmt: skip
    found = shares([asked(count, outcome) for outcome, count in outcomes.items()])
    assert found["exchanges-answered",] == 7 / 10
    assert found["too-late",] == found["refused-without-reason",] == 1 / 10
    assert found["empty-answers",] == 2 / 7
    signs = {name for name, each in indicators().items() if each.sign_of_blocking}
    assert signs == {"too-late", "refused-without-reason", "empty-answers"}


def test_answers_within_a_second_are_counted_by_their_class():
    fast_and_slow = (1, 0, 0, 0, 1, 3, 0, 5)  # at most 10 ms, ..., 1 s, 3 s, 10 s, longer
    found = shares([asked(10, Outcome.ANSWERED, fast_and_slow)])
    assert found["exchanges-answered-within-1-s",] == 2 / 10


def test_a_level_holds_as_of_its_last_day_and_is_not_added_up():
    counted = [*citizens(MONDAY, 1, 9), *citizens(TUESDAY, 6, 4)]
    assert shares(counted)["citizens-with-conformant-summary",] == 6 / 10


def test_faults_are_ranked_by_how_many_files_have_them():
    def fault(code, count):
        return Counted(MONDAY, Tally(Kind.FAULT, "load", vendor="Acme", code=code), count)

    found = rank_faults([fault("profile-min", 2), fault("format-date", 5), fault("profile-min", 1)])
    assert found == [Fault("Acme", "format-date", "", 5), Fault("Acme", "profile-min", "", 3)]


@pytest.mark.parametrize(
    ("numerator", "denominator", "told"),
    [
        (50, 100, (50, 100)),
        (9, 100, (None, 100)),
        (91, 100, (None, 100)),
        (0, 100, (0, 100)),
        (100, 100, (100, 100)),
        (5, 9, (None, None)),
    ],
)
def test_no_small_number_leaves_the_node(numerator, denominator, told):
    found = suppress(Result("valid", (), numerator, denominator, numerator / denominator), count_min=10)
    assert (found.numerator, found.denominator) == told
    assert (found.share is None) == (None in told)


def test_what_the_federation_is_told_names_no_system_and_no_vendor():
    counted = [check(50, vendor="Acme"), check(50, Outcome.INVALID), asked(30, Outcome.ANSWERED)]
    claims = month_claims(counted, node="pt-1", country="PT", month="2026-11", issued=1)
    assert "Acme" not in str(claims)
    assert "ee-1" not in str(claims)
    assert claims["indicators"][0].keys() == {"indicator", "group", "numerator", "denominator", "share"}
