"""Sealing contents: what is sealed opens alone with its key, and everything is written sealed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from datetime import UTC, datetime

import asyncpg
import pytest

from salus.core.access import Action
from salus.core.errors import KeyMissing, SettingsInvalid
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import bulk, documents, quarantine, record_seal, resources
from salus.store.copying import encode_row
from salus.store.documents import Document
from salus.store.keystore import KeyStore
from salus.store.postgres import open_database
from salus.store.quarantine import Rejection
from salus.store.record_seal import IN_CLEAR, SHARED, RecordSeal, Sealed, seal_of_worker, whose_of
from salus.store.rows import make_row

SECRET = b"zyzzyva papilionacea"
CONTENTS = [b"{}", b"x" * 1_999, SECRET * 100, os.urandom(5_000), os.urandom(2 << 20)]


def about(patient):
    return IndexRow((patient,), None, [], [], [], [])


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_what_is_sealed_opens_again_and_shows_nothing(contents, content):
    sealed = contents.close("Patient/ana", content)
    assert isinstance(sealed, Sealed)
    assert sealed != contents.close("Patient/ana", content)
    assert content[:16] not in sealed or len(content) < 16
    assert contents.open(sealed) == content


def test_nothing_stays_nothing_and_what_is_not_sealed_passes(contents):
    assert contents.close("Patient/ana", b"") == b""
    assert contents.open(b"") == b""
    assert contents.open(b'{"resourceType":"Patient"}') == b'{"resourceType":"Patient"}'


def test_much_that_repeats_is_deflated_before(contents):
    assert len(contents.close("Patient/ana", SECRET * 500)) < 1_000
    assert contents.close("Patient/ana", SECRET * 500).startswith(record_seal.DEFLATED)
    assert contents.close("Patient/ana", os.urandom(3_000)).startswith(record_seal.PLAIN)


@pytest.mark.parametrize("place", [7, 8, 23, 24, 35, 36, -1])
def test_a_changed_byte_opens_nothing(contents, place):
    sealed = bytearray(contents.close("Patient/ana", SECRET))
    sealed[place] ^= 1
    with pytest.raises(KeyMissing):
        contents.open(bytes(sealed))
    with pytest.raises(KeyMissing):
        contents.open(bytes(sealed[:40]))


def test_each_record_has_a_key_of_its_own():
    assert whose_of("Observation", "ana", ("rui",)) == "Patient/ana"
    assert whose_of("Group", "ana", ("rui",)) == SHARED
    assert whose_of("Binary", "Binary/b1", ("ana",)) == "Patient/ana"
    assert whose_of("Binary", "Binary/b1", ("ana", "rui")) == SHARED
    assert whose_of("Practitioner", "Practitioner/d1", ()) == SHARED


async def test_a_destroyed_key_opens_nothing_here_at_once_and_elsewhere_in_time(
    contents, tmp_path, monkeypatch
):
    other = RecordSeal(KeyStore(contents.keys.folder, contents.keys.master), b"digests")
    sealed = contents.close("Patient/ana", SECRET)
    kept = contents.close("Patient/rui", SECRET)
    await contents.settle()
    assert other.open(sealed) == SECRET
    assert await contents.destroy(["Patient/ana"]) == 1
    with pytest.raises(KeyMissing, match="erased"):
        contents.open(sealed)
    assert other.open(sealed) == SECRET
    monkeypatch.setattr(record_seal, "OPENS_SECONDS", 0.0)
    with pytest.raises(KeyMissing, match="erased"):
        other.open(sealed)
    assert other.open(kept) == SECRET
    again = contents.close("Patient/ana", SECRET)
    assert contents.open(again) == SECRET
    assert record_seal.OPENS_SECONDS <= 60
    other.keys.close()


def test_so_many_keys_are_kept_in_memory(contents, monkeypatch):
    monkeypatch.setattr(record_seal, "KNOWN_MAX", 10)
    for number in range(50):
        contents.close(f"Patient/{number}", SECRET)
    assert len(contents._by_id) == len(contents._by_whose) == 10


async def test_a_worker_sends_its_new_keys_with_what_they_seal(contents):
    seal = seal_of_worker(contents.for_workers())
    row = make_row("Observation", "o1", SECRET, index=about("ana"))
    first = encode_row(row, ("ana",), datetime(2026, 1, 1, tzinfo=UTC), seal)
    second = encode_row(row, ("ana",), datetime(2026, 1, 1, tzinfo=UTC), seal)
    assert [key.whose for key in first.keys] == [key.whose for key in second.keys] == ["Patient/ana"]
    assert first.keys == second.keys
    assert contents.keys.of("Patient/ana") is None
    await contents.settle(first.keys)
    assert contents.keys.of("Patient/ana")[0] == first.keys[0]
    assert seal_of_worker(None) is IN_CLEAR
    seal.keys.close()


async def test_a_key_is_kept_before_anybody_goes_on_who_sealed_with_it(contents, monkeypatch):
    order = []
    keep = contents.keys.keep
    monkeypatch.setattr(contents.keys, "keep", lambda keys: (keep(keys), order.append("kept")))

    async def write():
        contents.close("Patient/ana", SECRET)
        await contents.settle()
        order.append("written")

    await asyncio.gather(*(write() for _ in range(3)))
    assert order[0] == "kept"
    await write()
    assert order.count("written") == 4


@pytest.fixture
async def raw(database_url):
    """Return a way to read the database as it lies there."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def entry(identity="o1", content=SECRET):
    body = json.dumps({"resourceType": "Observation", "note": content.decode()}).encode()
    return make_row("Observation", identity, body, index=about("ana"))


async def in_clear(raw):
    """Return the columns of bytes, and of text, where the secret stands."""
    found = []
    columns = await raw.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    for table, column in columns:
        for (cell,) in await raw.fetch(f'SELECT "{column}"::text FROM "{table}"'):
            if cell is not None and (SECRET.decode() in cell or SECRET.hex() in cell):
                found.append(f"{table}.{column}")
    return found


async def test_every_road_of_writing_seals(database, grant, raw):
    await resources.create(grant(), database, entry())
    await resources.update(grant(), database, entry(content=SECRET + b" again"))
    loading = grant(action=Action.LOAD)
    seal = seal_of_worker(database.contents.for_workers())
    rejection = Rejection("urn:s", "f", 1, -1, "", "", b'{"x":"' + SECRET + b'"}', SECRET)
    async with database.loading(loading) as connection, connection.transaction():
        await bulk.load(loading, connection, [encode_row(entry("o2"), ("ana",), loading.opened_at, seal)])
        await quarantine.put(loading, connection, [rejection], days=30)
        named = Document(
            "ana", "b1", "r1", "text/plain", hashlib.sha256(SECRET).digest(), loading.opened_at, "s",
            content=SECRET,
        )  # fmt: skip
        await documents.keep(loading, connection, named)
    assert await in_clear(raw) == []
    kept = await raw.fetch("SELECT content FROM resource UNION ALL SELECT content FROM resource_version")
    assert len(kept) == 3
    assert all(row["content"].startswith(b"\x00salus\x01") for row in kept)
    assert (await resources.read(grant(), database, "Observation", "o2")).content == entry().content
    assert (await resources.vread(grant(), database, "Observation", "o1", 1)).content == entry().content
    (listed,) = await quarantine.listed(grant(), database)
    assert (await quarantine.opened(grant(), database, listed.id)).rejection.content == SECRET
    seal.keys.close()


async def test_digests_tell_nothing_without_the_key(database, grant, raw):
    await resources.create(grant(), database, entry())
    assert (await resources.update(grant(), database, entry())).outcome == "unchanged"
    await resources.update(grant(), database, entry(content=SECRET + b" again"))
    plain = [hashlib.sha256(one.content).digest() for one in (entry(), entry(content=SECRET + b" again"))]
    kept = await raw.fetch("SELECT digest FROM resource UNION ALL SELECT digest FROM resource_version")
    assert len(kept) == 2
    assert not {row["digest"] for row in kept} & set(plain)


async def test_bytes_that_only_look_sealed_do_not_reach_the_database(database):
    async with database.system() as connection:
        with pytest.raises(AssertionError):
            await connection.execute("SELECT $1::bytea", record_seal.PLAIN + bytes(60))
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_missing_key_is_said_and_takes_no_other_record_with_it(database, grant):
    for whose in ("ana", "rui"):
        row = make_row("Observation", f"of-{whose}", b'{"resourceType":"Observation"}', index=about(whose))
        await resources.create(grant(), database, row)
    await database.contents.destroy(["Patient/ana"])
    results = await asyncio.gather(
        *(resources.read(grant(), database, "Observation", f"of-{whose}") for whose in ("ana", "rui") * 20),
        return_exceptions=True,
    )
    assert {type(one) for one in results[::2]} == {KeyMissing}
    assert {one.id for one in results[1::2]} == {"of-rui"}
    with pytest.raises(KeyMissing, match="erased"):
        async with database.reading(grant()) as connection:
            await connection.fetch("SELECT content FROM resource")


async def test_a_database_knows_its_key_store(database, database_url, tmp_path):
    other = RecordSeal(KeyStore(tmp_path / "another", b"m" * 32), b"digests")
    with pytest.raises(SettingsInvalid, match="Restore the newest backup"):
        async with open_database(database_url, contents=other):
            pass
    other.keys.close()
