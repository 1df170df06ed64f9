"""`salus token`: a test login for each role that has a test person."""

import pytest

from salus.cli.main import main
from salus.cli.token import ROLES
from salus.core.access import Role
from salus.web.portal.personas import personas


def test_every_test_person_has_a_token(tmp_path, capsys):
    folder = str(tmp_path / "pt")
    assert {role.value for role in ROLES} >= set(personas("PT"))
    assert main(["node", "init", "--data", folder, "--country", "PT", "--name", "Portugal", "--demo"]) == 0
    capsys.readouterr()
    assert main(["token", "--data", folder, "--role", Role.DESK.value]) == 0
    assert capsys.readouterr().out.count(".") == 2


@pytest.mark.parametrize("role", ["node", "researcher"])
def test_no_token_is_given_to_a_role_without_a_test_person(tmp_path, role):
    with pytest.raises(SystemExit):
        main(["token", "--data", str(tmp_path), "--role", role])
