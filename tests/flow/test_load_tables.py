"""Tables of a site become its patients' records, row by row; what is wrong waits in quarantine."""

from pathlib import Path

import pytest

from salus.core.access import Action
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.formats.table import mapping_in
from salus.intake.load import Plan, load_files
from salus.intake.retry import retry
from salus.standards.tabular.mapping import read_mapping
from salus.store import quarantine

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "tables"
KEY = b"0123456789abcdef"
KNOWN = b"""
name = "weights"
[subject]
column = "patient"
system = "urn:oid:2.999.7.1"
[[resource]]
type = "Observation"
key = ["day"]
[resource.set]
status = "final"
"code.text" = "body weight"
[resource.take]
effectiveDateTime = { column = "day", as = "date" }
valueQuantity = { column = "kg", as = "quantity", unit = "kg" }
"""


@pytest.fixture
def load(database, grant):
    runs = iter(range(100))

    async def run(path, mapping):
        allowed = grant(action=Action.LOAD, request=f"load-{next(runs)}")
        plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()), workers=1, mapping=mapping)
        return await load_files(allowed, database, find_files([str(path)], "urn:hospital:a"), plan)

    return run


async def test_rows_are_stored_kept_and_told_and_a_wrong_one_is_tried_again(load, database, grant, tmp_path):
    mapping = mapping_in(EXAMPLES / "laboratory.toml")
    table = tmp_path / "lab.csv"
    table.write_bytes((EXAMPLES / "laboratory.csv").read_bytes().replace(b"11,2", b"11.2"))
    report = await load(table, mapping)
    assert (report.documents, report.rejected, report.quarantine) == (3, 1, 1)
    assert report.quality is not None
    assert {line.path for line in report.quality.dropped} == {"batch"}
    assert (await load(table, mapping)).stored == 0

    allowed = grant(action=Action.LOAD, request="retry")
    (listed,) = await quarantine.listed(allowed, database)
    kept = await quarantine.opened(allowed, database, listed.id)
    assert b"Line 3, column result" in kept.rejection.outcome
    text = (EXAMPLES / "laboratory.toml").read_bytes()
    mended = read_mapping(text.replace(b'decimal = ","', b'decimal = "."'), "mended.toml")
    plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()), mapping=mended)
    assert (await retry(allowed, database, plan, [kept])).documents == 1

    weights = tmp_path / "weights.csv"
    weights.write_text("patient,day,kg\n1001,2026-11-30,71.5\n9999,2026-11-30,80\n")
    known = read_mapping(KNOWN, "known.toml")
    report = await load(weights, known)
    assert (report.documents, report.rejected) == (1, 1)  # 9999 is nobody here
    async with database.system() as connection:
        records = await connection.fetch(
            "SELECT compartment, count(*) AS found FROM resource WHERE type = 'Observation' GROUP BY 1"
        )
        documents = await connection.fetch("SELECT patient, media_type FROM document")
    assert sorted(row["found"] for row in records) == [2, 3]
    assert {row["media_type"] for row in documents} == {"text/csv"}
    assert {row["patient"] for row in documents} == {row["compartment"] for row in records}
