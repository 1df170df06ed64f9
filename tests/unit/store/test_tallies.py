"""Counts are added up by day over processes and never name who stands in the way."""

from datetime import UTC, datetime, timedelta

from salus.core.tally import Kind, System, Tally
from salus.standards.fhir.profiles.brief import Brief
from salus.store.tallies import (
    HELD_MAX,
    OTHER,
    Tallies,
    forget_tallies,
    is_first,
    read_tallies,
    set_level,
    tallies_of_check,
    write_tallies,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TODAY = NOW.date()


async def test_processes_add_to_the_same_row_with_their_histograms(database):
    for milliseconds in (5, 500):
        tallies = Tallies()
        tallies.count(Tally(Kind.CHECK, "load"), NOW, milliseconds)
        await write_tallies(database, tallies)
        await write_tallies(database, tallies)  # what is written is not written again
    (found,) = await read_tallies(database, TODAY, TODAY)
    assert (found.count, found.ms_sum, found.ms_classes) == (2, 505.0, (1, 0, 0, 0, 1, 0, 0, 0))


async def test_the_kinds_of_row_in_memory_are_bounded():
    tallies = Tallies()
    for number in range(HELD_MAX + 50):
        tallies.count(Tally(Kind.CHECK, "load", vendor=f"v{number}", outcome="valid"), NOW)
    taken = tallies.take()
    assert len(taken) == HELD_MAX + 1
    assert next(one.count for one in taken if one.tally.vendor == OTHER) == 50


async def test_a_level_is_kept_once_a_day(database):
    for count in (3, 4):
        await set_level(database, TODAY, category="patient-summary", outcome="conformant", count=count)
    (found,) = await read_tallies(database, TODAY, TODAY)
    assert (found.tally.kind, found.count) == (Kind.CITIZENS, 4)


async def test_a_document_is_seen_for_the_first_time_once(database):
    one, other = ["urn:oid:1|a"], ["urn:oid:1|b"]
    seen = [await is_first(database, b"key", "s", named, TODAY) for named in (one, one, other, [])]
    assert seen == [True, False, True, False]
    assert await is_first(database, b"key", "another system", one, TODAY)
    await forget_tallies(database, TODAY + timedelta(days=91))
    assert await is_first(database, b"key", "s", one, TODAY)


def test_a_check_is_counted_with_each_rule_that_it_breaks_and_the_registered_vendor():
    brief = Brief("patient-summary", "http://p|1", ("format-date", "profile-min"), "Said\nby itself")
    check, *faults = tallies_of_check("load", "https://ehr.test", brief, {}, is_first=True)
    assert (check.kind, check.outcome, check.vendor, check.is_first) == (
        Kind.CHECK, "invalid", "Saidby itself", True
    )  # fmt: skip
    assert [(each.kind, each.code) for each in faults] == [
        (Kind.FAULT, "format-date"), (Kind.FAULT, "profile-min")
    ]  # fmt: skip
    registered = {"https://ehr.test": System("https://ehr.test", "Acme", "PT")}
    (known, *_) = tallies_of_check("load", "https://ehr.test", brief, registered, is_first=True)
    assert (known.vendor, known.country) == ("Acme", "PT")
