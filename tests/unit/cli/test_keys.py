"""`salus keys`: a master key is made, changed, and how many keys there are."""

from __future__ import annotations

import json

import pytest

from salus.cli.main import main
from salus.node import key_store_of
from salus.settings import read_settings

WORDS = ["--country", "PT", "--name", "Portugal", "--port", "8480"]


@pytest.fixture
def data(tmp_path):
    assert main(["node", "init", "--data", str(tmp_path / "pt"), *WORDS]) == 0
    return tmp_path / "pt"


def run(data, *words):
    return main(["keys", *map(str, words), "--data", str(data)])


def renamed(data, old, new):
    settings = data / "salus.toml"
    text = settings.read_text()
    assert str(old) in text
    settings.write_text(text.replace(str(old), str(new)))


def test_a_node_is_made_with_a_master_key_beside_its_folder(data):
    assert read_settings(data).master_key == str(data.parent / "pt.master.key")
    assert (data.parent / "pt.master.key").stat().st_size == 32


def test_a_master_key_may_be_named_when_the_node_is_made(tmp_path):
    file = tmp_path / "safe" / "key"
    assert main(["keys", "new-master", str(file)]) == 0
    words = ["node", "init", "--data", str(tmp_path / "ee"), *WORDS, "--master-key", str(file)]
    before = file.read_bytes()
    assert main(words) == 0
    assert (read_settings(tmp_path / "ee").master_key, file.read_bytes()) == (str(file), before)


def test_a_node_with_its_master_key_in_its_folder_does_not_start(data, capsys):
    inside = data / "keys" / "master.key"
    inside.write_bytes((data.parent / "pt.master.key").read_bytes())
    inside.chmod(0o600)
    renamed(data, data.parent / "pt.master.key", inside)
    assert main(["serve", "--data", str(data)]) == 1
    assert "lies in the node's folder" in capsys.readouterr().err
    assert run(data, "status") == 1


def test_a_node_of_before_is_told_to_make_one(data, capsys):
    settings = data / "salus.toml"
    settings.write_text("\n".join(one for one in settings.read_text().split("\n") if "master_key" not in one))
    assert run(data, "status") == 1
    assert "salus keys new-master FILE" in capsys.readouterr().err


def test_the_master_key_is_changed(data, tmp_path, capsys):
    old, new = data.parent / "pt.master.key", tmp_path / "new.key"
    keys = key_store_of(data, read_settings(data))
    made, plain = keys.make("Patient/ana")
    keys.keep([made])
    keys.close()
    assert run(data, "new-master", new) == 0
    assert run(data, "new-master", new) == 1
    renamed(data, old, new)
    assert run(data, "rewrap") == 1
    assert run(data, "rewrap", "--old", tmp_path / "salus.toml") == 1
    assert run(data, "rewrap", "--old", old) == 0
    assert "1 keys are wrapped" in capsys.readouterr().out
    keys = key_store_of(data, read_settings(data))
    assert keys.of("Patient/ana")[1] == plain
    keys.close()


def test_the_status_counts_keys_and_looks_for_what_is_in_clear(data, capsys):
    capsys.readouterr()
    assert run(data, "status", "--check", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "folder": str(data / "keystore"), "keys": 0, "destroyed": 0, "other_master": 0, "in_clear": {},
    }  # fmt: skip
    assert run(data, "status", "--check") == 0
    assert "No content is in clear" in capsys.readouterr().out
