"""`salus node init`: a folder for a node, with an address that it says."""

import os
import socket
import stat

from salus.cli.main import main
from salus.cli.node import PORT_FIRST, free_port
from salus.settings import read_settings


def test_without_a_port_the_node_gets_a_free_one_and_says_its_address(tmp_path, capsys):
    folder = tmp_path / "pt"
    assert main(["node", "init", "--data", str(folder), "--country", "PT", "--name", "Portugal"]) == 0
    settings = read_settings(folder)
    assert settings.port >= PORT_FIRST
    assert settings.base_url == f"http://127.0.0.1:{settings.port}"
    said = capsys.readouterr().out
    assert settings.base_url in said
    assert f"salus serve --data {folder}" in said


def test_a_port_at_which_something_listens_is_passed_over():
    with socket.socket() as taken:
        first = free_port("127.0.0.1")
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert free_port("127.0.0.1") > first


def test_only_the_owner_reads_the_settings_which_may_hold_a_password(tmp_path):
    folder = tmp_path / "pt"
    line = ["node", "init", "--data", str(folder), "--country", "PT", "--name", "Portugal"]
    line += ["--database", "postgresql://salus:secret@127.0.0.1/salus"]
    known = os.umask(0o022)
    try:
        made = main(line)
    finally:
        os.umask(known)
    assert made == 0
    assert stat.S_IMODE((folder / "salus.toml").stat().st_mode) == 0o600
