"""An operator makes a federation, lets nodes in and puts one out, by the command line alone."""

import json

import pytest

from salus.cli.main import main
from salus.core.clock import utc_now
from salus.federation.membership import read_membership


@pytest.fixture
def nodes(tmp_path):
    folders = {name: tmp_path / name for name in ("pt", "ee", "fr")}
    for port, (country, folder) in enumerate(folders.items(), 1):
        arguments = ["--country", country, "--name", country.upper(), "--port", str(port)]
        assert main(["node", "init", "--data", str(folder), *arguments]) == 0
    return {name: str(folder) for name, folder in folders.items()}


def states(folder):
    known = read_membership(folder)
    return {member.node: known.state(member.node, utc_now()) for member in known.members}


def test_nodes_of_one_machine_join_and_all_hear_of_each_other(nodes, tmp_path, capsys):
    assert main(["federation", "init", "--name", "Demo", "--data", nodes["pt"]]) == 0
    for folder in nodes.values():
        assert main(["federation", "join", "--anchor", nodes["pt"], "--data", folder]) == 0
    expected = {"pt-1": "active", "ee-1": "active", "fr-1": "active"}
    assert [states(tmp_path / name) for name in nodes] == [expected] * 3
    assert main(["federation", "revoke", "ee-1", "--data", nodes["pt"]]) == 0
    assert states(tmp_path / "fr")["ee-1"] == "revoked"
    capsys.readouterr()
    assert main(["federation", "list", "--json", "--data", nodes["fr"]]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {member["node"]: member["state"] for member in listed["members"]}["ee-1"] == "revoked"
    assert main(["federation", "list", "--data", nodes["fr"]]) == 0
    assert "revoked" in capsys.readouterr().out


def test_a_node_elsewhere_joins_by_a_request_and_a_list(nodes, tmp_path):
    request, listed = tmp_path / "ee.jws", tmp_path / "list.jws"
    assert main(["federation", "init", "--name", "Demo", "--data", nodes["pt"]]) == 0
    assert main(["federation", "join", "--request", str(request), "--data", nodes["ee"]]) == 0
    assert main(["federation", "admit", str(request), "--out", str(listed), "--data", nodes["pt"]]) == 0
    key = tmp_path / "list.anchor.json"
    assert main(["federation", "install", str(listed), "--data", nodes["ee"]]) == 1
    install = ["federation", "install", str(listed), "--anchor-key", str(key), "--data", nodes["ee"]]
    assert main(install) == 0
    assert states(tmp_path / "ee") == {"ee-1": "active"}


def test_a_node_joins_by_hand_where_the_anchor_has_an_offline_key(nodes, tmp_path, capsys):
    request, listed, safe = tmp_path / "ee.jws", tmp_path / "list.jws", tmp_path / "safe.jwk"
    init = ["federation", "init", "--name", "Demo", "--offline-key", str(safe), "--data"]
    assert main([*init, nodes["pt"]]) == 0
    assert main([*init, nodes["fr"]]) == 1  # the file is there already
    assert safe.stat().st_mode & 0o077 == 0
    assert main(["federation", "join", "--anchor", nodes["pt"], "--data", nodes["fr"]]) == 0
    assert main(["federation", "join", "--request", str(request), "--data", nodes["ee"]]) == 0
    assert main(["federation", "admit", str(request), "--out", str(listed), "--data", nodes["pt"]]) == 0
    key = tmp_path / "list.anchor.json"
    install = ["federation", "install", str(listed), "--anchor-key", str(key), "--data", nodes["ee"]]
    assert main(install) == 0
    assert states(tmp_path / "ee") == {"ee-1": "active", "fr-1": "active"}
    assert main(["federation", "rotate", "--data", nodes["pt"]]) == 1
    assert main(["federation", "rotate", "--offline-key", str(safe), "--data", nodes["pt"]]) == 0
    assert states(tmp_path / "fr") == {"ee-1": "active", "fr-1": "active"}
    capsys.readouterr()
    assert main(["federation", "list", "--data", nodes["pt"]]) == 0
    assert "offline key has signed ends on" in capsys.readouterr().out


def test_a_revoked_node_belongs_again_only_when_the_operator_says_so(nodes, tmp_path, capsys):
    request = tmp_path / "ee.jws"
    join = ["federation", "join", "--anchor", nodes["pt"], "--data", nodes["ee"]]
    assert main(["federation", "init", "--name", "Demo", "--data", nodes["pt"]]) == 0
    assert main(join) == 0
    assert main(["federation", "join", "--request", str(request), "--data", nodes["ee"]]) == 0
    assert main(["federation", "revoke", "ee-1", "--data", nodes["pt"]]) == 0
    for again in (join, ["federation", "admit", str(request), "--data", nodes["pt"]]):
        capsys.readouterr()
        assert main(again) == 1
        assert "--readmit" in capsys.readouterr().err
        assert states(tmp_path / "pt") == {"ee-1": "revoked"}
    assert main([*join, "--readmit"]) == 0
    assert states(tmp_path / "pt") == {"ee-1": "active"}


def test_making_a_federation_says_that_the_anchors_own_node_must_join_too(nodes, capsys):
    assert main(["federation", "init", "--name", "Demo", "--data", nodes["pt"]]) == 0
    said = capsys.readouterr().out
    assert f"federation join --data {nodes['pt']}" in said
    assert "not even this node" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["init"],
        ["join"],
        ["join", "--anchor", "nowhere"],
        ["admit"],
        ["admit", "nowhere.jws"],
        ["revoke"],
        ["revoke", "xx-1"],
        ["install", "nowhere"],
        ["list"],
    ],
)
def test_what_cannot_be_done_is_one_line_saying_what_to_do(nodes, arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["federation", *arguments, "--data", nodes["pt"]]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_anchors_key_is_readable_by_its_owner_only(nodes, tmp_path):
    assert main(["federation", "init", "--name", "Demo", "--data", nodes["pt"]]) == 0
    assert main(["federation", "init", "--name", "Demo", "--data", nodes["pt"]]) == 1
    assert (tmp_path / "pt" / "federation" / "anchor-key.json").stat().st_mode & 0o077 == 0
