"""The second wall around what is in force of persons: a bound grant reaches one, and changes no past."""

import asyncpg
import pytest
from tests.conftest import NOW

from salus.core.access import Action, Role

ROWS = """
INSERT INTO emergency (patient, id, subject, name, organisation, node, reason, began_at, ends_at, review_by)
SELECT who, who, 's', 'n', '', '', 'why', $1, $1, $1 FROM unnest(ARRAY['ana', 'rui']) AS who;
"""
OPT_OUTS = """
INSERT INTO opt_out (patient, kind, number, at, opted_out, by)
SELECT who, 'exchange', 1, $1, true, 'x' FROM unnest(ARRAY['ana', 'rui']) AS who
"""


@pytest.fixture
async def filled(database):
    async with database.system() as connection:
        await connection.execute(ROWS, NOW)
        await connection.execute(OPT_OUTS, NOW)
    return database


@pytest.mark.parametrize("table", ["emergency", "opt_out"])
async def test_a_bound_grant_sees_its_own_patient_alone(filled, grant, table):
    bound = grant("ana", role=Role.CITIZEN)
    async with filled.reading(bound) as connection:
        rows = await connection.fetch(f"SELECT patient FROM {table}")
    assert [row["patient"] for row in rows] == ["ana"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE emergency SET reviewed_at = now(), verdict = 'justified'",
        "UPDATE opt_out SET opted_out = false",
        "DELETE FROM opt_out",
        "INSERT INTO presence VALUES ('ana', 'n', 's', 'code', now(), now())",
        "INSERT INTO notice (patient, at, kind, key) SELECT patient, at, kind, key FROM notice",
        "INSERT INTO opt_out VALUES ('rui', 'exchange', 2, now(), false, 'x')",
        "DELETE FROM proxy",
    ],
)
async def test_a_bound_grant_changes_neither_the_past_nor_another(filled, grant, statement):
    bound = grant("ana", role=Role.CITIZEN, action=Action.UPDATE)
    async with filled.reading(bound) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_no_grant_rewrites_an_opt_out_or_removes_an_emergency(filled):
    for statement in ("UPDATE opt_out SET opted_out = false", "DELETE FROM emergency", "DELETE FROM proxy"):
        async with filled.system() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
