"""The master key: outside the node's folder, a file or what a command writes."""

from __future__ import annotations

import base64
import sys

import pytest

from salus.core.errors import SettingsInvalid
from salus.trust.master_key import beside, load_master_key, make_master_key, read_master_key

KEY = b"k" * 32


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "node"
    (folder / "keys").mkdir(parents=True)
    return folder


def load(data, file="", command=(), *, demo=False):
    return load_master_key(data, file=str(file), command=command, demo=demo)


def test_a_file_outside_the_folder_is_read(data):
    file = beside(data)
    make_master_key(file)
    assert file == data.parent / "node.master.key"
    assert load(data, file) == file.read_bytes() == read_master_key(file)
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(SettingsInvalid, match="already"):
        make_master_key(file)


def test_without_one_the_node_says_what_to_do(data):
    with pytest.raises(SettingsInvalid, match="salus keys new-master FILE"):
        load(data)


@pytest.mark.parametrize("way", ["straight", "by a link", "by another way"])
def test_in_the_folder_it_is_refused(data, way):
    make_master_key(data / "keys" / "master.key")
    (data.parent / "link").symlink_to(data / "keys" / "master.key")
    file = {
        "straight": data / "keys" / "master.key",
        "by a link": data.parent / "link",
        "by another way": data / ".." / "node" / "keys" / "master.key",
    }[way]
    with pytest.raises(SettingsInvalid, match="in the node's folder"):
        load(data, file)


def test_a_demonstration_makes_its_own(data):
    made = load(data, demo=True)
    assert (len(made), load(data, demo=True)) == (32, made)
    assert (data / "keys" / "master.key").read_bytes() == made


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_what_is_no_key_is_refused(data, content):
    file = data.parent / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(SettingsInvalid, match="32 bytes"):
        load(data, file)


def test_a_file_that_others_read_is_refused(data):
    file = data.parent / "key"
    file.write_bytes(KEY)
    file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        load(data, file)


def test_a_command_writes_it_and_no_shell_reads_its_words(data):
    told = base64.b64encode(KEY).decode()
    say = "import sys; print(sys.argv[1])"
    assert load(data, command=(sys.executable, "-c", say, told)) == KEY
    with pytest.raises(SettingsInvalid, match="no master key"):
        load(data, command=(sys.executable, "-c", say, "$(echo x)"))


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("/nowhere/at-all",), "cannot be run"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "ended with code 3"),
        ((sys.executable, "-c", "print('x' * 44)"), "no master key"),
    ],
)
def test_a_command_that_fails_is_named(data, command, problem):
    with pytest.raises(SettingsInvalid, match=problem):
        load(data, command=command)
