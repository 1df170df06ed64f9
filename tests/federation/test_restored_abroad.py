"""A node that lost database and mirror at once is told by its peers that it is behind, and serves nobody."""

import asyncio
import logging
import shutil
from contextlib import AsyncExitStack

import pytest
from joserfc.jwk import ECKey
from tests.federation.conftest import Federation, as_member, put, running
from tests.federation.test_crossing import person
from tests.federation.test_witnessing import signed
from tests.flow.test_erased_again import backup_of

from salus.cli.main import main
from salus.core.clock import utc_now
from salus.core.errors import SettingsInvalid
from salus.federation.chains import trust_leaf
from salus.federation.membership_list import MembershipList
from salus.federation.witnessing import ask_witnesses, learn
from salus.node import open_node, open_services
from salus.settings import FILE_NAME
from salus.store.mirror import FOLDER as MIRROR
from salus.store.replaying import require_current


async def test_what_peers_have_cosigned_keeps_a_restored_node_from_serving(tmp_path, databases, caplog):
    home, database = tmp_path / "pt-1", await databases()
    now = utc_now().replace(microsecond=0)
    async with AsyncExitStack() as stack:
        abroad = await stack.enter_async_context(running(tmp_path / "ee-1", await databases(), "ee-1"))
        async with running(home, database, "pt-1") as node:
            await put(node, person("ana"))
            await signed(node)
        backup = await backup_of(database, f"{database.partition('?')[0].rpartition('/')[2]}_before")
        async with open_services(home) as (_, services):
            node.services = services
            nodes = {"pt-1": node, "ee-1": abroad}
            federation = Federation(
                ECKey.generate_key("P-384"), MembershipList("test", 0, now, now, ()), nodes
            )
            federation.publish(*(as_member(each, each.name[:2].upper()) for each in nodes.values()))
            await learn(abroad.services.witnesses, federation.member("pt-1"))
            await services.journal.write([trust_leaf("a leaf that the backup lacks", now, "r")])
            await signed(node)
            assert await ask_witnesses(services.witnesses) == ["ee-1"]

        shutil.rmtree(home / MIRROR)
        settings = home / FILE_NAME
        settings.write_text(settings.read_text().replace(database, backup))
        with pytest.raises(SettingsInvalid, match=r"cosigned by ee-1.*salus ledger replay.*salus ledger gap"):
            async with open_node(home):
                pass
        async with open_services(home) as (_, services):
            with pytest.raises(SettingsInvalid, match="salus ledger replay"):  # it knows by itself now
                await require_current(services.database)
        assert await asyncio.to_thread(main, ["ledger", "replay", "--data", str(home)]) != 0
        said = await asyncio.to_thread(main, ["ledger", "gap", "Disk lost.", "--data", str(home)])
        assert said == 0
        async with open_node(home):
            pass
    with caplog.at_level(logging.WARNING):
        async with open_node(home):
            pass
    assert "node ee-1 did not say what it has cosigned of this node's log" in caplog.text
