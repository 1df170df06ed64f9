"""One operator's path: load files, load them again, be killed and go on, find what was rejected, mend it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from datetime import date

import msgspec
import pytest

from salus.cli.load import _sentence
from salus.core.access import Action
from salus.core.errors import Conflict, InvalidResource
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files
from salus.intake.retry import correct, retry
from salus.intake.synth.generator import synthesize
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.store import persons, quarantine, resources
from salus.store.changes import Operation
from salus.store.ledger import decode_entry
from salus.store.retention import expire_quarantine
from salus.store.rows import make_row
from salus.store.search import find_ids

KEY = b"0123456789abcdef"
ESTONIAN = "https://fhir.ee/sid/pid/est/ni"
encode = msgspec.json.Encoder(decimal_format="number").encode


@pytest.fixture
def load(database, grant):
    async def run(*paths, source="urn:hospital:a", lenient=False, request="load-1", limits=None, **plan):
        allowed = grant(action=Action.LOAD, request=request)
        limits = limits or Limits()
        lookup = lookup_in(allowed, database, KEY, limits)
        files = find_files([str(path) for path in paths], source)
        return await load_files(allowed, database, files, Plan(KEY, limits, lookup, lenient, **plan))

    return run


@pytest.fixture
def rows(database):
    async def run(statement, *arguments):
        async with database.system() as connection:
            return await connection.fetch(statement, *arguments)

    return run


def write(path, *contents):
    path.write_bytes(b"\n".join(encode(content) for content in contents) + b"\n")
    return path


def patient(number, **more):
    return {"resourceType": "Patient", "id": str(number), "gender": "female", **more}


def observation(number, subject, value="72.50"):
    return {
        "resourceType": "Observation",
        "id": str(number),
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": subject},
        "valueQuantity": {"value": float(value), "unit": "kg"},
    }


def transaction(*resources, kind="transaction"):
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": resource,
                **(
                    {"request": {"method": "POST", "url": resource["resourceType"]}}
                    if kind == "transaction"
                    else {}
                ),
            }
            for resource in resources
        ],
    }


async def test_the_same_files_twice_change_nothing(load, rows, tmp_path):
    file = write(tmp_path / "a.ndjson", *synthesize(5, "EE", 1, date(2026, 3, 1)))
    first = await load(file)
    before = await rows("SELECT type, id, version, digest FROM resource ORDER BY 1, 2")
    second = await load(file)
    assert first.read == first.stored > 100
    assert (second.stored, second.unchanged, second.rejected) == (0, first.read, 0)
    assert before == await rows("SELECT type, id, version, digest FROM resource ORDER BY 1, 2")


async def test_changed_content_becomes_the_next_version_and_the_old_one_is_history(load, rows, tmp_path):
    await load(write(tmp_path / "a.ndjson", patient(1)))
    report = await load(write(tmp_path / "b.ndjson", patient(1, active=True), patient(2)))
    assert (report.stored, report.unchanged) == (2, 0)
    assert [row["version"] for row in await rows("SELECT version FROM resource ORDER BY 1")] == [1, 2]
    assert len(await rows("SELECT 1 FROM resource_version")) == 1


async def test_national_numbers_that_break_their_rule_are_counted_by_system(load, tmp_path):
    system = "https://fhir.ee/sid/pid/est/ni"
    numbers = ["37605030299", "37605030298", "1"]  # EVS 585: the first one's check digit holds
    file = write(
        tmp_path / "a.ndjson",
        *(patient(n, identifier=[{"system": system, "value": value}]) for n, value in enumerate(numbers)),
        patient(9, identifier=[{"system": "urn:other", "value": "1"}]),
    )
    report = await load(file)
    assert (report.stored, report.doubtful_numbers) == (4, {system: 2})


async def test_search_parameters_are_stored_and_said_not_to_be_active(load, rows, tmp_path):
    parameter = {
        "resourceType": "SearchParameter",
        "url": "https://hospital.test/SearchParameter/nickname",
        "name": "Nickname",
        "status": "active",
        "description": "What friends say",
        "code": "nickname",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.name.where(use = 'nickname').given",
    }
    file = write(tmp_path / "a.ndjson", patient(1), parameter)
    assert (await load(file)).search_parameters == 1
    assert (await load(file)).search_parameters == 0
    assert await rows("SELECT 1 FROM search_parameter") == []


def prescription(number, status="active", **more):
    return {
        "resourceType": "MedicationRequest",
        "id": str(number),
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": "x"},
        "subject": {"reference": "Patient/1"},
        **more,
    }


@pytest.fixture
def edit(database, grant, rows):
    """Return what writes or deletes (content None) the only resource of a type, as REST does."""

    async def run(kind, content):
        (row,) = await rows("SELECT id, source, source_id FROM resource WHERE type = $1", kind)
        allowed = grant(action=Action.UPDATE)
        new = None
        if content is not None:
            index = compile_indexer(kind, KEY)(content)
            new = make_row(kind, row["id"], encode(content), index=index, source=row["source"])
        operation = Operation("delete" if new is None else "update", kind, row["id"], new)
        async with database.writing(allowed) as connection:
            await resources.apply(allowed, connection, [operation])

    return run


async def current(rows, kind):
    (row,) = await rows("SELECT deleted, version, content FROM resource WHERE type = $1", kind)
    return None if row["deleted"] else json.loads(row["content"])


async def test_the_same_file_again_does_not_undo_what_was_done_here(load, edit, rows, tmp_path):
    file = write(tmp_path / "a.ndjson", patient(1), prescription(1))
    await load(file)
    await edit("MedicationRequest", prescription(1, "completed"))
    await edit("Patient", None)
    report = await load(file)
    assert (report.stored, report.unchanged, report.kept) == (0, 2, 0)
    assert (await current(rows, "MedicationRequest"))["status"] == "completed"
    assert await current(rows, "Patient") is None


async def test_new_content_for_what_was_edited_or_deleted_here_is_reported_and_waits_for_leave(
    load, edit, rows, tmp_path
):
    await load(write(tmp_path / "a.ndjson", patient(1), prescription(1)))
    await edit("MedicationRequest", prescription(1, "completed"))
    await edit("Patient", None)
    newer = write(tmp_path / "b.ndjson", patient(1, active=True), prescription(1, priority="urgent"))
    report = await load(newer)
    assert (report.read, report.stored, report.kept) == (2, 0, 2)
    assert sorted(name.partition("/")[0] for name in report.kept_names) == ["MedicationRequest", "Patient"]
    assert (await current(rows, "MedicationRequest"))["status"] == "completed"
    assert await current(rows, "Patient") is None
    assert (await load(newer, overwrite=True)).stored == 2
    assert (await current(rows, "MedicationRequest"))["priority"] == "urgent"
    assert (await current(rows, "Patient"))["active"] is True


async def test_an_older_export_does_not_win_over_a_newer_one(load, rows, tmp_path):
    newer, older = (
        prescription(1, "active", meta={"lastUpdated": at}, note=[{"text": at}])
        for at in ("2026-11-20T00:00:00Z", "2026-11-01T00:00:00+01:00")
    )
    await load(write(tmp_path / "a.ndjson", patient(1), newer))
    again = await load(write(tmp_path / "a.ndjson", older))
    assert (again.stored, again.kept) == (0, 1)
    assert again.kept_names
    (current,) = await rows("SELECT version, content FROM resource WHERE type = 'MedicationRequest'")
    assert (current["version"], b"11-20" in bytes(current["content"])) == (1, True)
    forced = await load(write(tmp_path / "a.ndjson", older), overwrite=True)
    assert forced.stored == 1


def history(*entries):
    return {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": list(entries)}


def was(resource, at, method="PUT"):
    entry = {
        "fullUrl": f"http://h/{resource['resourceType']}/{resource['id']}",
        "request": {"method": method, "url": f"{resource['resourceType']}/{resource['id']}"},
        "response": {"status": "200", "lastModified": at},
    }
    return entry if method == "DELETE" else {**entry, "resource": resource}


async def test_of_a_history_the_newest_version_is_current(load, rows, tmp_path):
    stopped, active = prescription(1, "stopped"), prescription(1, "active")
    bundle = history(was(stopped, "2026-11-20T00:00:00Z"), was(active, "2026-11-01T00:00:00Z"))
    report = await load(write(tmp_path / "h.json", bundle))
    assert (report.read, report.stored, report.kept, report.rejected) == (2, 1, 1, 0)
    (found,) = await rows("SELECT version, content FROM resource WHERE type = 'MedicationRequest'")
    assert (found["version"], b"stopped" in bytes(found["content"])) == (1, True)


async def test_of_a_history_what_was_deleted_last_is_not_brought_to_life(load, rows, tmp_path):
    active = prescription(1, "active")
    bundle = history(
        was(active, "2026-11-20T00:00:00Z", "DELETE"), was(active, "2026-11-01T00:00:00Z", "POST")
    )
    report = await load(write(tmp_path / "h.json", bundle))
    assert (report.stored, report.kept, report.rejected, report.quarantine) == (0, 1, 1, 1)
    assert await rows("SELECT FROM resource WHERE type = 'MedicationRequest'") == []


def changed(status, at="", version=""):
    said = {key: text for key, text in (("lastUpdated", at), ("versionId", version)) if text}
    return prescription(1, status, **({"meta": said} if said else {}))


@pytest.mark.parametrize(
    ("deleted_at", "later", "fate"),
    [
        ("2026-11-20T00:00:00Z", changed("active", "2026-11-01T00:00:00Z", "1"), "kept"),
        ("2026-11-20T00:00:00Z", changed("active", "2026-11-20T00:30:00+01:00", "9"), "kept"),
        ("2026-11-20T00:00:00Z", changed("active"), "kept"),
        ("2026-11-20T00:00:00Z", changed("active", "2026-11-20T00:00:01Z"), "stored"),
        ("", changed("active", "2026-11-01T00:00:00Z"), "kept"),
    ],
)
async def test_an_export_older_than_a_deletion_brings_nothing_back(
    load, rows, tmp_path, deleted_at, later, fate
):
    gone = was(prescription(1), deleted_at, "DELETE")
    if not deleted_at:
        del gone["response"]["lastModified"]
    for _ in range(2):  # the history loaded again says no more
        await load(write(tmp_path / "h.json", history(gone)), source="http://h")
    report = await load(file := write(tmp_path / "o.ndjson", later), source="http://h")
    assert getattr(report, fate) == 1
    assert len(report.kept_names) == (fate == "kept")
    assert len(await rows("SELECT FROM resource")) == (fate == "stored")
    await load(file, source="http://h", overwrite=True)
    assert len(await rows("SELECT FROM resource")) == 1


async def test_the_last_deletion_of_several_histories_holds(load, rows, tmp_path):
    for name, at in (("a", "2026-11-20T00:00:00Z"), ("b", "2026-11-10T00:00:00Z")):
        bundle = history(was(prescription(1), at, "DELETE"))
        await load(write(tmp_path / f"{name}.json", bundle), source="http://h")
    between = write(tmp_path / "o.ndjson", changed("active", "2026-11-15T00:00:00Z"))
    assert (await load(between, source="http://h")).kept == 1
    assert await rows("SELECT FROM resource") == []


async def test_a_deletion_that_names_no_resource_of_its_source_is_only_listed(load, rows, tmp_path):
    gone = was(prescription(1), "2026-11-20T00:00:00Z", "DELETE") | {"fullUrl": "urn:oid:2.999.1"}
    gone["request"]["url"] = "not a name"
    report = await load(write(tmp_path / "h.json", history(gone)))
    assert report.quarantine == 1
    assert await rows("SELECT FROM source_deletion") == []


@pytest.mark.parametrize(
    ("first", "second", "fate"),
    [
        (changed("stopped", "2026-11-20T00:00:00Z", "9"), changed("active", version="1"), "kept"),
        (changed("stopped", "2026-11-20T00:00:00Z", "9"), changed("active", version="10"), "stored"),
        (changed("stopped", version="W9"), changed("active", version="W1"), "stored"),
        # Two clocks that both speak: the time decides, as a restored server counts anew.
        (
            changed("stopped", "2026-11-01T00:00:00Z", "9"),
            changed("active", "2026-11-20T00:00:00Z", "1"),
            "stored",
        ),
    ],
)
async def test_where_no_time_tells_the_sources_version_does(load, tmp_path, first, second, fate):
    await load(write(tmp_path / "a.ndjson", first))
    assert getattr(await load(write(tmp_path / "b.ndjson", second)), fate) == 1


async def test_what_came_after_a_rejection_is_not_undone_by_its_correction(
    load, pieces, mend, rows, tmp_path
):
    await pieces(encode(changed("nonsense")))
    await rows("UPDATE quarantine SET arrived_at = arrived_at - interval '1 day'")
    [refused] = await pieces()
    await load(write(tmp_path / "b.ndjson", changed("stopped")))
    report = await mend(refused, encode(changed("active")))
    assert (report.stored, report.kept) == (0, 1)
    assert (await current(rows, "MedicationRequest"))["status"] == "stopped"
    [after] = await pieces()
    assert "came later" in after.rejection.outcome.decode()


async def test_two_contents_under_one_id_come_to_rest(load, rows, tmp_path):
    together = write(tmp_path / "a.ndjson", patient(1), patient(1, active=True))
    apart = write(tmp_path / "b.ndjson", patient(1, active=False))
    assert (await load(together, apart)).stored == 3
    for _ in range(2):
        report = await load(together, apart)
        assert (report.stored, report.unchanged) == (0, 3)
    assert (await current(rows, "Patient"))["active"] is False


async def test_the_bytes_stay_as_received_but_for_references(load, rows, tmp_path):
    line = (
        b'{"resourceType" : "Observation", "id":"1","status":"final",'
        b'"code":{"text":"w"},"valueQuantity":{"value":72.50}}'
    )
    (tmp_path / "a.ndjson").write_bytes(line)
    await load(tmp_path / "a.ndjson")
    assert [row["content"] for row in await rows("SELECT content FROM resource")] == [line]


async def test_two_hospitals_patient_1_stay_two_and_by_default_each_folder_is_a_source(load, rows, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "p.ndjson", patient(1), observation(1, "Patient/1"))
    await load(tmp_path, source=None)
    found = await rows("SELECT source, source_id, id FROM resource WHERE type = 'Patient'")
    assert len({row["id"] for row in found}) == 2
    # The path of a folder is nobody's business abroad, where meta.source goes.
    assert all(re.fullmatch("urn:salus:folder:[0-9a-f]{32}", row["source"]) for row in found)
    assert {row["source_id"] for row in found} == {"Patient/1"}
    compartments = await rows("SELECT compartment FROM resource WHERE type = 'Observation'")
    assert {row["compartment"] for row in compartments} == {row["id"] for row in found}


async def test_each_patient_gets_one_leaf_a_batch_in_the_datas_transaction(load, rows, tmp_path):
    file = write(
        tmp_path / "a.ndjson", patient(1), patient(2), *(observation(n, "Patient/1") for n in range(5))
    )
    await load(file)
    leaves = [decode_entry(row["entry"]) for row in await rows("SELECT entry FROM leaf")]
    assert sorted((leaf.action, leaf.resources) for leaf in leaves) == [("load", 1), ("load", 6)]
    await load(file)
    assert len(await rows("SELECT 1 FROM leaf")) == 2


async def test_rejected_lines_go_to_quarantine_and_the_others_are_stored(load, database, grant, tmp_path):
    body = (
        encode(patient(1))
        + b'\n{"resourceType":"Patient","gender":"x"}\n{"resourceType":\n'
        + encode(patient(2))
    )
    (tmp_path / "a.ndjson").write_bytes(body)
    report = await load(tmp_path / "a.ndjson")
    assert (report.read, report.stored, report.rejected, report.quarantine) == (4, 2, 2, 2)
    listed = await quarantine.listed(grant(action=Action.OPEN_QUARANTINE), database)
    assert [(one.rejection.line, one.rejection.type) for one in listed] == [(2, "Patient"), (3, "")]
    issue = json.loads(listed[0].rejection.outcome)["issue"][0]
    assert issue["expression"] == ["Patient.gender"]
    opened = await quarantine.opened(grant(action=Action.OPEN_QUARANTINE), database, listed[1].id)
    assert opened.rejection.content == b'{"resourceType":'
    again = await load(tmp_path / "a.ndjson")
    assert (again.unchanged, again.rejected) == (2, 2)
    assert len(await quarantine.listed(grant(action=Action.OPEN_QUARANTINE), database)) == 2


async def test_what_is_in_quarantine_expires(load, database, grant, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(b"{}")
    await load(tmp_path / "a.ndjson")
    listed = await quarantine.listed(grant(action=Action.OPEN_QUARANTINE), database)
    assert (listed[0].expires_at - listed[0].arrived_at).days == Limits().quarantine_days
    assert await expire_quarantine(database, listed[0].expires_at) == 1
    assert await quarantine.listed(grant(action=Action.OPEN_QUARANTINE), database) == []


@pytest.fixture
def pieces(load, database, grant, tmp_path):
    """Return what loads a text as a file and opens what of it is in quarantine."""

    async def run(text=None, name="a.ndjson"):
        if text is not None:
            (tmp_path / name).write_bytes(text)
            await load(tmp_path / name)
        allowed = grant(action=Action.OPEN_QUARANTINE)
        listed = await quarantine.listed(allowed, database)
        return [await quarantine.opened(allowed, database, one.id) for one in listed]

    return run


@pytest.fixture
def mend(database, grant):
    async def run(kept, correction=None, **how):
        allowed = grant(action=Action.LOAD)
        plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()))
        if correction is None:
            return await retry(allowed, database, plan, [kept])
        return await correct(allowed, database, plan, kept, correction, **how)

    return run


REFUSED = b'{"resourceType":"Patient","id":"1","gender":"x"}'


async def test_a_stored_correction_leaves_what_was_received_beside_it(pieces, mend, rows):
    [kept] = await pieces(REFUSED)
    assert (await mend(kept)).rejected == 1
    [kept] = await pieces()
    report = await mend(kept, encode(patient(1)))
    assert (report.stored, report.rejected) == (1, 0)
    [after] = await pieces()
    assert (after.id, after.rejection.content, after.expires_at) == (kept.id, REFUSED, kept.expires_at)
    told = [issue["severity"] for issue in json.loads(after.rejection.outcome)["issue"]]
    assert told == ["information", "error"]
    assert "Corrected, and stored as Patient/" in after.rejection.outcome.decode()
    assert (await mend(after)).read == 0
    assert [row["source_id"] for row in await rows("SELECT source_id FROM resource")] == ["Patient/1"]


@pytest.mark.parametrize(
    ("correction", "error"),
    [
        (b"{broken", InvalidResource),
        (REFUSED, InvalidResource),
        (b'{"resourceType":"Patient","id":"1","gender":"y"}', InvalidResource),
        (b"{}", InvalidResource),
        (b'{"resourceType":"OperationOutcome","id":"1"}', Conflict),
        (b'{"resourceType":"Organization","id":"1","name":"Hospital"}', Conflict),
        (b'{"resourceType":"Patient","id":"2"}', Conflict),
        (b'<Patient xmlns="http://hl7.org/fhir"><id value="2"/></Patient>', Conflict),
    ],
)
async def test_a_refused_correction_leaves_the_original_as_it_was(pieces, mend, rows, correction, error):
    before = await pieces(REFUSED)
    with pytest.raises(error):
        await mend(before[0], correction)
    assert await pieces() == before
    assert await rows("SELECT 1 FROM resource") == []


async def test_another_resource_is_stored_in_place_of_a_refused_one_when_it_is_said(pieces, mend, rows):
    [kept] = await pieces(REFUSED)
    await mend(kept, encode(patient(2)), other=True)
    assert [row["source_id"] for row in await rows("SELECT source_id FROM resource")] == ["Patient/2"]
    assert [one.rejection.content for one in await pieces()] == [REFUSED]


async def test_the_correction_of_an_entry_keeps_the_name_others_refer_to_it_by(pieces, mend, rows):
    bad = {**patient(1, gender="x")}
    del bad["id"]
    sent = transaction({"id": "p", **bad}, observation(1, "urn:uuid:p"), kind="collection")
    del sent["entry"][0]["resource"]["id"]
    [kept] = await pieces(encode(sent), "c.json")
    await mend(kept, b'{"resourceType":"Patient","gender":"female"}')
    [row] = await rows("SELECT content FROM resource WHERE type = 'Observation'")
    [person] = await rows("SELECT id FROM resource WHERE type = 'Patient'")
    assert json.loads(row["content"])["subject"]["reference"] == f"Patient/{person['id']}"


async def test_a_bundle_whose_target_is_still_missing_stays_in_quarantine(pieces, mend):
    waits = observation(1, "Patient?identifier=urn:ine|7")
    before = await pieces(encode(transaction(waits)), "t.json")
    assert len(before) == 1
    assert (await mend(before[0])).rejected == 1
    assert [(one.id, one.rejection.content) for one in await pieces()] == [
        (one.id, one.rejection.content) for one in before
    ]


async def test_a_transaction_with_one_invalid_entry_is_quarantined_whole(load, rows, tmp_path):
    bad = {**observation(2, "urn:uuid:1"), "status": "nonsense"}
    write(tmp_path / "t.json", transaction(patient(1), observation(3, "urn:uuid:1"), bad))
    report = await load(tmp_path / "t.json")
    assert (report.read, report.stored, report.rejected, report.quarantine) == (3, 0, 3, 1)
    assert await rows("SELECT 1 FROM resource") == []
    lenient = await load(tmp_path / "t.json", lenient=True)
    assert (lenient.read, lenient.stored, lenient.rejected) == (3, 2, 1)


NOWHERE = "urn:uuid:d1111111-0000-4000-8000-00000000dead"


async def test_a_transaction_that_refers_to_nothing_is_quarantined_whole(load, rows, tmp_path):
    good, bad = (transaction(patient(1), observation(2, link)) for link in ("urn:uuid:1", NOWHERE))
    write(tmp_path / "t.json", bad)
    report = await load(tmp_path / "t.json")
    assert (report.read, report.stored, report.rejected, report.quarantine) == (2, 0, 2, 1)
    [kept] = await rows("SELECT outcome FROM quarantine")
    issue = json.loads(kept["outcome"])["issue"][0]
    assert (issue["code"], issue["expression"]) == ("not-found", ["Bundle.entry[1].resource"])
    assert NOWHERE in issue["diagnostics"]
    write(tmp_path / "g.json", good)
    assert (await load(tmp_path / "g.json")).stored == 2


async def test_a_streamed_transaction_that_refers_to_nothing_is_refused_too(load, pieces, mend, tmp_path):
    limits = msgspec.structs.replace(Limits(), document_bytes_max=2_000)
    people = [patient(number) for number in range(60)]
    write(tmp_path / "t.json", transaction(*people, observation(99, NOWHERE)))
    report = await load(tmp_path / "t.json", limits=limits, chunk_units=10)
    assert (report.stored, report.rejected) == (0, 61)
    [kept] = [one for one in await pieces() if one.rejection.content]
    assert (await mend(kept)).rejected == 1
    assert kept.id in [one.id for one in await pieces()]
    lenient = await load(tmp_path / "t.json", limits=limits, chunk_units=10, lenient=True)
    assert (lenient.stored, lenient.dangling) == (61, 1)


@pytest.mark.parametrize("kind", ["collection", "searchset"])
async def test_what_refers_to_nothing_is_counted_where_each_resource_stands_alone(load, tmp_path, kind):
    told = [observation(2, NOWHERE), observation(3, "urn:uuid:1"), observation(4, "urn:oid:2.999.1")]
    write(tmp_path / "c.json", transaction(patient(1), *told, kind=kind))
    report = await load(tmp_path / "c.json")
    assert (report.stored, report.rejected, report.dangling) == (4, 0, 2)


async def test_what_refers_to_nothing_in_ndjson_is_counted(load, tmp_path):
    named = patient(1, identifier=[{"system": "urn:oid:2.999.1", "value": "urn:uuid:1"}])
    write(tmp_path / "n.ndjson", named, observation(2, "Patient/1"), observation(3, NOWHERE))
    report = await load(tmp_path / "n.ndjson")
    assert (report.stored, report.dangling) == (3, 1)


async def test_a_streamed_transaction_is_all_or_nothing_too(load, rows, tmp_path):
    limits = msgspec.structs.replace(Limits(), document_bytes_max=2_000)
    people = [patient(number) for number in range(60)]
    write(tmp_path / "good.json", transaction(*people))
    write(tmp_path / "bad.json", transaction(*(patient(n + 100) for n in range(60)), patient(99, gender="x")))
    good = await load(tmp_path / "good.json", limits=limits, chunk_units=10)
    bad = await load(tmp_path / "bad.json", limits=limits, chunk_units=10)
    assert (good.read, good.stored, good.rejected) == (60, 60, 0)
    assert (bad.read, bad.stored, bad.rejected) == (61, 0, 61)
    assert len(await rows("SELECT 1 FROM resource")) == 60


async def test_a_transaction_of_twelve_thousand_entries_is_one_transaction(load, tmp_path):
    write(tmp_path / "t.json", transaction(*(patient(n) for n in range(12_000))))
    report = await load(tmp_path / "t.json")
    assert (report.stored, report.rejected) == (12_000, 0)
    assert (await load(tmp_path / "t.json")).unchanged == 12_000


async def test_a_collection_goes_resource_by_resource(load, tmp_path):
    write(tmp_path / "c.json", transaction(patient(1), patient(2, gender="x"), kind="collection"))
    report = await load(tmp_path / "c.json")
    assert (report.stored, report.rejected) == (1, 1)


@pytest.mark.parametrize(("kind", "rejected"), [("transaction", 1), ("batch", 1)])
async def test_what_a_load_cannot_do_is_rejected_and_not_dropped(load, tmp_path, kind, rejected):
    asked = {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"request": {"method": "DELETE", "url": "Patient/1"}}],
    }
    write(tmp_path / "d.json", asked)
    assert (await load(tmp_path / "d.json")).rejected == rejected


OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "information", "code": "informational"}],
}
PARAMETERS = {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": patient(7)}]}


async def test_what_is_no_record_is_not_stored_and_a_servers_remark_is_counted(load, rows, tmp_path):
    found = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [
            {"resource": patient(1), "search": {"mode": "match"}},
            {"resource": OUTCOME, "search": {"mode": "outcome"}},
        ],
    }
    write(tmp_path / "found.json", found)
    report = await load(tmp_path / "found.json")
    assert (report.read, report.stored, report.remarks, report.rejected) == (1, 1, 1, 0)
    streamed = msgspec.structs.replace(Limits(), document_bytes_max=200)
    report = await load(tmp_path / "found.json", limits=streamed)
    assert (report.unchanged, report.remarks, report.rejected) == (1, 1, 0)
    event = {
        "resourceType": "AuditEvent",
        "type": {"code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "x"}},
    }
    for number, resource in enumerate((OUTCOME, PARAMETERS, event)):
        for kind in ("", "collection", "transaction"):
            content = transaction({**resource, "id": f"r{number}"}, kind=kind) if kind else resource
            report = await load(write(tmp_path / f"{number}{kind}.json", content))
            assert (report.stored, report.rejected) == (0, 1), (resource["resourceType"], kind)
    assert {row["type"] for row in await rows("SELECT type FROM resource")} == {"Patient"}


@pytest.mark.parametrize(
    "head", [{"type": "foo"}, {"type": "subscription-notification"}, {"type": "transaction-response"}, {}]
)
@pytest.mark.parametrize("bytes_max", [32 << 20, 60])
async def test_a_bundle_of_no_kind_that_is_loaded_goes_into_quarantine(load, tmp_path, head, bytes_max):
    limits = msgspec.structs.replace(Limits(), document_bytes_max=bytes_max)
    for entries in ([{"resource": patient(1)}], []):
        bundle = {"resourceType": "Bundle", **head, "entry": entries} if entries else {
            "resourceType": "Bundle", **head
        }  # fmt: skip
        report = await load(write(tmp_path / "b.json", bundle), limits=limits)
        assert (report.stored, report.rejected) == (0, 1), bundle


@pytest.mark.parametrize(
    "more",
    [
        {"total": "many"},
        {"unknown": 1},
        {"entry": [{"resource": patient(1)}, {}]},
        {"entry": [{"resource": patient(1), "search": {"mode": "nearly"}}]},
    ],
)
async def test_a_bundle_that_breaks_its_own_rules_goes_into_quarantine(load, tmp_path, more):
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": patient(1)}], **more}
    report = await load(write(tmp_path / "b.json", bundle))
    assert (report.stored, report.rejected) == (0, 1)


async def test_history_holds_several_versions_of_one_resource(load, tmp_path):
    entries = [
        {
            "fullUrl": "http://a.example/fhir/Patient/1",
            "resource": patient(1, meta={"versionId": str(version)}),
            "request": {"method": "PUT", "url": "Patient/1"},
            "response": {"status": "200"},
        }
        for version in (2, 1)
    ]
    history = {"resourceType": "Bundle", "type": "history", "entry": entries}
    report = await load(write(tmp_path / "h.json", history))
    assert (report.read, report.rejected) == (2, 0)


async def test_a_conditional_create_that_finds_is_counted_and_one_that_finds_several_is_refused(
    load, tmp_path
):
    known = {"identifier": [{"system": "urn:ine", "value": "1"}]}
    await load(write(tmp_path / "p.ndjson", patient(1, **known)))
    asked = transaction(patient(2, **known), patient(3))
    asked["entry"][0]["request"]["ifNoneExist"] = "identifier=urn:ine|1"
    report = await load(write(tmp_path / "t.json", asked))
    assert (report.read, report.stored, report.unchanged) == (2, 1, 1)
    await load(write(tmp_path / "q.ndjson", patient(4, **known)))
    report = await load(write(tmp_path / "u.json", asked, {**asked, "id": "again"}))
    assert (report.read, report.stored, report.rejected) == (4, 0, 4)
    asked["entry"][0]["request"]["ifNoneExist"] = "no-such-parameter=1"
    report = await load(write(tmp_path / "v.json", asked))
    assert (report.read, report.stored, report.rejected) == (2, 0, 2)


def numbered(number, value="1", **more):
    return patient(number, identifier=[{"system": "urn:ine", "value": value}], **more)


def asking(method, *entries, kind="transaction", **request):
    """Return a Bundle of entries by urn, the first a Patient that is asked for on a condition."""
    bundle = transaction(*entries)
    url = "Patient?identifier=urn:ine|1" if method == "PUT" else "Patient"
    bundle["entry"][0]["request"] = {"method": method, "url": url} | request
    return bundle | {"type": kind}


def without_ids(bundle, *urns):
    """Return the Bundle with new urns: the ids of its resources are the server's to give."""
    text = json.dumps(bundle)
    for urn, entry in zip(urns, bundle["entry"], strict=True):
        text = text.replace(f'"{entry["fullUrl"]}"', f'"urn:uuid:{urn}"')
    renamed = json.loads(text)
    for entry in renamed["entry"]:
        del entry["resource"]["id"]
    return renamed


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_a_conditional_update_is_the_next_version_of_what_the_source_sent(load, rows, tmp_path, kind):
    await load(write(tmp_path / "p.ndjson", numbered(1)))
    asked = asking("PUT", numbered(9, gender="male"), observation("o", "urn:uuid:9"), kind=kind)
    for number, urns in enumerate((("x1", "x2"), ("y1", "y2"))):
        report = await load(write(tmp_path / f"{number}.json", without_ids(asked, *urns)))
        assert (report.read, report.rejected) == (2, 0)
        assert (report.stored, report.unchanged) == ((2, 0) if number == 0 else (1, 1))
    (one,) = await rows("SELECT id, version FROM resource WHERE type = 'Patient'")
    assert one["version"] == 2
    found = await rows("SELECT compartment FROM resource WHERE type = 'Observation'")
    assert [row["compartment"] for row in found] == [one["id"], one["id"]]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_a_conditional_update_that_selects_none_creates_and_the_next_finds_it(
    load, rows, tmp_path, kind
):
    for name in "ab":
        asked = without_ids(asking("PUT", numbered(1), kind=kind), f"urn-{name}")
        report = await load(write(tmp_path / f"{name}.json", asked))
        assert (report.stored, report.unchanged) == ((1, 0) if name == "a" else (0, 1))
    assert len(await rows("SELECT FROM resource WHERE type = 'Patient'")) == 1


AMISS = {
    "several": ("a", {}, "must be a search that selects one Patient"),
    "another source's": ("b", {}, "which this source did not send"),
    "no search": ("a", {"url": "Patient?no-such-parameter=1"}, "must be a search"),
    "another type": ("a", {"url": "Group?identifier=urn:ine|1"}, "the entry holds a Patient"),
}


@pytest.mark.parametrize("case", AMISS)
async def test_a_conditional_update_that_cannot_be_done_is_refused_and_says_why(load, rows, tmp_path, case):
    source, request, why = AMISS[case]
    first = [numbered(1), *([numbered(2)] if case == "several" else [])]
    await load(write(tmp_path / "p.ndjson", *first), source=f"urn:hospital:{source}")
    before = await rows("SELECT id, version FROM resource ORDER BY id")
    whole = asking("PUT", numbered(8), patient(9), **request)
    report = await load(write(tmp_path / "t.json", whole))
    assert (report.stored, report.rejected, report.quarantine) == (0, 2, 1)
    report = await load(write(tmp_path / "b.json", whole | {"type": "batch"}))
    assert (report.read, report.stored, report.rejected) == (2, 1, 1)
    outcomes = [row["outcome"] for row in await rows("SELECT outcome FROM quarantine")]
    assert len(outcomes) == 2
    assert all(why in json.loads(one)["issue"][0]["diagnostics"] for one in outcomes), outcomes
    after = await rows(
        "SELECT id, version FROM resource WHERE id = ANY ($1) ORDER BY id", [r[0] for r in before]
    )
    assert after == before


async def test_a_conditional_update_of_what_was_edited_here_is_kept(load, rows, database, grant, tmp_path):
    await load(write(tmp_path / "p.ndjson", numbered(1)))
    async with database.system() as connection:
        await connection.execute("UPDATE resource SET received = false")
    report = await load(write(tmp_path / "t.json", asking("PUT", numbered(9, gender="male"))))
    assert (report.stored, report.kept) == (0, 1)


@pytest.mark.parametrize("full_url", [True, False])
async def test_a_conditional_create_of_a_batch_is_looked_up_and_refused_alone(load, rows, tmp_path, full_url):
    await load(write(tmp_path / "p.ndjson", numbered(1)))
    asked = asking("POST", numbered(2), patient(3), kind="batch", ifNoneExist="identifier=urn:ine|1")
    if not full_url:
        for entry in asked["entry"]:
            del entry["fullUrl"]
    report = await load(write(tmp_path / "b.json", asked))
    assert (report.read, report.stored, report.unchanged) == (2, 1, 1)
    await load(write(tmp_path / "q.ndjson", numbered(4)))
    report = await load(write(tmp_path / "c.json", asked | {"id": "again"}))
    assert (report.read, report.stored, report.unchanged, report.rejected) == (2, 0, 1, 1)


async def test_a_retry_of_a_refused_entry_asks_for_the_same(load, rows, database, grant, tmp_path):
    await load(write(tmp_path / "p.ndjson", numbered(1), numbered(2)))
    await load(write(tmp_path / "b.json", asking("PUT", numbered(8, gender="male"), kind="batch")))
    (kept,) = await rows("SELECT content FROM quarantine")
    assert json.loads(kept["content"])["request"]["url"] == "Patient?identifier=urn:ine|1"
    await rows("DELETE FROM resource WHERE id = (SELECT max(id) FROM resource WHERE type = 'Patient')")
    allowed = grant(action=Action.LOAD, request="load-2")
    plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()))
    (one,) = await quarantine.listed(allowed, database)
    await retry(allowed, database, plan, [await quarantine.opened(allowed, database, one.id)])
    (one,) = await rows("SELECT version FROM resource WHERE type = 'Patient'")
    assert one["version"] == 2


async def test_a_condition_in_a_bundle_that_is_streamed_is_refused(load, tmp_path):
    limits = msgspec.structs.replace(Limits(), document_bytes_max=2_000)
    for kind, stored in (("transaction", 0), ("batch", 60)):
        asked = asking("PUT", numbered(1), *(patient(n) for n in range(2, 62)), kind=kind)
        report = await load(write(tmp_path / f"{kind}.json", asked), limits=limits)
        assert (report.stored, report.rejected) == (stored, 61 - stored)


def in_two_forms(tmp_path, **more):
    """Write one person and a result, by ids and by urns of the day; return both files."""
    plain = write(tmp_path / "p.ndjson", numbered(1), observation("o", "Patient/1"))
    bundle = transaction(numbered("x", **more), observation("y", "urn:uuid:x"))
    return plain, write(tmp_path / "b.json", without_ids(bundle, "u1", "u2"))


@pytest.mark.parametrize("order", [1, -1])
async def test_one_source_in_two_forms_is_proposed_as_one_person_and_not_merged(
    load, rows, database, grant, tmp_path, order
):
    first, second = in_two_forms(tmp_path)[::order]
    assert (await load(first)).alike == 0
    report = await load(second)
    assert (report.stored, report.alike) == (2, 1)
    assert "bear one identifier under two names" in _sentence(report)
    found = {row["id"] for row in await rows("SELECT id FROM resource WHERE type = 'Patient'")}
    (pair,) = await persons.proposals(grant(), database)
    assert ({pair.patient, pair.other}, pair.reason) == (found, "same identifier of one source")
    await persons.refuse(grant(), database, pair.patient, pair.other)
    assert (await load(write(tmp_path / "q.ndjson", numbered(1, gender="male")))).alike == 0
    assert await persons.proposals(grant(), database) == []


async def test_two_forms_in_one_load_are_proposed_and_two_sources_are_not(load, database, grant, tmp_path):
    first, second = in_two_forms(tmp_path)
    await load(first, source="urn:hospital:b")
    assert (await load(second)).alike == 0
    assert (await load(first)).alike == 1


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"birthDate": "1980-01-01"}, {"birthDate": "1980-01-01"}, 1),
        ({"birthDate": "1980-01-01"}, {"birthDate": "1999-01-01"}, 1),  # a newborn's? somebody looks
        ({"identifier": [{"value": "1"}]}, {"identifier": [{"value": "1"}]}, 0),
        (
            {"identifier": [{"system": "urn:x", "value": "1"}, {"system": ESTONIAN, "value": "37605030299"}]},
            {"identifier": [{"system": "urn:x", "value": "1"}, {"system": ESTONIAN, "value": "33309240064"}]},
            0,
        ),
    ],
)
async def test_an_identifier_proposes_unless_a_national_number_says_otherwise(
    load, tmp_path, one, other, alike
):
    await load(write(tmp_path / "p.ndjson", numbered("1") | one))
    bundle = without_ids(transaction(numbered("2") | other), "u1")
    assert (await load(write(tmp_path / "b.json", bundle))).alike == alike


async def test_an_identifier_that_many_bear_proposes_nobody(load, tmp_path):
    await load(write(tmp_path / "p.ndjson", *map(numbered, range(30))))
    bundle = without_ids(transaction(numbered("x")), "u1")
    assert (await load(write(tmp_path / "b.json", bundle))).alike == 0


def page(number, *entries, last=False, kind="searchset"):
    base = "https://a.example/fhir/Patient?page="
    links = [{"relation": "self", "url": f"{base}{number}"}]
    links += [] if last else [{"relation": "next", "url": f"{base}{number + 1}"}]
    return {"resourceType": "Bundle", "type": kind, "link": links,
            "entry": [{"fullUrl": f"https://a.example/fhir/Patient/{each['id']}", "resource": each}
                      for each in entries]}  # fmt: skip


@pytest.mark.parametrize("bytes_max", [1_000_000, 500])
async def test_a_page_that_is_followed_by_one_not_loaded_is_told_of(load, tmp_path, bytes_max):
    limits = msgspec.structs.replace(Limits(), document_bytes_max=bytes_max)
    for number in (1, 2, 3):
        many = [patient(10 * number + each) for each in range(5)]
        write(tmp_path / f"p{number}.json", page(number, *many, last=number == 3))
    report = await load(tmp_path / "p1.json", tmp_path / "p2.json", limits=limits)
    assert (report.stored, report.more_pages) == (10, 1)
    assert report.more_pages_names == ["https://a.example/fhir/Patient?page=3"]
    assert "the next page is not among these" in _sentence(report)
    whole = await load(tmp_path, limits=limits)
    assert (whole.more_pages, whole.more_pages_names) == (0, [])
    assert "next page" not in _sentence(whole)


async def test_links_of_other_bundles_and_broken_ones_name_no_page(load, tmp_path):
    collection = page(1, patient(1), kind="collection")
    report = await load(write(tmp_path / "c.json", collection))
    assert report.more_pages == 0
    odd = page(1, patient(2)) | {"link": {"relation": "next"}}
    report = await load(write(tmp_path / "d.json", odd))
    assert (report.more_pages, report.rejected) == (0, 1)


async def test_the_next_page_in_an_xml_file_is_told_of(load, tmp_path):
    (tmp_path / "x.xml").write_text(
        '<Bundle xmlns="http://hl7.org/fhir"><type value="searchset"/><link><relation value="next"/>'
        '<url value="https://a.example/next"/></link></Bundle>'
    )
    report = await load(tmp_path / "x.xml")
    assert report.more_pages_names == ["https://a.example/next"]


async def test_lenient_stores_the_sound_entries_of_a_streamed_transaction(load, tmp_path):
    limits = msgspec.structs.replace(Limits(), document_bytes_max=2_000)
    write(tmp_path / "t.json", transaction(*(patient(n) for n in range(60)), patient(99, gender="x")))
    report = await load(tmp_path / "t.json", limits=limits, lenient=True)
    assert (report.stored, report.rejected) == (60, 1)


async def test_conditional_references_find_their_target_even_when_it_is_loaded_later(load, rows, tmp_path):
    doctor = {
        "resourceType": "Practitioner",
        "id": "d",
        "identifier": [{"system": "urn:doctors", "value": "7"}],
    }
    encounter = {
        **observation("o", "urn:uuid:1"),
        "performer": [{"reference": "Practitioner?identifier=urn:doctors|7"}],
    }
    write(tmp_path / "a.json", transaction(patient(1), encounter))
    write(tmp_path / "b.json", transaction(doctor))
    lost = {
        **observation("p", "urn:uuid:4"),
        "performer": [{"reference": "Practitioner?identifier=urn:doctors|8"}],
    }
    write(tmp_path / "c.json", transaction(patient(4), lost))
    report = await load(tmp_path)
    assert (report.stored, report.rejected) == (3, 2)
    [stored] = await rows("SELECT content FROM resource WHERE type = 'Observation'")
    [target] = await rows("SELECT id FROM resource WHERE type = 'Practitioner'")
    again = await load(tmp_path)
    assert (again.stored, again.unchanged, again.rejected, again.resumed) == (0, 3, 2, 0)
    assert json.loads(stored["content"])["performer"][0]["reference"] == f"Practitioner/{target['id']}"


async def test_gzip_cut_off_yields_what_came_before(load, tmp_path):
    packed = gzip.compress(b"\n".join(encode(patient(n, active=bool(n % 2))) for n in range(5_000)))
    (tmp_path / "a.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    report = await load(tmp_path / "a.ndjson.gz")
    assert report.stored > 1_000
    assert report.rejected >= 1


async def test_a_short_gzip_cut_off_yields_its_whole_lines(load, tmp_path):
    packed = gzip.compress(b"\n".join(encode(patient(n, active=bool(n % 2))) for n in range(20)))
    (tmp_path / "a.ndjson.gz").write_bytes(packed[:-12])
    report = await load(tmp_path / "a.ndjson.gz")
    assert report.stored > 10
    assert report.rejected >= 1


CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from salus.core.access import Action, Caller, Grant, Purpose, Role
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files
from salus.store.postgres import LOADING, open_database

async def main(url, path):
    who = Caller("op", "op", Role.OPERATOR, "x", "x", Purpose.OPERATIONS)
    grant = Grant("killed", who, Action.LOAD, None, "test", datetime(2026, 1, 1, tzinfo=UTC))
    async with open_database(url, migrated=False, roles=LOADING) as database:
        key, limits = b"0123456789abcdef", Limits()
        plan = Plan(key, limits, lookup_in(grant, database, key, limits), chunk_units=20, workers=1)
        told = lambda _bytes, report: print(report.read, flush=True)
        await load_files(grant, database, find_files([path], "urn:hospital:a"), plan, told=told)

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("packed", "kills"), [(False, 5), (True, 15)])  # with worker processes, and without
async def test_a_load_killed_again_and_again_ends_complete_and_without_duplicates(
    load, rows, database_url, tmp_path, packed, kills
):
    file = write(tmp_path / "a.ndjson", *(patient(n, name=[{"family": "x" * 60}]) for n in range(1_500)))
    if packed:
        file = tmp_path / "a.ndjson.gz"
        file.write_bytes(gzip.compress((tmp_path / "a.ndjson").read_bytes()))
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    acknowledged = 0
    for _ in range(kills):
        told = await asyncio.to_thread(kill_after_some, script, database_url, file, 3)
        acknowledged = max(acknowledged, told)
        stored = await rows("SELECT count(*) AS n FROM resource")
        assert stored[0]["n"] >= acknowledged
        assert len(await rows("SELECT 1 FROM resource GROUP BY type, id HAVING count(*) > 1")) == 0
    report = await load(file, chunk_units=20)
    assert (report.read, report.stored, report.rejected) == (1_500, 1_500, 0)
    assert report.resumed >= acknowledged > 0
    assert {row["version"] for row in await rows("SELECT version FROM resource")} == {1}
    leaves = [decode_entry(row["entry"]) for row in await rows("SELECT entry FROM leaf")]
    assert sum(leaf.resources for leaf in leaves) == 1_500


def kill_after_some(script, url, file, lines):
    """Start a load, kill it hard after it told of so many transactions, and return the last it told of."""
    child = subprocess.Popen(
        [sys.executable, str(script), url, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    told = 0
    for _ in range(lines):
        line = child.stdout.readline()
        told = int(line) if line else told
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    return told


async def test_loaded_resources_are_found_by_source_and_original_id(load, database, grant, tmp_path):
    await load(write(tmp_path / "a.ndjson", patient(1), patient(2)))
    for text in ("_source=urn:hospital:a&_tag=urn:salus:original-id|2", "_tag=2"):
        query = parse_query("Patient", parse_pairs(text.encode()), Limits(), strict=True)
        async with database.system() as connection:
            found = await find_ids(grant(), connection, query, key=KEY, database=database)
        assert len(found) == 1


async def test_all_of_synthea_is_taken(load, shared):
    report = await load(shared / "data" / "synthea" / "patients100" / "Patient.ndjson.gz")
    assert (report.read, report.rejected) == (100, 0)
    report = await load(shared / "data" / "synthea" / "transaction-bundles")
    assert report.rejected == 0
    assert report.read > 1_000


# What is wrong in the published examples, found by looking at each refusal (R4 rules, not ours).
WRONG_EXAMPLES = {
    "Bundle-Instance-Bundle-1a24e60d-9b12-4109-a50a-07249a4f21c3.json": "ele-1",  # udiCarrier with only an id
    "Bundle-HDR-Paolo-Marcheschi-Example.json": "ele-1",  # an identifier with only an id
    "Consent-consent-example.json": "cardinality-min",  # no scope
    "Encounter-enc-example.json": "binding-required",  # status of R5
    "Medication-04A-FirmagonBranded.json": "cardinality-min",  # ingredient without item
    "Parameters-exp-params.json": "not-supported",  # of an operation: no record
}


async def test_of_the_european_examples_only_the_wrong_ones_are_rejected(load, rows, shared, tmp_path):
    for package in sorted((shared / "fhir-packages").glob("*.tgz")):
        folder = tmp_path / package.name.removesuffix(".tgz")
        folder.mkdir()
        with tarfile.open(package) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if "/example/" in member.name and name.endswith(".json") and not name.startswith("._"):
                    content = archive.extractfile(member)
                    assert content is not None
                    (folder / name).write_bytes(content.read())
        if not any(folder.iterdir()):
            folder.rmdir()
    report = await load(tmp_path, source=None)
    assert report.read > 500
    found = await rows("SELECT file, outcome FROM quarantine")
    first = {row["file"].rpartition("/")[2]: json.loads(row["outcome"])["issue"][0] for row in found}
    codes = {
        name: issue["details"]["coding"][0]["code"] if "details" in issue else issue["code"]
        for name, issue in first.items()
    }
    assert codes == WRONG_EXAMPLES
