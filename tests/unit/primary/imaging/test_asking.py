"""What an archive may do wrong, and what becomes of it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from salus.core.errors import NotFound, PeerUnavailable, SettingsInvalid, TooLarge
from salus.core.limits import Limits
from salus.primary.imaging.archive import Archive, authorization_of, check_archives
from salus.primary.imaging.asking import Door, fetch, open_stream
from salus.primary.imaging.studies import (
    Verdict,
    ask_without_links,
    check_part,
    check_study,
    find_studies,
    is_theirs,
    numbers_of,
    render,
)
from salus.standards.dicomweb.attributes import read_datasets

LIMITS = Limits(
    imaging_ms_max=100,
    imaging_json_bytes_max=10_000,
    imaging_picture_bytes_max=1_000,
    imaging_transfer_bytes_max=2_000,
    imaging_transfer_ms_max=200,
)
JSON = "application/dicom+json"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
MINE = frozenset({"12345"})


def archive(**fields):
    given = {
        "name": "a",
        "base_url": "https://a.example/dicom-web",
        "organisation": "A",
        "patient_system": "urn:s",
    }
    return Archive(**(given | fields))


def door(answer, **fields):
    async def respond(request):
        found = answer(request)
        return await found if asyncio.iscoroutine(found) else found

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond), follow_redirects=False)
    return Door(archive(**fields), client, LIMITS)


def says(*datasets, status=200, kind=JSON):
    return with_body(json.dumps(datasets).encode(), kind, status)


def dataset(patient="12345", study="2.999.1", series="", instance="", issuer=""):
    values = {
        "00100020": patient,
        "00100021": issuer,
        "0020000D": study,
        "0020000E": series,
        "00080018": instance,
    }
    return {tag: {"vr": "LO", "Value": [value]} for tag, value in values.items() if value}


async def forever(_):
    await asyncio.Event().wait()


def down(_):
    raise httpx.ConnectError("refused")


def with_body(body, kind=JSON, status=200, **headers):
    """Return an archive that answers these bytes, as they come over the line."""
    given = {"content-type": kind, **headers}
    return lambda _: httpx.Response(status, stream=httpx.ByteStream(body), headers=given)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (down, PeerUnavailable, "cannot be reached"),
        (forever, PeerUnavailable, "within 100 ms"),
        (with_body(b"", status=401), PeerUnavailable, "credentials"),
        (with_body(b"", status=403), PeerUnavailable, "credentials"),
        (with_body(b"", status=500), PeerUnavailable, "status 500"),
        (with_body(b"", status=302, location="https://b.example/"), PeerUnavailable, "status 302"),
        (with_body(b"<html>", kind="text/html"), PeerUnavailable, "not asked for"),
        (with_body(b"[]", **{"content-encoding": "br"}), PeerUnavailable, "not asked for"),
        (with_body(b"[" + b" " * 20_000 + b"]"), TooLarge, "10000 bytes"),
        (with_body(b"<html>"), PeerUnavailable, "not the DICOM JSON model"),
        (with_body(b"[" * 9_000), PeerUnavailable, "not the DICOM JSON model"),
        (with_body(b"[" + b"{}," * 250 + b"{}]"), TooLarge, "data sets"),
        (with_body(b"", status=404), NotFound, "does not hold"),
    ],
)
async def test_an_archive_that_misbehaves_is_named(answer, error, words):
    with pytest.raises(error, match=words):
        await find_studies(door(answer), MINE)


async def test_what_states_no_length_is_cut_off_while_it_is_read():
    async def endless():
        while True:
            yield b" " * 4_000

    asked = door(lambda _: httpx.Response(200, content=endless(), headers={"content-type": JSON}))
    with pytest.raises(TooLarge):
        await fetch(asked, "/studies", JSON, (JSON,), bytes_max=9_000)


async def test_a_transfer_ends_at_its_bytes_and_at_its_time():
    async def endless():
        while True:
            yield b" " * 500

    async def stuck():
        yield b" "
        await asyncio.Event().wait()

    kind = {"content-type": "multipart/related"}
    for body, error in ((endless(), TooLarge), (stuck(), PeerUnavailable)):
        asked = door(lambda _, body=body: httpx.Response(200, content=body, headers=kind))
        stream = await open_stream(asked, "/studies/1.2", "*/*", ("multipart/related",))
        with pytest.raises(error):
            async for _ in stream.pieces:
                pass


async def test_only_addresses_below_the_base_are_called_and_without_unpacking():
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(204)

    found = await find_studies(door(answer), MINE)
    assert found.studies == ()
    (request,) = asked
    assert str(request.url).startswith("https://a.example/dicom-web/studies?PatientID=12345&")


async def test_what_was_not_asked_for_is_counted_and_left_out():
    answer = says(dataset(), dataset("777", "2.999.2"), dataset("12345 ", "not a uid"), {})
    found = await find_studies(door(answer), MINE)
    assert (len(found.studies), found.others) == (1, 3)


@pytest.mark.parametrize(
    ("answer", "numbers", "verdict"),
    [
        (says(dataset()), MINE, Verdict.THEIRS),
        (says(dataset("777")), MINE, Verdict.ANOTHER_PERSON),
        (says(dataset(), dataset("777")), MINE, Verdict.ANOTHER_PERSON),
        (says({"0020000D": {"vr": "UI", "Value": ["2.999.1"]}}), MINE, Verdict.ANOTHER_PERSON),
        (says(), MINE, Verdict.ABSENT),
        (says(dataset(study="2.999.2")), MINE, Verdict.ABSENT),
        (with_body(b"", status=404), MINE, Verdict.ABSENT),
        (with_body(b"", status=204), MINE, Verdict.ABSENT),
        (says(dataset()), frozenset(), Verdict.NO_NUMBER),
    ],
)
async def test_whose_a_study_is(answer, numbers, verdict):
    assert await check_study(door(answer), "2.999.1", numbers, NOW) is verdict


async def test_a_comparison_counts_for_a_minute_and_only_for_the_same_numbers():
    answers = [says(dataset()), says(dataset("777"))]
    asked = door(lambda request: answers[0](request))
    assert await check_study(asked, "2.999.1", MINE, NOW) is Verdict.THEIRS
    answers.pop(0)
    assert await check_study(asked, "2.999.1", MINE, NOW + timedelta(seconds=59)) is Verdict.THEIRS
    assert await check_study(asked, "2.999.1", frozenset({"1"}), NOW) is Verdict.ANOTHER_PERSON
    assert await check_study(asked, "2.999.1", MINE, NOW + timedelta(seconds=61)) is Verdict.ANOTHER_PERSON


@pytest.mark.parametrize(
    ("stated", "instance", "verdict"),
    [
        (dataset("12345", "2.999.1", "2.999.1.1"), "2.999.1.1.1", Verdict.THEIRS),
        (dataset("777", "2.999.1", "2.999.1.1"), "2.999.1.1.1", Verdict.ANOTHER_PERSON),
        (dataset("", "2.999.1", "2.999.1.1"), "2.999.1.1.1", Verdict.ANOTHER_PERSON),
        # An archive that looks at the last UID of an address alone.
        (dataset("12345", "2.999.2", "2.999.1.1"), "2.999.1.1.1", Verdict.ANOTHER_PERSON),
        (dataset("", "2.999.1", "2.999.1.1"), "", Verdict.THEIRS),
        (dataset("", "2.999.1", "2.999.2.1"), "", Verdict.ANOTHER_PERSON),
    ],
)
async def test_a_part_is_what_it_states_itself(stated, instance, verdict):
    assert await check_part(door(says(stated)), "2.999.1", "2.999.1.1", instance, MINE, NOW) is verdict


@pytest.mark.parametrize(
    ("issuer", "stated", "theirs"),
    [("", "", True), ("", "X", True), ("PT", "", True), ("PT", "PT", True), ("PT", "X", False)],
)
def test_another_issuers_number_is_another_persons(issuer, stated, theirs):
    (found,) = read_datasets(json.dumps([dataset(issuer=stated)]).encode(), count_max=1)
    assert is_theirs(found, MINE, archive(issuer=issuer)) is theirs


def test_numbers_are_of_the_archives_system_and_not_old_ones():
    identifiers = [
        {"system": "urn:s", "value": "12345"},
        {"system": "urn:s", "value": "old", "use": "old"},
        {"system": "urn:other", "value": "777"},
        {"system": "urn:s", "value": "*"},
        {"system": "urn:s"},
    ]
    assert numbers_of([{"identifier": identifiers}, {}], archive()) == MINE


@pytest.mark.parametrize("body", [b"<svg onload='alert(1)'/>", b"<html>", b""])
async def test_a_picture_that_is_none_is_refused_whatever_it_is_called(body):
    with pytest.raises(PeerUnavailable, match="neither a JPEG"):
        await render(door(with_body(body, kind="image/jpeg")), "1.2", "1.3", "1.4", pixels=96)


@pytest.mark.parametrize("body", [b"<html>", b'[{"00081115": {"vr": "SQ", "Value": [7]}}, 7]'])
async def test_metadata_that_is_none_is_the_archives_fault(body):
    with pytest.raises(PeerUnavailable, match="not the DICOM JSON model"):
        await ask_without_links(door(with_body(body)), "/studies/1.2/metadata")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base_url": "http://pacs.example"}, "base_url"),
        ({"base_url": "https://user:secret@pacs.example"}, "base_url"),
        ({"base_url": "https://pacs.example/?x"}, "base_url"),
        ({"base_url": "file:///etc"}, "base_url"),
        ({"user": "u"}, "both, or none"),
        ({"user": "u", "password_file": "p", "token_file": "t"}, "token_file"),
        ({"patient_system": ""}, "patient_system"),
    ],
)
def test_an_archive_that_is_set_up_wrongly_stops_the_start(fields, words):
    with pytest.raises(SettingsInvalid, match=words):
        check_archives([archive(**fields)])


def test_names_are_unique_and_few():
    with pytest.raises(SettingsInvalid, match="same name"):
        check_archives([archive(), archive()])
    with pytest.raises(SettingsInvalid, match="16 are"):
        check_archives([archive(name=f"a{number}") for number in range(17)])


def test_credentials_come_from_private_files(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("Aladdin's\n")
    secret.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="others"):
        authorization_of(archive(token_file="secret"), tmp_path)
    secret.chmod(0o600)
    assert authorization_of(archive(token_file="secret"), tmp_path) == "Bearer Aladdin's"
    secret.write_text("open sesame")  # RFC 7617, section 2: its example
    assert (
        authorization_of(archive(user="Aladdin", password_file="secret"), tmp_path)
        == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )
    assert authorization_of(archive(), tmp_path) == ""
