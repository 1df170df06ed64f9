"""Who conforms: what is checked is counted, and told to those who may know (docs/metrics.md)."""

import asyncio
import base64
import json

import pytest
from tests.flow.test_standing import ana, ask, clock, country, folder, node
from tests.unit.primary.documents.records import PATIENT, RECORD, compose

from salus.cli.main import main
from salus.core.access import Role
from salus.store.tallies import write_tallies

__all__ = ["ana", "ask", "clock", "country", "folder", "node"]
BAD = {"resourceType": "Patient", "birthDate": "1990-02-31"}


@pytest.fixture
async def counted(node, ask):
    """Check two resources of an organisation, one of them wrong, and write the counts."""
    for body in (BAD, {"resourceType": "Patient", "birthDate": "1990-02-28"}):
        answer = await ask("POST", "/fhir/$validate", body=body, organisation="Tartu Hospital")
        assert answer.status_code == 200
    await write_tallies(node.services.database, node.services.tallies)


@pytest.mark.clause("COM(2018) 233, 3")
async def test_checks_are_counted_and_told_as_json_prometheus_and_measure_report(ask, counted):
    told = (await ask("GET", "/metrics/indicators?by=system", Role.AUDITOR)).json()
    (valid,) = [each for each in told["indicators"] if each["indicator"] == "valid"]
    assert (valid["group"], valid["numerator"], valid["denominator"]) == (["Tartu Hospital"], 1, 2)
    assert [(each["code"], each["count"]) for each in told["faults"]] == [("format-date", 1)]
    text = (await ask("GET", "/metrics", Role.OPERATOR)).text
    assert 'salus_faults_total{vendor="",category="",code="format-date"} 1' in text.splitlines()
    report = (await ask("GET", "/metrics/measure-report", Role.OPERATOR)).json()
    assert {entry["resource"]["resourceType"] for entry in report["entry"]} == {"Measure", "MeasureReport"}


async def test_counts_are_for_operator_and_auditor_and_a_month_that_is_over_for_all(
    node, ask, counted, clock
):
    for role in (Role.CITIZEN, Role.CLINICIAN):
        assert (await ask("GET", "/metrics", role)).status_code == 403
    exported = await ask("GET", "/metrics/export?month=2026-10")
    _, claims, _ = exported.text.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (said["iss"], said["month"], said["indicators"]) == ("fr-1", "2026-10", [])


@pytest.mark.parametrize(
    "query",
    ["indicators?by=name", "indicators?first=soon", "indicators?patient=1", "export?month=2026-11",
     "export?month=x", "indicators?first=2026-11-02&last=2026-11-01"],
)  # fmt: skip
async def test_what_cannot_be_asked_is_said(ask, query):
    answer = await ask("GET", f"/metrics/{query}", Role.OPERATOR)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["text"]


async def test_the_survey_looks_at_summaries_and_writes_down_that_it_looked(node, ask, ana, folder, capsys):
    code = await asyncio.to_thread(main, ["metrics", "--data", str(folder), "--survey", "2"])
    assert code == 0
    assert "of 2 summaries follow the European profile." in capsys.readouterr().out
    told = await ask("GET", "/metrics/indicators?first=2026-01-01&last=2999-12-31", Role.OPERATOR)
    assert [each["denominator"] for each in told.json()["indicators"]] == [2]


async def test_documents_of_a_load_are_counted_valid_or_not_and_by_the_first_attempt(
    node, ask, folder, tmp_path
):
    document = compose(PATIENT, *RECORD)
    broken = json.loads(json.dumps(document))
    del broken["entry"][0]["resource"]["status"]
    for name, body in (("good", document), ("broken", broken)):
        (tmp_path / f"{name}.json").write_text(json.dumps(body))
        source = f"https://{name}.test"
        code = ["load", "--data", str(folder), "--source", source, str(tmp_path / f"{name}.json")]
        await asyncio.to_thread(main, code)
    told = await ask("GET", "/metrics/indicators?first=2026-01-01&last=2999-12-31&by=system", Role.OPERATOR)
    first = {
        each["group"][0]: each["share"]
        for each in told.json()["indicators"]
        if each["indicator"] == "valid-at-first-attempt"
    }
    assert first == {"https://good.test": 1, "https://broken.test": 0}
