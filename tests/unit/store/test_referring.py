"""What refers to a restricted resource is hidden with it, now and later (EHDS 8)."""

import asyncio
import random

import asyncpg
import msgspec
import pytest

from salus.core.access import Action, Role
from salus.core.errors import NotFound
from salus.standards.fhir.search.index_row import IndexRow
from salus.standards.fhir.search.links import links_of
from salus.standards.fhir.search.references import links_in
from salus.store import bulk, resources
from salus.store.changes import Operation
from salus.store.copying import encode_row
from salus.store.restrictions import lift, restrict
from salus.store.rows import make_row


def holding(kind, identity, text, patient="ana"):
    content = f'{{"resourceType":"{kind}",{text}}}'.encode()
    try:
        resource = msgspec.json.Decoder(float_hook=str).decode(content)
    except RecursionError:  # no door lets it in
        resource = {}
    links, stated = links_of(kind, resource, links_in(resource)[2])
    about = (patient,) if patient else ()
    index = IndexRow(about, None, [], [], [], links=links, links_stated=stated)
    return make_row(kind, identity, content, index=index)


def row(kind, identity, *names, patient="ana"):
    listed = ",".join(f'{{"reference":"{name}"}}' for name in names)
    return holding(kind, identity, f'"result":[{listed}]', patient)


@pytest.fixture
def node(database, grant):
    class Node:
        citizen = grant("ana", role=Role.CITIZEN)

        async def store(self, *rows):
            for one in rows:
                await resources.create(grant(action=Action.LOAD), database, one)

        async def seen(self, kind, identity):
            try:
                await resources.read(grant(role=Role.CLINICIAN), database, kind, identity)
            except NotFound:
                return False
            return True

        async def all_seen(self, rows):
            return [f"{one.type}/{one.id}" for one in rows if await self.seen(one.type, one.id)]

        async def restrict(self, kind, identity):
            return await restrict(self.citizen, database, kind, identity)

        async def lift(self, kind, identity):
            return await lift(self.citizen, database, kind, identity)

    return Node()


@pytest.mark.clause("EHDS 8")
async def test_a_report_goes_and_comes_with_its_result(node):
    await node.store(
        row("Observation", "o1"),
        row("Observation", "o11"),
        row("DiagnosticReport", "r1", "Observation/o1"),
        row("DiagnosticReport", "r2", "Observation/o11"),
        row("DiagnosticReport", "r3", "Observation/o1", patient="ben"),
    )
    assert await node.restrict("Observation", "o1") == 2
    assert not await node.seen("DiagnosticReport", "r1")
    assert await node.seen("DiagnosticReport", "r2")
    assert await node.seen("DiagnosticReport", "r3")
    assert await node.lift("Observation", "o1") == 2
    assert await node.seen("DiagnosticReport", "r1")


@pytest.mark.clause("EHDS 8")
async def test_a_report_written_later_is_hidden_too(node, database, grant):
    await node.store(row("Observation", "o1"), row("DiagnosticReport", "r1"))
    await node.restrict("Observation", "o1")
    await node.store(row("DiagnosticReport", "r2", "Observation/o1/_history/1"))
    await resources.update(grant(), database, row("DiagnosticReport", "r1", "Observation/o1"))
    assert not await node.seen("DiagnosticReport", "r1")
    assert not await node.seen("DiagnosticReport", "r2")


@pytest.mark.clause("EHDS 8")
async def test_a_report_that_named_it_in_an_earlier_version_is_hidden_too(node, database, grant):
    await node.store(row("Observation", "o1"), row("DiagnosticReport", "r1", "Observation/o1"))
    await resources.update(grant(), database, row("DiagnosticReport", "r1"))
    await node.restrict("Observation", "o1")
    assert not await node.seen("DiagnosticReport", "r1")


@pytest.mark.clause("EHDS 8")
async def test_what_is_restricted_for_itself_or_names_another_stays_hidden(node):
    await node.store(
        row("Observation", "o1"),
        row("Observation", "o2"),
        row("DiagnosticReport", "r1", "Observation/o1"),
        row("DiagnosticReport", "r2", "Observation/o1", "Observation/o2"),
    )
    await node.restrict("DiagnosticReport", "r1")
    await node.restrict("Observation", "o1")
    await node.restrict("Observation", "o2")
    await node.lift("Observation", "o1")
    assert [await node.seen("DiagnosticReport", name) for name in ("r1", "r2")] == [False, False]
    assert await node.seen("Observation", "o1")
    await node.lift("Observation", "o2")
    await node.lift("DiagnosticReport", "r1")
    assert [await node.seen("DiagnosticReport", name) for name in ("r1", "r2")] == [True, True]


CHAIN = (
    row("Observation", "o1"),
    row("DiagnosticReport", "r1", "Observation/o1"),
    row("List", "l1", "DiagnosticReport/r1"),
    row("Composition", "c1", "List/l1"),
    row("Bundle", "b1", "https://node.test/fhir/Composition/c1", patient=""),
    row("DocumentReference", "d1", "Bundle/b1"),
    row("Provenance", "p1", "DocumentReference/d1/_history/2", patient=""),
)
APART = (row("Observation", "o2"), row("List", "l2", "Observation/o2"), row("Provenance", "p2", patient=""))


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("restricted_first", [True, False])
async def test_what_refers_by_way_of_others_goes_and_comes_too(node, restricted_first):
    await node.store(*APART)
    if restricted_first:
        await node.store(CHAIN[0])
        await node.restrict("Observation", "o1")
        await node.store(*CHAIN[1:])
    else:
        await node.store(*CHAIN)
        assert await node.restrict("Observation", "o1") == len(CHAIN)
    assert await node.all_seen((*CHAIN, *APART)) == await node.all_seen(APART) != []
    assert await node.lift("Observation", "o1") == len(CHAIN)
    assert await node.all_seen(CHAIN) == [f"{one.type}/{one.id}" for one in CHAIN]


async def test_what_is_written_in_one_transaction_is_followed_in_any_order(node, database, grant):
    await node.store(CHAIN[0])
    await node.restrict("Observation", "o1")

    async def work(connection):
        operations = [Operation("create", one.type, one.id, one) for one in reversed(CHAIN[1:])]
        return await resources.apply(grant(), connection, operations, what="Bundle")

    await resources.transact(grant(), database, work)
    assert await node.all_seen(CHAIN) == []


async def test_a_reference_added_later_hides_what_already_refers_to_the_holder(node, database, grant):
    await node.store(row("Observation", "o1"), row("DiagnosticReport", "r1"), *CHAIN[2:])
    await node.restrict("Observation", "o1")
    assert len(await node.all_seen(CHAIN)) == len(CHAIN) - 1
    await resources.update(grant(), database, CHAIN[1])
    assert await node.all_seen(CHAIN) == []


async def test_a_ring_of_references_is_hidden_once_and_shown_whole(node):
    ring = (
        row("CarePlan", "a", "CarePlan/c"),
        row("CarePlan", "b", "CarePlan/a"),
        row("CarePlan", "c", "CarePlan/b"),
    )
    await node.store(*ring, row("CarePlan", "tail", "CarePlan/b"))
    assert await node.restrict("CarePlan", "a") == 4
    assert await node.all_seen(ring) == []
    assert await node.lift("CarePlan", "a") == 4
    assert len(await node.all_seen(ring)) == 3


WAYS_OF_NAMING = {
    "escaped": '"subject":{"reference":"Observation\\/o1"}',
    "letter by letter": '"subject":{"reference":"\\u004fbservation/o1"}',
    "of one version": '"focus":{"reference":"Observation/o1/_history/3"}',
    "a part": '"focus":{"reference":"Observation/o1#part"}',
    "absolute": '"focus":{"reference":"https://node.test/fhir/Observation/o1"}',
    "contained": '"contained":[{"resourceType":"List","entry":[{"item":{"reference":"Observation/o1"}}]}]',
    "in the text": '"text":{"div":"<div><a href=\\"Observation/o1\\">x</a></div>"}',
    "in an extension": '"extension":[{"url":"urn:x","valueReference":{"reference":"Observation/o1"}}]',
    "beside a number no jsonb holds": '"n":1e999999,"focus":{"reference":"Observation\\/o1"}',
    "letter by letter beside one": '"n":[-1.5e+999999],"focus":{"reference":"\\u004fbservation\\u002fo1"}',
    "beside a character no jsonb holds": '"x":"\\\\\\u0000","focus":{"reference":"Observation\\u002fo1"}',
    "in the text, single quotes": '"text":{"div":"<div><a href=\'http://x.test/Observation/o1\'>x</a></div>"}',
    "in words": '"note":[{"text":"See (Observation/o1), and repeat it."}]',
    "at the end of words": '"note":[{"text":"As in Observation/o1."}]',
}


@pytest.mark.parametrize("text", WAYS_OF_NAMING.values(), ids=WAYS_OF_NAMING)
async def test_every_way_of_naming_counts(node, text):
    named = holding("Flag", "f1", text)
    await node.store(row("Observation", "o1"), named, holding("Flag", "f2", text.replace("o1", "o11")))
    assert await node.restrict("Observation", "o1") == 2
    assert not await node.seen("Flag", "f1")
    assert await node.seen("Flag", "f2")


async def test_a_bundle_with_a_copy_of_it_is_hidden(node):
    copy = '"entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Observation","id":"o1"}}]'
    nested = copy.replace('{"resourceType":"Observation","id":"o1"}', f'{{"resourceType":"Bundle",{copy}}}')
    bundles = [holding("Bundle", "b1", copy, ""), holding("Bundle", "b2", nested, "")]
    other = holding("Bundle", "b3", copy.replace("o1", "o2"), "")
    await node.store(row("Observation", "o1"), *bundles, other)
    assert await node.restrict("Observation", "o1") == 3
    assert await node.all_seen([*bundles, other]) == ["Bundle/b3"]


SCRIPT = "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9F00), k=1_900)))
"""5,700 bytes that do not compress: more than an index takes."""


@pytest.mark.parametrize(
    "text",
    [
        f'"x":"A{SCRIPT}/o1"',
        '"entry":[{"resource":{"resourceType":"%s","id":"o1"}}]' % ("A" * 9_000),
        '"entry":[{"resource":{"resourceType":7,"id":{}}},{"resource":"x"},{"resource":null}]',
        '"x":' + "[" * 20_000 + "]" * 20_000,
        '"x":"\\u0000"',
    ],
    ids=["long", "long copy", "no resource", "deep", "nul"],
)
async def test_what_only_looks_like_a_name_holds_up_no_write(node, text):
    await node.store(holding("Bundle", "b1", text, ""))
    assert await node.seen("Bundle", "b1")


async def test_an_attachment_goes_with_its_holder_and_the_holder_with_it(node):
    attached = holding("Binary", "x1", '"data":"AAAA"', "")
    holder = holding("DocumentReference", "d1", '"content":[{"attachment":{"url":"Binary/x1"}}]')
    governed = holding("Binary", "x2", '"securityContext":{"reference":"DocumentReference/d1"}', "")
    await node.store(attached, holder, governed)
    assert await node.restrict("DocumentReference", "d1") == 3
    assert await node.all_seen([attached, holder, governed]) == []
    assert await node.lift("DocumentReference", "d1") == 3
    assert len(await node.all_seen([attached, holder, governed])) == 3


async def test_what_belongs_to_two_patients_restrictions_stays_hidden_until_both_are_lifted(node, grant):
    both = row("Provenance", "p1", "Observation/o1", "Observation/o2", patient="")
    await node.store(row("Observation", "o1"), row("Observation", "o2", patient="ben"), both)
    await node.restrict("Observation", "o1")
    ana, node.citizen = node.citizen, grant("ben", role=Role.CITIZEN)
    assert await node.restrict("Observation", "o2") == 1
    assert await node.lift("Observation", "o2") == 1
    assert not await node.seen("Provenance", "p1")
    node.citizen = ana
    assert await node.lift("Observation", "o1") == 2
    assert await node.seen("Provenance", "p1")


async def test_lifting_what_was_not_asked_for_changes_nothing(node):
    await node.store(row("Observation", "o1"), row("DiagnosticReport", "r1", "Observation/o1"))
    await node.restrict("Observation", "o1")
    assert await node.lift("DiagnosticReport", "r1") == 0
    assert not await node.seen("DiagnosticReport", "r1")


async def test_a_merged_persons_records_are_one(node, database):
    await node.store(row("Observation", "o1"), row("List", "l1", "Observation/o1", patient="ana2"))
    async with database.system() as connection:
        await connection.execute(
            "INSERT INTO duplicate (patient, other, reason, score, state, proposed_at, survivor)"
            " VALUES ('ana', 'ana2', '', 1, 'merged', now(), 'ana')"
        )
    assert await node.restrict("Observation", "o1") == 2
    assert not await node.seen("List", "l1")


async def test_a_connection_bound_to_one_patient_sets_no_others_restriction(node, database, grant):
    await node.store(row("Observation", "o1", patient="ben"))
    async with database.reading(grant("ana", role=Role.CITIZEN)) as connection:
        for call in (
            "SELECT set_restriction('{ben}', 'Observation/o1', true, now())",
            "SELECT * FROM preview_restriction('{ben}', 'Observation/o1')",
            "SELECT hide_restricted('{ben}', now())",
            "SELECT show_unrestricted('{Observation/o1}')",
            "SELECT restriction_reach('{ben}', '{Observation/o1}')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(call)
    assert await node.seen("Observation", "o1")


async def test_a_writer_under_way_and_a_restriction_do_not_miss_each_other(node, database, grant):
    """The report is written, not yet committed, when its result is restricted."""
    await node.store(row("Observation", "o1"))
    async with database.writing(grant()) as connection:
        report = row("DiagnosticReport", "r1", "Observation/o1")
        await resources.apply(grant(), connection, [Operation("create", report.type, report.id, report)])
        restricting = asyncio.create_task(node.restrict("Observation", "o1"))
        async with database.system() as watching:
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            for _ in range(100_000):
                if await watching.fetchval(waiting):
                    break
    assert await restricting == 2
    assert not await node.seen("DiagnosticReport", "r1")


async def test_a_load_under_way_and_a_restriction_do_not_miss_each_other(node, database, grant):
    await node.store(row("Observation", "o1"))
    report = row("DiagnosticReport", "r1", "Observation/o1")
    loading = grant(action=Action.LOAD)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with (
        database.system() as watching, database.loading(loading) as connection, connection.transaction()
    ):  # fmt: skip
        await bulk.load(loading, connection, [encode_row(report, ("ana",), loading.opened_at)])
        restricting = asyncio.create_task(node.restrict("Observation", "o1"))
        for _ in range(100_000):
            if await watching.fetchval(waiting) or restricting.done():
                break
    assert await restricting == 2
    assert not await node.seen("DiagnosticReport", "r1")


async def test_a_load_of_many_patients_takes_few_locks(database, grant):
    loading = grant(action=Action.LOAD)
    rows = [row("Observation", f"o{number}", patient=f"p{number}") for number in range(300)]
    async with database.loading(loading) as connection, connection.transaction():
        encoded = [encode_row(one, (one.compartment,), loading.opened_at) for one in rows]
        await bulk.load(loading, connection, encoded, continued=True)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        assert await connection.fetchval(locks) <= 70


async def test_the_index_of_links_is_built_and_analysed_while_there_are_rows(node, database_url):
    await node.store(row("Provenance", "p1", "Observation/o1", patient=""))
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("REINDEX INDEX resource_outside_links; ANALYZE resource")
    finally:
        await connection.close()
