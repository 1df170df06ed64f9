"""An operator registers a local system, sees it, and switches it off."""

import asyncio
import json
import re
import shlex
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from salus.cli.main import main
from salus.node import open_services
from salus.store.ledger import decode_entry
from salus.store.sealing import seal_of


@pytest.fixture
def node(tmp_path, database_url):
    folder = str(tmp_path / "pt")
    arguments = ["--country", "PT", "--name", "PT", "--port", "1", "--database", database_url]
    assert main(["node", "init", "--data", folder, *arguments]) == 0
    return folder


def key_file(tmp_path, *keys):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": list(keys)}))
    return str(path)


def public(key, **changes):
    return key.as_dict(private=False) | {"kid": "k"} | changes


def test_each_change_in_who_may_have_tokens_is_a_leaf_and_a_failed_one_none(node, tmp_path):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    register = ["client", "register", "lab", "--name", "Laboratory", "--keys", keys, "--data", node]
    assert main([*register, "--scopes", "system/Observation.rs"]) == 0
    assert [main(["client", "off", "lab", "--data", node]) for _ in range(2)] == [0, 1]

    async def leaves():
        async with open_services(Path(node)) as (_, services), services.database.system() as connection:
            seal = seal_of(connection)
            entries = [row["entry"] for row in await connection.fetch("SELECT entry FROM leaf")]
            return [decode_entry(seal.open(entry)) for entry in entries]

    told = [leaf for leaf in asyncio.run(leaves()) if leaf.action == "trust"]
    assert {leaf.what for leaf in told} == {"client lab registered", "client lab off"}
    assert {(leaf.role, leaf.subject.partition(":")[0], leaf.patient) for leaf in told} == {
        ("operator", "os-user", "")
    }
    assert len(told) == 2


def test_a_system_is_registered_listed_and_switched_off(node, tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")), public(RSAKey.generate_key(2048), kid="r"))
    register = ["client", "register", "lab", "--name", "Laboratory", "--keys", keys, "--data", node]
    assert main([*register, "--scopes", "system/Observation.rs"]) == 0
    capsys.readouterr()
    assert main(["client", "list", "--data", node]) == 0
    assert capsys.readouterr().out == "lab\tLaboratory\tsystem/Observation.rs\tapp\n"
    assert main(["client", "off", "lab", "--data", node]) == 0
    assert main(["client", "off", "lab", "--data", node]) == 1
    capsys.readouterr()
    main(["client", "list", "--data", node])
    assert capsys.readouterr().out == "No client is registered.\n"


@pytest.mark.parametrize(
    ("keys", "scopes"),
    [
        ([public(ECKey.generate_key("P-384"))], "everything"),
        ([public(ECKey.generate_key("P-256"))], "system/Observation.rs"),
        ([ECKey.generate_key("P-384").as_dict(private=True) | {"kid": "k"}], "system/Observation.rs"),
        ([ECKey.generate_key("P-384").as_dict(private=False)], "system/Observation.rs"),
    ],
)
def test_wrong_keys_and_scopes_are_refused_before_anything_is_stored(tmp_path, keys, scopes, capsys):
    path = key_file(tmp_path, *keys)
    register = ["client", "register", "lab", "--name", "Lab", "--keys", path, "--scopes", scopes]
    assert main([*register, "--data", str(tmp_path / "none")]) == 1
    assert "none" not in capsys.readouterr().err


def test_a_system_is_registered_for_the_roles_and_purposes_that_it_may_state(node, tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    register = ["client", "register", "ehr", "--name", "EHR", "--keys", keys, "--data", node]
    register += ["--scopes", "system/*.rs"]
    assert main([*register, "--role", "clinician", "--role", "pharmacist", "--purpose", "ETREAT"]) == 0
    capsys.readouterr()
    assert main(["client", "list", "--data", node]) == 0
    assert capsys.readouterr().out == "ehr\tEHR\tsystem/*.rs\tclinician pharmacist\tETREAT\n"


def test_who_exports_for_public_health_is_registered_for_nothing_else(node, tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    register = ["client", "register", "body", "--name", "Body", "--keys", keys, "--data", node]
    register += ["--scopes", "system/*.rs", "--purpose", "PUBHLTH"]
    for more in (["--role", "clinician"], ["--purpose", "TREAT"]):
        assert main([*register, *more]) == 1
        assert "register another client" in capsys.readouterr().err
    assert main(register) == 0
    capsys.readouterr()
    assert main(["client", "list", "--data", node]) == 0
    assert capsys.readouterr().out == "body\tBody\tsystem/*.rs\tapp\tPUBHLTH\n"


def test_no_system_is_registered_to_speak_for_citizens(tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    register = ["client", "register", "ehr", "--name", "EHR", "--keys", keys, "--scopes", "system/*.rs"]
    with pytest.raises(SystemExit):
        main([*register, "--role", "citizen", "--data", str(tmp_path / "none")])


APP = ["client", "add", "heart", "--app", "--name", "Heart App", "--redirect", "https://heart.example/back"]
APP_SCOPES = "openid launch/patient offline_access patient/Observation.rs?category=laboratory"


def test_an_app_is_added_public_or_confidential(node, tmp_path, capsys):
    launch = ["--launch", "https://heart.example/launch", "--data", node]
    assert main([*APP, "--scopes", APP_SCOPES, *launch]) == 0
    assert "a public app" in capsys.readouterr().out
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    assert main([*APP, "--scopes", APP_SCOPES, "--keys", keys, *launch]) == 0
    assert "a confidential app" in capsys.readouterr().out
    main(["client", "list", "--data", node])
    assert capsys.readouterr().out == f"heart\tHeart App\t{APP_SCOPES}\thttps://heart.example/back\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--scopes", "system/*.rs"],
        ["--scopes", "patient/Observation.cruds?category=laboratory"],
        ["--scopes", "patient/*.rs", "--redirect", "http://heart.example/back"],
        ["--scopes", "patient/*.rs", "--redirect", "javascript:alert(1)"],
        ["--scopes", "patient/*.rs", "--launch", "ftp://heart.example"],
        ["--scopes", "patient/*.rs", "--role", "clinician"],
        [],
    ],
)
def test_what_is_no_app_is_refused_before_anything_is_stored(tmp_path, options, capsys):
    assert main([*APP, *options, "--data", str(tmp_path / "none")]) == 1
    assert "none/" not in capsys.readouterr().err


def test_a_resource_server_gets_no_scope_and_no_role(node, tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    register = ["client", "register", "archive", "--introspect", "--name", "Archive", "--data", node]
    assert main(register) == 1
    assert main([*register, "--keys", keys, "--scopes", "system/*.rs"]) == 1
    assert "leave --scopes" in capsys.readouterr().err
    assert main([*register, "--keys", keys]) == 0
    assert "resource server" in capsys.readouterr().out


def test_a_system_is_registered_for_an_organisation_by_its_identifier(node, tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    register = ["client", "register", "ehr", "--name", "EHR", "--keys", keys, "--data", node]
    register += ["--scopes", "system/*.rs", "--role", "clinician", "--organisation"]
    assert main([*register, "Tartu Hospital"]) == 1
    assert "SYSTEM|VALUE" in capsys.readouterr().err
    assert main([*register, "urn:oid:1.2|77"]) == 0


def test_the_examples_of_the_page_on_apps_work(node, tmp_path, capsys):
    keys = key_file(tmp_path, public(ECKey.generate_key("P-384")))
    text = (Path(__file__).parents[3] / "docs" / "apps.md").read_text(encoding="utf-8")
    lines = re.findall(r"^salus .*", text, flags=re.MULTILINE)
    assert lines
    for line in lines:
        here = {"./pt": node, "archive.jwks.json": keys}
        words = [here.get(word, word) for word in shlex.split(line)[1:]]
        assert main(words) == 0, capsys.readouterr().err
