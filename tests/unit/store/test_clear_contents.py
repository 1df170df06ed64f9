"""What an older version left in clear is sealed before the node serves; the work goes on where it stood."""

from __future__ import annotations

import hashlib
import logging

import asyncpg
import pytest

from salus.store import clear_contents, resources
from salus.store.clear_contents import TABLES, count_clear, seal_what_is_clear
from salus.store.postgres import open_database

WORDS = b"zyzzyva papilionacea"
ROWS = {
    "resource": "INSERT INTO resource (compartment, type, id, version, updated, digest, tokens, content)"
    " SELECT 'p' || n % 7, 'Observation', 'o' || n, 2, now(), sha256($1), '{}', $1 FROM "
    "generate_series(1, 30) n",
    "resource_version": "INSERT INTO resource_version (compartment, type, id, version, updated, "
    "deleted, source,"
    " source_id, digest, content) SELECT 'p' || n % 7, 'Observation', 'o' || n, 1, now(), false, '', "
    "'', sha256($1),"
    " $1 FROM generate_series(1, 30) n",
    "document": "INSERT INTO document (patient, id, reference, media_type, digest, received_at, content)"
    " VALUES ('p1', 'b1', 'r1', 'text/plain', sha256($1), now(), $1)",
    "quarantine": "INSERT INTO quarantine (patient, id, arrived_at, expires_at, source, file, line, "
    "entry, type,"
    " outcome, content) VALUES ('', 'q1', now(), now(), '', '', 1, -1, '', '', $1)",
    "export_job": "INSERT INTO export_job (id, subject, issuer, caller, wish, status, created_at, "
    "expires_at)"
    " VALUES ('j1', '', '', $1, '', 'complete', now(), now())",
    "export_file": "INSERT INTO export_file (job, number, type, resources, content) VALUES ('j1', 1, "
    "'', 1, $1)",
    "dispensed_abroad": "INSERT INTO dispensed_abroad (patient, system, value, prescription, message, "
    "begun, state)"
    " VALUES ('ee-1:x', 's', 'v', 'p', $1, now(), 'open')",
    "finding": "INSERT INTO finding (key, found_at, score, body) VALUES ('k', now(), 1, $1)",
    "watch": "INSERT INTO watch (position, kept_at, memory) VALUES (1, now(), $1)",
    "rectification": "INSERT INTO rectification (patient, id, kind, type, entry, version, said, other, "
    "asked_at,"
    " due_at, state) VALUES ('p1', 'r', 'entry', '', '', 1, $1, '', now(), now(), 'open')",
    "rectification_step": "INSERT INTO rectification_step VALUES ('p1', 'r', 1, now(), '', 'open', $1, '')",
    "erasure": "INSERT INTO erasure (patient, id, type, entry, ground, said, asked_by, asked_at, "
    "due_at, state)"
    " VALUES ('p1', 'e', '', '', 'mistake', $1, '', now(), now(), 'open')",
    "erasure_step": "INSERT INTO erasure_step VALUES ('p1', 'e', 1, now(), '', 'open', $1)",
    "incident_text": "WITH opened AS (INSERT INTO incident (title, subject, since, until, patients, acting,"
    " significant, high_risk, aware_at) VALUES ('', '', now(), now(), '{}', 'controller', true, true, now())"
    " RETURNING id) INSERT INTO incident_text (incident, language, said) SELECT id, 'en', $1 FROM opened",
    "notice_way": "INSERT INTO notice_way (patient, channel, address, language, quiet, chosen_at)"
    " VALUES ('p1', 'mail', $1, 'en', false, now())",
    "complaint": "INSERT INTO complaint (patient, at, by, kind, about, said)"
    " VALUES ('p1', now(), '', 'other', '', $1)",
}


@pytest.fixture
async def owner(database_url):
    """Yield the owner's connection to a database that an older version filled."""
    connection = await asyncpg.connect(database_url)
    for statement in ROWS.values():
        await connection.execute(statement, WORDS)
    await connection.execute("INSERT INTO clear_content (name) SELECT unnest($1::text[])", list(TABLES))
    yield connection
    await connection.close()


async def test_all_of_it_is_sealed_before_the_node_serves(owner, database_url, contents, grant, caplog):
    assert set(await count_clear(owner)) == set(TABLES)
    with caplog.at_level(logging.WARNING, "salus.store"):
        async with open_database(database_url, contents=contents) as database:
            assert (await resources.read(grant(), database, "Observation", "o7")).content == WORDS
            assert (await resources.vread(grant(), database, "Observation", "o7", 1)).content == WORDS
    assert "resource is done (30 rows)" in caplog.text
    assert await count_clear(owner) == {}
    assert await owner.fetchval("SELECT count(*) FROM clear_content") == 0
    kept = await owner.fetchval("SELECT digest FROM resource WHERE id = 'o7'")
    assert kept == contents.digest(hashlib.sha256(WORDS).digest())
    assert kept == await owner.fetchval("SELECT digest FROM resource_version WHERE id = 'o7'")
    for name, table in TABLES.items():
        for column in table.sealed:
            for (content,) in await owner.fetch(f"SELECT {column} FROM {name} WHERE {column} <> ''"):
                assert WORDS not in content
                assert contents.open(content) == WORDS


async def test_it_goes_on_where_it_was_killed_and_seals_nothing_twice(owner, contents, monkeypatch):
    monkeypatch.setattr(clear_contents, "BATCH", 4)
    small = {name: _with_batch(table, 4) for name, table in TABLES.items()}
    monkeypatch.setattr(clear_contents, "TABLES", small)
    settle, turns = contents.settle, iter(range(6))

    async def dies():
        if next(turns, None) is None:
            raise KeyboardInterrupt
        await settle()

    monkeypatch.setattr(contents, "settle", dies)
    with pytest.raises(KeyboardInterrupt):
        await seal_what_is_clear(owner, contents)
    left = await count_clear(owner)
    assert left
    monkeypatch.setattr(contents, "settle", settle)
    assert await seal_what_is_clear(owner, contents) == sum(left.values())
    assert await count_clear(owner) == {}
    rows = await owner.fetch("SELECT digest FROM resource UNION ALL SELECT digest FROM resource_version")
    assert {row["digest"] for row in rows} == {contents.digest(hashlib.sha256(WORDS).digest())}
    assert await seal_what_is_clear(owner, contents) == 0


def _with_batch(table, batch):
    return clear_contents.Table(table.key, table.sealed, table.whose, table.told, table.digest, batch)


async def test_every_column_of_contents_is_sealed_or_known_to_hold_none(owner):
    """A new column of bytes is named here, and in SECURITY.md where it is left in clear."""
    rows = await owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND udt_name IN ('bytea', '_bytea')"
    )
    sealed = {f"{name}.{column}" for name, table in TABLES.items() for column in table.sealed}
    assert {f"{table}.{column}" for table, column in rows} - sealed == CLEAR


CLEAR = {
    "app_launch.digest", "app_request.digest", "app_secret.digest", "binding_code.digest",
    "checkpoint.root", "closure_code.owner", "closure_table.owner", "document.digest",
    "erased.digest", "erased_salt.salt", "export_job.caller",
    "export_job.wish", "first_seen.digest", "grant_key.inner_pad", "grant_key.outer_pad",
    "health_link.address",
    "health_link.content", "health_link.passcode", "health_link.salt", "health_link_ticket.digest",
    "key_store.id", "leaf.digest", "leaf.entry", "leaf_index.hash", "link_start.key_check",
    "peer_log.root", "person_page.content", "presence_code.digest", "resource.digest",
    "resource_version.digest", "search_parameter.definition", "subscription.caller",
    "subscription.header", "tree_node.hash", "wallet_login.asked", "wallet_login.browser",
    "wallet_login.code", "wallet_login.person",
}  # fmt: skip
"""Hashes, keyed or of secrets; `leaf.entry` and `health_link.content`, sealed otherwise; who asked."""
