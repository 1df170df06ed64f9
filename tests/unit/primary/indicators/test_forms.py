"""The forms that others read: Prometheus' text, FHIR's Measure and MeasureReport."""

from datetime import UTC, date, datetime

from salus.core.tally import Kind, Tally
from salus.primary.indicators.measure import measure_bundle
from salus.primary.indicators.prometheus import exposition
from salus.primary.indicators.results import work_out
from salus.standards.fhir.validation.validator import validate
from salus.store.tallies import Counted

DAY = date(2026, 11, 30)
NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_counters_and_a_cumulative_histogram_are_exposed():
    hostile = 'Acme "A"\\\nB'
    counted = [
        Counted(DAY, Tally(Kind.CHECK, "load", vendor=hostile, outcome="valid"), 2),
        Counted(
            DAY, Tally(Kind.EXCHANGE, "asked", "ee-1", category="documents", outcome="answered"),
            3, 1_500.0, (1, 0, 0, 0, 2, 0, 0, 0),
        ),
    ]  # fmt: skip
    lines = exposition(counted).splitlines()
    assert (
        r'salus_checks_total{way="load",system="",vendor="Acme \"A\"\\\nB",country="",category="",profile="",'
        r'outcome="valid"} 2'
    ) in lines
    assert 'salus_exchange_duration_seconds_bucket{way="asked",category="documents",le="0.3"} 1' in lines
    assert 'salus_exchange_duration_seconds_bucket{way="asked",category="documents",le="+Inf"} 3' in lines
    assert 'salus_exchange_duration_seconds_sum{way="asked",category="documents"} 1.500000' in lines
    assert len([line for line in lines if line.startswith("# TYPE")]) == 4


def test_measures_and_reports_are_valid_fhir_and_say_the_share():
    counted = [
        Counted(DAY, Tally(Kind.CHECK, "load", vendor="Acme", outcome=outcome, is_first=True), count)
        for outcome, count in (("valid", 3), ("invalid", 1))
    ]
    bundle = measure_bundle(
        work_out(counted, ("vendor",)), ("vendor",), base="https://node.test/fhir", reporter="Node",
        first=DAY, last=DAY, now=NOW,
    )  # fmt: skip
    assert [one for one in validate(bundle) if one.severity == "error"] == []
    reports = [
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "MeasureReport"
    ]
    told = next(each for each in reports if each["measure"].endswith("/Measure/valid-at-first-attempt"))
    assert told["group"][0]["measureScore"] == {"value": 0.75}
    assert [each["count"] for each in told["group"][0]["population"]] == [3, 4]
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(addresses)) == len(addresses)
