"""docs/interfaces.md: every door of a node is explained."""

import inspect
import re
from pathlib import Path

import pytest

from salus import node
from salus.web import abroad, ledger

TEXT = (Path(__file__).parents[2] / "docs" / "interfaces.md").read_text(encoding="utf-8")


@pytest.fixture
async def prefixes(tmp_path, database_url):
    from salus.cli.node import make_node
    from salus.settings import Settings

    settings = Settings(
        node="pt-1", name="P", country="PT", base_url="http://127.0.0.1:9", port=9, database=database_url
    )
    make_node(tmp_path, settings)
    async with node.open_services(tmp_path) as (_, services):
        yield [prefix for face in node.faces(services) for prefix in face.prefixes]


async def test_every_door_is_explained(prefixes):
    missing = [prefix for prefix in prefixes if prefix and f"`{prefix}`" not in TEXT]
    assert missing == []


async def test_no_two_faces_claim_one_prefix(prefixes):
    assert len(prefixes) == len(set(prefixes))


def test_every_address_of_ledger_and_abroad_is_explained():
    addresses = re.findall(r'"(/ledger/\w+)"', inspect.getsource(ledger))
    addresses += [abroad.PREFIX + path for path in abroad.ROUTES]
    assert [address for address in addresses if address not in TEXT] == []
