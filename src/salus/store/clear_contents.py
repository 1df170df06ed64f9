"""Sealing what an older version left in clear: table by table, in batches, going on where it stood (schema
0140).

It is done before the node serves. Nothing of it leaves the node, so that no Grant is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from salus.store.pool import Connection
from salus.store.record_seal import SHARED, RecordSeal, export_of, record_of, rejected_of, whose_of

LOG = logging.getLogger("salus.store")
BATCH, LARGE_BATCH = 500, 20
_IS_CLEAR = "{0} <> '' AND substr({0}, 1, 7) <> '\\x0073616c757301'::bytea"
_TOLD_EVERY = 20


class Table(msgspec.Struct, frozen=True):
    """A table with sealed columns.

    Args:
        key: its primary key, each column with its type.
        sealed: its columns that are sealed.
        whose: with whose key, by the columns of `told`.
        told: columns that say whose it is.
        digest: what gives the digest of a row in clear, in SQL; "" for a table without.
        batch: rows sealed in one transaction.
    """

    key: Mapping[str, str]
    sealed: tuple[str, ...]
    whose: Callable[[Mapping[str, Any]], str]  # Any: values of a row
    told: tuple[str, ...] = ()
    digest: str = ""
    batch: int = BATCH


def _in_compartment(row: Mapping[str, Any]) -> str:  # Any: values of a row
    return whose_of(row["type"], row["compartment"], row["others"])


def _of_patient(row: Mapping[str, Any]) -> str:  # Any: values of a row
    return record_of(row["patient"])


def _rejected(row: Mapping[str, Any]) -> str:  # Any: values of a row
    arrived: datetime = row["arrived_at"]
    return rejected_of(row["patient"], arrived)


_ENTRY = {"compartment": "text", "type": "text", "id": "text"}
_REQUEST = {"patient": "text", "id": "text"}
_STEP = {"patient": "text", "request": "text", "number": "integer"}
TABLES = {
    "resource": Table(_ENTRY, ("content",), _in_compartment, ("others",), "digest"),
    "resource_version": Table(
        {**_ENTRY, "version": "integer"}, ("content",), _in_compartment, ("others",), "digest"
    ),
    "document": Table(
        _REQUEST, ("content",), lambda row: whose_of("Binary", row["patient"], ()), (), "digest", LARGE_BATCH
    ),
    "quarantine": Table(_REQUEST, ("outcome", "content"), _rejected, ("arrived_at",), "", LARGE_BATCH),
    "export_file": Table(
        {"job": "text", "number": "integer"}, ("content",), lambda row: export_of(row["job"]), (), "", 1
    ),
    "dispensed_abroad": Table(
        {"patient": "text", "system": "text", "value": "text"}, ("message",), _of_patient
    ),
    "finding": Table({"id": "bigint"}, ("body",), lambda _row: SHARED),
    "watch": Table({"one": "boolean"}, ("memory",), lambda _row: SHARED),
    "rectification": Table(_REQUEST, ("said",), _of_patient),
    "rectification_step": Table(_STEP, ("said",), _of_patient),
    "erasure": Table(_REQUEST, ("said",), _of_patient),
    "erasure_step": Table(_STEP, ("said",), _of_patient),
    "notice_way": Table({"patient": "text", "holder": "text"}, ("address",), _of_patient),
    "incident_text": Table({"incident": "bigint", "language": "text"}, ("said",), lambda _row: SHARED),
    "complaint": Table({"patient": "text", "number": "bigint"}, ("said",), _of_patient),
}


async def seal_what_is_clear(connection: Connection, seal: RecordSeal) -> int:
    """Seal all that an older version left in clear; return how many rows.

    `connection` is the owner's, and the only one that changes the database.
    """
    left = [row[0] for row in await connection.fetch("SELECT name FROM clear_content ORDER BY name")]
    count = 0
    for name in left:
        done = await _seal_table(connection, seal, name, TABLES[name])
        count += done
        LOG.warning("sealing what was in clear: %s is done (%d rows)", name, done)
    for name in left:
        await connection.execute(f"VACUUM {name}")
    return count


async def _seal_table(connection: Connection, seal: RecordSeal, name: str, table: Table) -> int:
    count = turns = 0
    after: list[str] = await connection.fetchval("SELECT after FROM clear_content WHERE name = $1", name)
    while True:
        async with connection.transaction():
            rows = await connection.fetch(_select(name, table, is_first=not after), *after, table.batch)
            if not rows:
                await connection.execute("DELETE FROM clear_content WHERE name = $1", name)
                return count
            clear = [row for row in rows if row["is_clear"]]
            await _seal_rows(connection, seal, name, table, clear)
            after = list(rows[-1]["place"])
            await connection.execute("UPDATE clear_content SET after = $2 WHERE name = $1", name, after)
        count, turns = count + len(clear), turns + 1
        if turns % _TOLD_EVERY == 0:
            LOG.warning("sealing what was in clear: %d rows of %s so far", count, name)


def _select(name: str, table: Table, *, is_first: bool) -> str:
    keys = ", ".join(table.key)
    bound = ", ".join(f"(${n}::text)::{kind}" for n, kind in enumerate(table.key.values(), 1))
    where = "" if is_first else f"WHERE ({keys}) > ({bound})"
    clear = " OR ".join(_IS_CLEAR.format(column) for column in table.sealed)
    limit = 1 if is_first else 1 + len(table.key)
    place = ", ".join(f"{column}::text" for column in table.key)
    columns = ", ".join((*table.key, *table.told, *table.sealed))
    digest = f", {table.digest} AS plain" if table.digest else ""
    return (
        f"SELECT {columns}{digest}, {clear} AS is_clear, ARRAY[{place}] AS place FROM {name} {where} "  # noqa: S608  (constants only)
        f"ORDER BY {keys} LIMIT ${limit} FOR UPDATE"
    )


async def _seal_rows(
    connection: Connection, seal: RecordSeal, name: str, table: Table, rows: list[Any]
) -> None:  # Any: asyncpg records
    if not rows:
        return
    given: dict[str, tuple[str, list[Any]]] = {  # Any: values of columns
        column: (kind, [row[column] for row in rows]) for column, kind in table.key.items()
    }
    for column in table.sealed:
        given[column] = "bytea", [seal.close(table.whose(row), row[column]) for row in rows]
    if table.digest:
        given["digest"] = "bytea", [seal.digest(row["plain"]) for row in rows]
    await seal.settle()
    changed = ", ".join(f"{column} = n.{column}" for column in given if column not in table.key)
    arrays = ", ".join(f"${n}::{kind}[]" for n, (kind, _) in enumerate(given.values(), 1))
    same = " AND ".join(f"t.{column} = n.{column}" for column in table.key)
    await connection.execute(
        f"UPDATE {name} t SET {changed} FROM unnest({arrays}) AS n ({', '.join(given)}) WHERE {same}",  # noqa: S608  (constants only)
        *(values for _, values in given.values()),
    )


async def count_clear(connection: Connection) -> dict[str, int]:
    """Return how many rows of each table are in clear, where there are any; it reads all of them."""
    found = {}
    for name, table in TABLES.items():
        clear = " OR ".join(_IS_CLEAR.format(column) for column in table.sealed)
        count = await connection.fetchval(f"SELECT count(*) FROM {name} WHERE {clear}")  # noqa: S608  (constants only)
        if count:
            found[name] = int(count)
    return found
