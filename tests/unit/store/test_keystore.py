"""The key store: wrapped keys in a file of their own, kept for good, destroyed for good, wrapped anew."""

from __future__ import annotations

import sqlite3

import pytest

from salus.core.errors import KeyMissing, SettingsInvalid, StorageUnavailable
from salus.store.keystore import FILE_NAME, Counts, KeyStore

MASTER, OTHER = b"m" * 32, b"o" * 32


@pytest.fixture
def keys(tmp_path):
    opened = KeyStore(tmp_path / "keystore", MASTER)
    yield opened
    opened.close()


def kept(keys, whose):
    made, plain = keys.make(whose)
    keys.keep([made])
    return made, plain


def test_a_key_is_made_kept_and_found_by_whom_and_by_id(keys):
    made, plain = keys.make("Patient/ana")
    assert keys.of("Patient/ana") is None
    with pytest.raises(KeyMissing, match="newest backup"):
        keys.by_id(made.id)
    keys.keep([made, made])
    assert keys.of("Patient/ana") == keys.by_id(made.id) == (made, plain)
    assert keys.counts() == Counts(kept=1, destroyed=0, others=0)


def test_several_processes_share_it(keys):
    made, plain = kept(keys, "Patient/ana")
    again = KeyStore(keys.folder, MASTER)
    assert again.of("Patient/ana") == (made, plain)
    assert again.identity() == keys.identity()
    second, _ = kept(again, "Patient/ana")
    assert keys.of("Patient/ana")[0] in (made, second)
    assert keys.destroy(["Patient/ana"]) == 2
    assert again.of("Patient/ana") is None
    again.close()


def test_it_is_for_its_owner_and_holds_no_key_in_clear(keys):
    _, plain = kept(keys, "Patient/ana")
    assert keys.folder.stat().st_mode & 0o077 == 0
    for file in keys.folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0
        assert plain not in file.read_bytes()


def test_a_destroyed_key_is_nowhere_in_its_files(keys):
    made, _ = kept(keys, "Patient/ana")
    rest, _ = kept(keys, "Patient/rui")
    assert keys.destroy(["Patient/ana", "Patient/nobody"]) == 1
    with pytest.raises(KeyMissing, match="erased"):
        keys.by_id(made.id)
    assert keys.counts() == Counts(kept=1, destroyed=1, others=0)
    files = [file.read_bytes() for file in keys.folder.iterdir()]
    assert not any(made.wrapped in each or b"Patient/ana" in each for each in files)
    assert any(rest.wrapped in each for each in files)


def test_a_wrapped_key_laid_under_another_name_opens_nothing(keys):
    made, _ = kept(keys, "Patient/ana")
    kept(keys, "Patient/rui")
    with sqlite3.connect(keys.folder / FILE_NAME) as connection:
        connection.execute("UPDATE key SET whose = 'Patient/rui' WHERE id = ?", (made.id,))
    connection.close()
    with pytest.raises(KeyMissing, match="was changed"):
        keys.by_id(made.id)


def test_another_master_key_is_named_until_the_keys_are_wrapped_by_it(keys):
    named = [kept(keys, f"Patient/{number}") for number in range(5)]
    moved = KeyStore(keys.folder, OTHER)
    with pytest.raises(KeyMissing, match="another master key"):
        moved.of("Patient/1")
    assert moved.counts() == Counts(kept=5, destroyed=0, others=5)
    with pytest.raises(SettingsInvalid, match="--old"):
        moved.rewrap(b"x" * 32)
    told = []
    assert moved.rewrap(MASTER, told.append) == 5
    assert told == [5]
    assert moved.rewrap(MASTER) == 0
    assert all(moved.of(made.whose)[1] == plain for made, plain in named)
    with pytest.raises(KeyMissing):
        keys.of("Patient/1")
    moved.close()


def test_what_begins_alike_is_listed(keys):
    for whose in ("export/1", "export/2", "exports", "Patient/1"):
        kept(keys, whose)
    assert sorted(keys.begins_with("export/")) == ["export/1", "export/2"]


def test_a_file_that_is_none_is_said(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"no database, but long enough to be looked at as one" * 9)
    broken = KeyStore(tmp_path, MASTER)
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        broken.of("Patient/ana")
