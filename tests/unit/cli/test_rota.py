"""A rota is a table of shifts; what is wrong in it is said by line."""

from datetime import UTC, datetime

import pytest

from salus.cli.main import main
from salus.cli.node import make_node
from salus.cli.rota import read_shifts
from salus.core.errors import MalformedContent
from salus.settings import Settings
from salus.store.on_call import Shift

ROW = {
    "subject": "s-1", "unit": "Organization/ward", "starts": "2026-12-24T20:00:00+01:00",
    "ends": "2026-12-25T08:00:00+01:00",
}  # fmt: skip


def test_a_shift_is_read_with_its_zone_and_kept_once():
    assert read_shifts([ROW, ROW]) == [
        Shift(
            "s-1",
            "Organization/ward",
            datetime(2026, 12, 24, 19, tzinfo=UTC),
            datetime(2026, 12, 25, 7, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"subject": ""}, "line 2: subject"),
        ({"unit": "ward"}, "line 2: unit is Type/id"),
        ({"unit": "Patient/ana"}, "line 2: unit is Type/id"),
        ({"starts": "2026-12-24T20:00:00"}, "line 2: starts is a moment with its zone"),
        ({"starts": "tonight"}, "line 2: starts is a moment"),
        ({"ends": "2026-12-24T20:00:00+01:00"}, "line 2: a shift ends after it starts"),
        ({"ends": "2027-12-24T20:00:00+01:00"}, "within 7 days"),
        ({"ends": None}, "line 2: each line has the columns"),
        ({None: ["x"]}, "line 2: each line has the columns"),
    ],
)
def test_what_is_wrong_is_said_by_line(changed, problem):
    with pytest.raises(MalformedContent, match=problem):
        read_shifts([ROW | changed])


def test_a_rota_replaces_the_one_before(tmp_path, database_url, capsys):
    settings = Settings(
        node="fr-1", name="H", country="FR", base_url="http://node.test", port=9, database=database_url
    )
    make_node(tmp_path / "node", settings)
    file = tmp_path / "rota.csv"

    def rota(*words):
        assert main(["rota", *words, "--data", str(tmp_path / "node")]) == 0
        return capsys.readouterr().out

    file.write_text("subject,unit,starts,ends\n" + ",".join(ROW.values()) + "\n")
    assert "1 shifts are kept" in rota("load", str(file))
    assert rota("list") == "s-1,Organization/ward,2026-12-24T19:00:00+00:00,2026-12-25T07:00:00+00:00\n"
    file.write_text("subject,unit,starts,ends\n")
    rota("load", str(file))
    assert "Nobody is on call" in rota("list")
    assert main(["rota", "load", "--data", str(tmp_path / "node")]) == 1
