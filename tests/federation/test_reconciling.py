"""Both nodes say the same of accesses across the border; what one of them lost or kept to itself is found."""

import asyncpg
import pytest
from tests.federation.conftest import get, local_token
from tests.federation.test_crossing import desk, found  # noqa: F401  fixture
from tests.federation.test_witnessing import ask, signed

from salus.core.access import Role
from salus.federation.reconciling import ask_abroad
from salus.primary.cross_border import fetch_summary, list_documents, present
from salus.settings import read_settings
from salus.store.ledger import leaf_in


@pytest.fixture
async def crossed(federation, desk):  # noqa: F811
    """The clinician at ee-1 looked for Ana, and read her summary and documents."""
    patient = present(await found(desk))
    await fetch_summary(desk, patient)
    await list_documents(desk, patient)
    return federation


async def report(federation):
    home = federation.nodes["pt-1"]
    await signed(home)
    token = local_token(home, Role.CITIZEN, "ana", patient="ana")
    answer = await ask(home, "/ledger/report", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["abroad"]


async def remove_leaves(node, patient, request=None):
    """Take the leaves of a patient away, or those of one request, as only the owner of the tables can."""
    owner = await asyncpg.connect(read_settings(node.services.data).database)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        "DELETE FROM leaf WHERE patient = $1 AND request = coalesce($2, request)", patient, request
    )
    await owner.close()


@pytest.mark.clause("EHDS 9(1)")
async def test_both_nodes_say_the_same(crossed):
    (compared,) = await report(crossed)
    assert compared["node"] == "ee-1"
    assert compared["agreed"] >= 2
    assert (compared["only_here"], compared["only_there"], compared["both_say_the_same"]) == ([], [], True)


async def test_who_reads_the_audit_abroad_asks_nothing_at_home(crossed):
    abroad = crossed.nodes["ee-1"]
    assert (await get(abroad, "AuditEvent?patient=pt-1:ana", Role.AUDITOR)).status_code == 200
    (compared,) = await report(crossed)
    assert compared["both_say_the_same"]


async def test_to_be_asked_is_an_access_at_the_node_abroad(crossed):
    await report(crossed)
    async with crossed.nodes["ee-1"].services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = 'pt-1:ana' ORDER BY arrival")
        leaves = [leaf_in(connection, row["entry"]) for row in rows]
    assert (leaves[-1].action, leaves[-1].node, leaves[-1].rule) == ("audit", "pt-1", "home-node-reconciles")


async def of_search(node, patient, what):
    """Return the leaf of a node about a patient whose search was this."""
    async with node.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = $1", patient)
        leaves = [leaf_in(connection, row["entry"]) for row in rows]
    return next(leaf for leaf in leaves if leaf.what.startswith(what))


async def test_an_access_that_one_side_does_not_have_is_named_exactly(crossed):
    """Of several by the same person within the hour."""
    home, abroad = crossed.nodes["pt-1"], crossed.nodes["ee-1"]
    await home.services.database.bring_in()
    await abroad.services.database.bring_in()
    lost = await of_search(abroad, "pt-1:ana", "$summary")
    kept = await of_search(abroad, "pt-1:ana", "DocumentReference")
    assert (lost.asked, kept.asked) == (lost.request, kept.request)
    at_home = await of_search(home, "ana", "DocumentReference")
    assert at_home.asked == kept.request
    await remove_leaves(abroad, "pt-1:ana", lost.request)
    await remove_leaves(home, "ana", at_home.request)
    (compared,) = await report(crossed)
    assert {each["request"] for each in compared["only_here"]} == {lost.request}
    assert {each["request"] for each in compared["only_there"]} == {kept.request}
    assert {each["name"] for each in (*compared["only_here"], *compared["only_there"])} == {"Mari Tamm"}


async def test_what_the_node_abroad_lost_is_found(crossed):
    await remove_leaves(crossed.nodes["ee-1"], "pt-1:ana")
    (compared,) = await report(crossed)
    assert not compared["both_say_the_same"]
    assert {each["name"] for each in compared["only_here"]} == {"Mari Tamm"}


async def test_a_node_that_is_not_the_patients_home_is_told_nothing(crossed):
    """ee-1 asks pt-1 about "ana": at pt-1 that is a patient of ee-1, of whom it knows nothing."""
    abroad = crossed.nodes["ee-1"]
    told = await ask_abroad(
        abroad.services.client, crossed.member("pt-1"), abroad.services.keys.federation, "ee-1", "ana",
        now=abroad.services.clock(),
    )  # fmt: skip
    assert told.accesses == []
