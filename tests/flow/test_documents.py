"""A document on its way: received, retrieved byte for byte, replaced by its next version, withdrawn."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

import msgspec
import pytest

from salus.core.access import Action
from salus.core.errors import Gone, InvalidResource, NotFound, UnsupportedMedia
from salus.core.limits import Limits
from salus.intake.admission import Admission
from salus.intake.conditions import lookup_in
from salus.intake.documents import receive_document
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import write_xml
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.extract import compile_indexer
from salus.store import documents, resources
from salus.store.changes import Operation
from salus.store.ledger import decode_entry
from salus.store.rows import make_row

KEY = b"0123456789abcdef"
WHOLE = Admission(resource_types(), resource_types(), confirms=True)
FHIR = "application/fhir+json"


def document(number, *, replaces=None, status="final", conditions=("a",)):
    """Return a FHIR document as bytes with odd spacing, as its sender made it."""
    composition = {
        "resourceType": "Composition",
        "id": f"c{number}",
        "identifier": {"system": "urn:set", "value": "1"},
        "status": status,
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]},
        "subject": {"reference": "urn:uuid:6f1c1a3c-0000-4000-8000-000000000001"},
        "date": "2026-01-02",
        "author": [{"reference": "urn:uuid:6f1c1a3c-0000-4000-8000-000000000002"}],
        "title": "Patient Summary",
    }
    if replaces:
        target = {"system": "urn:documents", "value": replaces}
        composition["relatesTo"] = [{"code": "replaces", "targetIdentifier": target}]
    entries = [
        composition,
        {"resourceType": "Patient", "id": "6f1c1a3c-0000-4000-8000-000000000001", "gender": "female"},
        {"resourceType": "Practitioner", "id": "6f1c1a3c-0000-4000-8000-000000000002"},
        *(
            {
                "resourceType": "Condition",
                "id": f"6f1c1a3c-0000-4000-8000-0000000000{name}0",
                "subject": {"reference": "urn:uuid:6f1c1a3c-0000-4000-8000-000000000001"},
                "code": {"text": name},
            }
            for name in conditions
        ),
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:documents", "value": str(number)},
        "timestamp": "2026-01-02T10:00:00Z",
        "entry": [
            {"fullUrl": f"urn:uuid:{own}", "resource": entry}
            for entry in entries
            for own in [
                f"6f1c1a3c-0000-4000-8000-00000000c{number:03}" if entry is composition else entry["id"]
            ]
        ],
    }
    return json.dumps(bundle, indent=3).encode() + b"\n\n"


@pytest.fixture
def receive(database, grant):
    async def run(body, media_type=FHIR, **more):
        allowed = grant(action=Action.CREATE)
        return await receive_document(
            allowed, database, body, media_type,
            source="urn:hospital:a", key=KEY, limits=Limits(), admission=WHOLE, **more,
        )  # fmt: skip

    return run


@pytest.fixture
def read(database, grant):
    async def run(name):
        kind, own_id = name.split("/")
        return json.loads((await resources.read(grant(), database, kind, own_id)).content)

    return run


async def test_a_document_is_returned_byte_for_byte_beside_what_was_extracted(receive, read, database, grant):
    body = document(1)
    received = await receive(body)
    kept = await documents.retrieve(grant(), database, received.document)
    assert kept.content == body
    assert (kept.media_type, kept.patient) == (FHIR, received.patient)
    described = await read(f"DocumentReference/{received.reference}")
    attachment = described["content"][0]["attachment"]
    assert attachment["url"] == f"Binary/{received.document}"
    assert attachment["size"] == len(body)
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(body).digest()).decode()
    assert described["subject"] == {"reference": f"Patient/{received.patient}"}
    assert described["type"]["coding"][0]["code"] == "60591-5"
    assert {name.partition("/")[0] for name in received.extracted} == {
        "Composition", "Patient", "Practitioner", "Condition", "Provenance",
    }  # fmt: skip


async def test_the_same_document_again_changes_nothing(receive, database):
    first, second = await receive(document(1)), await receive(document(1))
    assert (first.created, second.created) == (True, False)
    assert first.reference == second.reference
    async with database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM document") == 1
        assert await connection.fetchval("SELECT count(*) FROM resource_version") == 0


async def test_a_document_is_written_down_once_for_its_patient(receive, database):
    received = await receive(document(1))
    async with database.system() as connection:
        leaves = [decode_entry(row["entry"]) for row in await connection.fetch("SELECT entry FROM leaf")]
    assert [leaf.patient for leaf in leaves if leaf.patient] == [received.patient]


async def test_xml_is_kept_as_xml_and_read_all_the_same(receive, database, grant):
    body = write_xml(parse_json(document(1), Limits()))
    received = await receive(body, "application/fhir+xml")
    assert (await documents.retrieve(grant(), database, received.document)).content == body
    assert len(received.extracted) == 5  # four entries, and the Provenance of them


async def test_a_replaced_document_is_superseded_and_what_only_it_said_is_no_longer_current(receive, read):
    first = await receive(document(1, conditions=("a", "b")))
    second = await receive(document(2, replaces="1", conditions=("a",)))
    assert second.replaced == (first.reference,)
    assert (await read(f"DocumentReference/{first.reference}"))["status"] == "superseded"
    assert (await read(f"DocumentReference/{second.reference}"))["status"] == "current"
    gone = set(first.extracted) - set(second.extracted)
    assert {name.partition("/")[0] for name in gone} == {"Composition", "Condition", "Provenance"}
    for name in gone:
        with pytest.raises(Gone):
            await read(name)
    assert (await read(next(n for n in second.extracted if n.startswith("Condition"))))["code"]["text"] == "a"


async def test_a_document_entered_in_error_shows_nothing_of_what_it_says(receive, read):
    first = await receive(document(1))
    second = await receive(document(2, replaces="1", status="entered-in-error"))
    assert second.extracted == ()
    assert (await read(f"DocumentReference/{second.reference}"))["status"] == "entered-in-error"
    assert (await read(f"DocumentReference/{first.reference}"))["status"] == "superseded"


async def test_a_document_for_a_known_patient_is_tied_to_that_patient(receive, read, database, grant):
    own = grant(action=Action.CREATE)
    patient = {"resourceType": "Patient", "id": "here"}
    index = compile_indexer("Patient", KEY)(patient)
    row = make_row("Patient", "here", msgspec.json.encode(patient), index=index)
    async with database.writing(own) as connection:
        await resources.apply(own, connection, [Operation("create", "Patient", "here", row)])
    received = await receive(document(1), subject="here")
    assert received.patient == "here"
    assert not [name for name in received.extracted if name.startswith("Patient/")]
    condition = next(name for name in received.extracted if name.startswith("Condition/"))
    assert (await read(condition))["subject"] == {"reference": "Patient/here"}


async def test_any_bytes_are_kept_with_the_senders_description(receive, read, database, grant):
    described = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"text": "Letter"},
        "content": [{"attachment": {"contentType": "application/pdf", "title": "Letter", "data": "eA=="}}],
    }
    body = b"%PDF-1.7\n\x00\xff"
    received = await receive(body, "application/pdf", described=described, subject="p1")
    assert (await documents.retrieve(grant("p1"), database, received.document)).content == body
    attachment = (await read(f"DocumentReference/{received.reference}"))["content"][0]["attachment"]
    assert attachment["title"] == "Letter"
    assert "data" not in attachment
    with pytest.raises(NotFound):
        await documents.retrieve(grant("p2"), database, received.document)


async def test_what_nobody_describes_or_is_invalid_is_refused(receive, database):
    with pytest.raises(UnsupportedMedia):
        await receive(b"%PDF", "application/pdf")
    with pytest.raises(InvalidResource, match="status"):
        await receive(document(1, status="nonsense"))
    async with database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM resource") == 0


async def test_a_loaded_document_is_kept_and_superseded_like_a_received_one(database, grant, tmp_path):
    (tmp_path / "1.json").write_bytes(document(1, conditions=("a", "b")))
    (tmp_path / "2.json").write_bytes(document(2, replaces="1"))
    allowed = grant(action=Action.LOAD)
    plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()))
    report = await load_files(allowed, database, find_files([str(tmp_path)], "urn:h"), plan)
    assert (report.read, report.rejected) == (9, 0)
    async with database.system() as connection:
        kept = await connection.fetch("SELECT content FROM document ORDER BY content")
        states = await connection.fetch(
            "SELECT content FROM resource WHERE type = 'DocumentReference' AND NOT deleted"
        )
        current = await connection.fetchval(
            "SELECT count(*) FROM resource WHERE type = 'Condition' AND NOT deleted"
        )
    sent = [document(1, conditions=("a", "b")), document(2, replaces="1")]
    assert sorted(row["content"] for row in kept) == sorted(sent)
    assert sorted(json.loads(row["content"])["status"] for row in states) == ["current", "superseded"]
    assert current == 1


async def test_european_documents_are_taken_and_come_back_as_they_were(receive, database, grant, shared):
    with gzip.open(shared / "data" / "eehrxf" / "synderai" / "EPS.ndjson.gz") as lines:
        for body in [next(lines) for _ in range(3)]:
            received = await receive(body)
            assert received.patient
            assert (await documents.retrieve(grant(), database, received.document)).content == body


@pytest.fixture
def load(database, grant, tmp_path):
    async def run(*bodies):
        allowed = grant(action=Action.LOAD)
        plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()))
        for number, body in enumerate(bodies):
            (tmp_path / f"{number}.json").write_bytes(body)
        names = [str(tmp_path / f"{number}.json") for number in range(len(bodies))]
        return await load_files(allowed, database, find_files(names, "urn:hospital:a"), plan)

    return run


@pytest.fixture
def standing(database):
    """Return a reader of the documents' states by number, and of the current Conditions."""

    async def run():
        async with database.system() as connection:
            described = await connection.fetch(
                "SELECT content FROM resource WHERE type = 'DocumentReference' AND NOT deleted"
            )
            conditions = await connection.fetch(
                "SELECT content FROM resource WHERE type = 'Condition' AND NOT deleted"
            )
        found = [json.loads(row["content"]) for row in described]
        states = {one["masterIdentifier"]["value"]: one["status"] for one in found}
        return states, sorted(json.loads(row["content"])["code"]["text"] for row in conditions)

    return run


def amended(number, date, status="amended", conditions=("c",)):
    """Return a later version that says so only by its Composition.identifier and date."""
    bundle = json.loads(document(number, conditions=conditions, status=status))
    bundle["entry"][0]["resource"]["date"] = date
    return json.dumps(bundle).encode()


@pytest.mark.parametrize("order", [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)])
@pytest.mark.parametrize("way", ["received", "loaded", "loaded at once"])
async def test_in_whatever_order_versions_arrive_the_last_one_is_current(order, way, receive, load, standing):
    bodies = {
        1: document(1, conditions=("a", "b")),
        2: document(2, replaces="1", conditions=("a", "c")),
        3: document(3, replaces="2", conditions=("c",)),
    }
    arriving = [bodies[number] for number in order]
    # The middle one may be the last to come: that 3 follows 1 is told by their identifier and dates.
    for number, body in enumerate(arriving):
        bundle = json.loads(body)
        bundle["entry"][0]["resource"]["date"] = f"2026-01-0{order[number]}"
        arriving[number] = json.dumps(bundle).encode()
    expected = ({"1": "superseded", "2": "superseded", "3": "current"}, ["c"])
    for _ in range(2):
        if way == "loaded at once":
            await load(*arriving)
        else:
            for body in arriving:
                await (load(body) if way == "loaded" else receive(body))
        assert await standing() == expected


@pytest.mark.parametrize("status", ["final", "amended", "entered-in-error"])
@pytest.mark.parametrize("is_reversed", [False, True])
async def test_a_later_version_of_one_composition_supersedes_the_older_without_relates_to(
    status, is_reversed, receive, standing
):
    bodies = [document(1), amended(2, "2026-01-03", status)]
    for body in reversed(bodies) if is_reversed else bodies:
        await receive(body)
    withdrawn = status == "entered-in-error"
    assert await standing() == (
        {"1": "superseded", "2": status if withdrawn else "current"},
        [] if withdrawn else ["c"],
    )


async def test_a_replaced_document_loaded_again_stays_replaced(load, receive, standing):
    first, second = document(1, conditions=("a", "b")), document(2, replaces="1", conditions=("a",))
    await load(first)
    await load(second)
    before = await standing()
    again = await load(first)
    assert (again.stored, again.unchanged, again.withdrawn) == (0, 5, 0)
    await receive(first)
    assert await standing() == before == ({"1": "superseded", "2": "current"}, ["a"])


async def test_a_new_document_may_say_again_what_a_former_one_said(load, standing):
    await load(document(1, conditions=("a",)))
    await load(document(2, replaces="1", conditions=("b",)))
    await load(document(3, replaces="2", conditions=("a",)))
    assert (await standing())[1] == ["a"]


async def test_what_two_former_versions_said_is_gone_with_the_third(load, standing):
    for number in (1, 2):
        await load(document(number, replaces=str(number - 1), conditions=("a",)))
    await load(document(3, replaces="2", conditions=("b",)))
    assert (await standing())[1] == ["b"]


async def test_the_report_counts_what_a_withdrawal_wrote(load):
    await load(document(1))
    report = await load(document(2, replaces="1", status="entered-in-error"))
    assert (report.read, report.stored, report.documents) == (4, 4, 1)
    assert report.withdrawn == 4  # the document, its Composition, its Condition, and their Provenance


async def test_a_deleted_document_stays_deleted_when_it_arrives_again(receive, load, database, grant):
    received = await receive(document(1))
    allowed = grant(action=Action.DELETE)
    condition = next(name for name in received.extracted if name.startswith("Condition/"))
    for name in (f"DocumentReference/{received.reference}", condition):
        await resources.delete(allowed, database, *name.split("/"))
    assert not (await receive(document(1))).created
    assert (await load(document(1))).stored == 0
    # Nor does a later document bring back what was deleted by hand, rather than by a document.
    await load(document(2, replaces="1"))
    with pytest.raises(Gone):
        await resources.read(grant(), database, *condition.split("/"))


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["former first", "successor first"])
async def test_a_loaded_description_that_replaces_another_supersedes_it(load, standing, order):
    def described(number, **more):
        return {
            "resourceType": "DocumentReference",
            "id": str(number),
            "status": "current",
            "masterIdentifier": {"system": "urn:m", "value": str(number)},
            "subject": {"reference": "Patient/p"},
            "content": [{"attachment": {"contentType": "text/plain", "url": "https://x.example/1"}}],
        } | more

    replaces = {"code": "replaces", "target": {"reference": "DocumentReference/1"}}
    sent = {1: described(1), 2: described(2, relatesTo=[replaces])}
    person = {"resourceType": "Patient", "id": "p"}
    await load(json.dumps(person).encode(), *(json.dumps(sent[number]).encode() for number in order))
    assert (await standing())[0] == {"1": "superseded", "2": "current"}


def letter(number, *, day, conditions):
    """Return a document of its own, whose entries have urns of the day and the source's numbers."""
    body = json.loads(document(number))
    composition = body["entry"][0]["resource"]
    composition["identifier"] = {"system": "urn:set", "value": f"letter-{number}"}
    composition["date"], body["timestamp"] = f"2026-01-{day:02}", f"2026-01-{day:02}T10:00:00Z"
    del body["entry"][3:]
    for place, (code, text) in enumerate(conditions):
        own_id = f"7a2c1a3c-0000-4000-8000-{number:06}{place:06}"
        held = {
            "resourceType": "Condition",
            "id": own_id,
            "identifier": [{"system": "urn:hospital:problems", "value": code}],
            "subject": {"reference": "urn:uuid:6f1c1a3c-0000-4000-8000-000000000001"},
            "code": {"text": text},
        }
        body["entry"].append({"fullUrl": f"urn:uuid:{own_id}", "resource": held})
    reason = {
        "resourceType": "Procedure",
        "id": f"8a2c1a3c-0000-4000-8000-00000000000{number}",
        "status": "completed",
        "subject": {"reference": "urn:uuid:6f1c1a3c-0000-4000-8000-000000000001"},
        "reasonReference": [{"reference": f"urn:uuid:7a2c1a3c-0000-4000-8000-{number:06}000000"}],
    }
    body["entry"].append({"fullUrl": f"urn:uuid:{reason['id']}", "resource": reason})
    return json.dumps(body).encode()


def of_kind(received, kind):
    return sorted(name for name in received.extracted if name.startswith(kind))


async def test_an_entry_of_the_same_number_is_linked_and_its_later_word_counts(receive, read):
    first = await receive(letter(1, day=1, conditions=[("P-1", "asthma"), ("P-2", "gout")]))
    second = await receive(letter(2, day=2, conditions=[("P-1", "asthma, mild"), ("P-3", "fracture")]))
    (linked,) = set(of_kind(first, "Condition")) & set(of_kind(second, "Condition"))
    assert (await read(linked))["code"]["text"] == "asthma, mild"
    (procedure,) = of_kind(second, "Procedure")
    assert (await read(procedure))["reasonReference"] == [{"reference": linked}]
    assert (await read(f"DocumentReference/{first.reference}"))["status"] == "current"


async def test_the_word_of_an_older_document_changes_nothing_of_a_later_one(receive, read):
    later = await receive(letter(2, day=2, conditions=[("P-1", "asthma, mild")]))
    older = await receive(letter(1, day=1, conditions=[("P-1", "asthma")]))
    (condition,) = of_kind(later, "Condition")
    assert of_kind(older, "Condition") == [condition]
    assert (await read(condition))["code"]["text"] == "asthma, mild"
    (procedure,) = of_kind(older, "Procedure")
    assert (await read(procedure))["reasonReference"] == [{"reference": condition}]


async def test_a_number_that_names_two_entries_links_none(receive):
    first = await receive(letter(1, day=1, conditions=[("P-1", "asthma"), ("P-1", "gout")]))
    second = await receive(letter(2, day=2, conditions=[("P-1", "asthma")]))
    assert set(of_kind(first, "Condition")).isdisjoint(of_kind(second, "Condition"))


async def test_what_two_documents_say_stays_while_one_of_them_stands(receive, read):
    first = await receive(letter(1, day=1, conditions=[("P-1", "asthma")]))
    second = await receive(letter(2, day=2, conditions=[("P-1", "asthma")]))
    (condition,) = of_kind(first, "Condition")
    assert of_kind(second, "Condition") == [condition]
    correction = json.loads(letter(3, day=3, conditions=[]))
    target = {"identifier": {"system": "urn:documents", "value": "1"}}
    relation = {"code": "replaces", "targetIdentifier": target["identifier"]}
    correction["entry"][0]["resource"]["relatesTo"] = [relation]
    third = await receive(json.dumps(correction).encode())
    assert third.replaced == (first.reference,)
    assert (await read(condition))["code"]["text"] == "asthma"


async def test_a_loaded_document_links_too_and_counts_what_is_linked(load, database):
    await load(letter(1, day=1, conditions=[("P-1", "asthma")]))
    report = await load(letter(2, day=2, conditions=[("P-1", "asthma"), ("P-2", "gout")]))
    assert (report.read, report.stored + report.unchanged, report.rejected) == (6, 6, 0)
    async with database.system() as connection:
        query = "SELECT count(*) FROM resource WHERE type = 'Condition' AND NOT deleted"
        assert await connection.fetchval(query) == 2
