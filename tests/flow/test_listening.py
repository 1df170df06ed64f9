"""Messages by MLLP over real sockets: answered when durable, kept whatever they are, never twice."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from salus.core.access import Action
from salus.core.errors import SettingsInvalid, StorageUnavailable
from salus.core.limits import Limits
from salus.intake.messages import Fate, Taken, Taking, Way
from salus.standards.hl7v2.er7 import read_message
from salus.standards.hl7v2.mllp import framed
from salus.store import documents
from salus.web.hl7v2.admission import admission
from salus.web.hl7v2.listener import Listener

FAST = msgspec.structs.replace(
    Limits(),
    document_bytes_max=20_000,
    message_idle_ms_max=400,
    transfer_grace_ms=300,
    message_connections_max=5,
)
FILES = {"certificate": None, "key": None, "client_authority": None, "in_clear": False}
PID = "PID|1||4711^^^HOSP&2.999.1&ISO^MR||Tamm^Mari||19800131|F"
RESULT = (
    "OBR|1|P1^HIS|F1^LAB|24331-1^Lipid panel^LN|||202611301000+0100|||||||||||||||202611301130+0100||CH|F",
    "OBX|1|NM|2093-3^Chol^LN||5.2|mmol/L^^UCUM|3-5|H|||F",
)


def message(*segments, control="77", kind="ORU^R01", asks="", pid=PID):
    head = f"MSH|^~\\&|LAB|HOSP|SALUS|NODE|20261130120000+0100||{kind}|{control}|P|2.5.1|||{asks}"
    return "\r".join((head, pid, *(segments or RESULT))).encode()


@asynccontextmanager
async def listening(take, admitted=None, limits=FAST):
    listener = Listener(
        take, admitted or admission("127.0.0.1", [], **FILES), limits, lambda: datetime.now(UTC)
    )
    server = await listener.start("127.0.0.1", 0)
    try:
        yield listener, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await listener.close()


async def answer(reader):
    return read_message((await reader.readuntil(b"\x1c\r"))[1:-2])


async def send(port, *messages, **more):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
    found = []
    for each in messages:
        writer.write(framed(each))
        found.append((await answer(reader)).segments)
    writer.close()
    return found


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Yield PEM files: of the node (with its key), of a sender (with its key), of who certifies both."""
    folder = tmp_path_factory.mktemp("certificates")
    root = ec.generate_private_key(ec.SECP256R1())
    made = []
    for name, key in (("authority", root), ("localhost", ec.generate_private_key(ec.SECP256R1())),
                      ("sender", ec.generate_private_key(ec.SECP256R1()))):  # fmt: skip
        certificate = certify(name, key, root)
        file = folder / f"{name}.pem"
        file.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        made.append(file)
    return made[1], made[2], made[0]


def certify(name, key, root):
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
        .sign(root, hashes.SHA256())
    )


@pytest.fixture
async def taking(database, grant):
    grants = 0

    @asynccontextmanager
    async def opened(_count):
        nonlocal grants
        grants += 1
        yield grant(action=Action.LOAD, request=f"messages-{grants}")

    way = Way("urn:hospital:lab", "hl7v2", b"0123456789abcdef", Limits(), default_denies=False)
    found = Taking(opened, database, way)
    working = asyncio.create_task(found.run())
    yield found
    working.cancel()


async def fetch(database, sql):
    async with database.system() as connection:
        return await connection.fetch(sql)


async def test_messages_are_stored_kept_and_answered_and_the_second_receipt_changes_nothing(
    taking, database, grant
):
    correction = message(RESULT[0][:-1] + "C", RESULT[1].replace("5.2", "5.9")[:-1] + "C", control="78")
    async with listening(taking.take) as (listener, port):
        first, again, corrected = await send(port, message(), message(), correction)
        assert [one[1].text(1) for one in (first, again, corrected)] == ["AA", "AA", "AA"]
        assert [one[1].text(2) for one in (first, again, corrected)] == ["77", "77", "78"]
        assert listener.counts.stored == 3
    kept = await fetch(database, "SELECT id FROM document")
    allowed = grant(action=Action.READ, request="read-1")
    contents = {(await documents.retrieve(allowed, database, row["id"])).content for row in kept}
    assert contents == {message(), correction}
    rows = await fetch(database, "SELECT type, id, version, content FROM resource WHERE NOT deleted")
    assert sorted(row["type"] for row in rows) == sorted(
        ["Patient", "ServiceRequest", "DiagnosticReport", "Observation", *["DocumentReference"] * 2,
         *["Provenance"] * 2]
    )  # fmt: skip
    (result,) = (row for row in rows if row["type"] == "Observation")
    assert (result["version"], b'"value":5.9' in result["content"], b'"corrected"' in result["content"]) == (
        2, True, True
    )  # fmt: skip
    patients = {row["patient"] for row in await fetch(database, "SELECT patient FROM leaf")}
    assert {row["id"] for row in rows if row["type"] == "Patient"} <= patients


async def test_a_merge_is_proposed_and_waits_for_somebody_to_decide(taking, database):
    visit = "EVN||20261130"
    merge = message(visit, "MRG|4712^^^HOSP&2.999.1&ISO^MR", kind="ADT^A40", control="3")
    async with listening(taking.take) as (_, port):
        found = await send(
            port,
            message(visit, kind="ADT^A04", control="1"),
            message(visit, kind="ADT^A04", control="2", pid=PID.replace("4711", "4712")),
            merge,
        )
    assert {one[1].text(1) for one in found} == {"AA"}
    (pair,) = await fetch(database, "SELECT patient, other, state FROM duplicate")
    patients = await fetch(database, "SELECT id FROM resource WHERE type = 'Patient' AND NOT deleted")
    assert (pair["state"], {pair["patient"], pair["other"]}) == ("proposed", {row["id"] for row in patients})


async def test_a_refused_message_is_kept_in_quarantine_and_its_sender_told_why(taking, database):
    unknown = message(kind="QBP^Q22", control="2")
    nobody = message(pid="EVN||20261130", control="3")
    async with listening(taking.take) as (listener, port):
        (of_kind, of_nobody, sound) = await send(port, unknown, nobody, message(control="4"))
        assert listener.counts.refused == 2
    assert [one[1].text(1) for one in (of_kind, of_nobody, sound)] == ["AR", "AE", "AA"]
    assert of_kind[2].text(3) == "200"
    assert (of_nobody[2].text(2), "PID" in of_nobody[2].text(8)) == ("PID", True)
    assert "quarantine" in of_nobody[2].text(8)
    rows = await fetch(database, "SELECT content FROM quarantine")
    assert {row["content"] for row in rows} == {unknown, nobody}


async def test_many_connections_are_taken_together(taking, database):
    async with listening(taking.take, limits=Limits()) as (_, port):
        found = await asyncio.gather(*(
            send(port, *(message(control=f"{c}-{n}", pid=PID.replace("4711", f"{c}")) for n in range(3)))
            for c in range(8)
        ))  # fmt: skip
    assert {one[1].text(1) for each in found for one in each} == {"AA"}
    assert len(await fetch(database, "SELECT 1 FROM resource WHERE type = 'Patient'")) == 8


async def away(_content):
    raise StorageUnavailable("The database does not answer.")


async def test_what_could_not_be_stored_is_not_acknowledged_as_taken(database):
    @asynccontextmanager
    async def opened(_count):
        await away(b"")
        yield

    way = Way("urn:x", "hl7v2", b"0123456789abcdef", Limits(), default_denies=False)
    taking = Taking(opened, database, way)
    working = asyncio.create_task(taking.run())
    async with listening(taking.take) as (listener, port):
        ((_, msa, err),) = await send(port, message(asks="AL|NE"))
        assert (msa.text(1), err.text(3), listener.counts.lost) == ("CR", "207", 1)
        assert "send it again" in err.text(8)
    working.cancel()


async def test_what_waits_to_be_stored_is_held_too():
    waiting = asyncio.Event()

    async def slowly(_content):
        await waiting.wait()
        return Taken(Fate.STORED)

    long = framed(message() + b" " * 19_000)
    limits = msgspec.structs.replace(FAST, transfer_grace_ms=5_000)
    async with listening(slowly, limits=limits) as (_, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _, writer in held:
            writer.write(long)
        answers = [asyncio.create_task(answer(reader)) for reader, _ in held]
        done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=4)
        waiting.set()
        (refused,) = [one.result().segments for one in done]
        assert (refused[1].text(1), refused[2].text(3)) == ("AR", "207")
        codes = [(await asyncio.wait_for(one, 4)).segments[1].text(1) for one in answers]
        assert sorted(codes) == ["AA", "AA", "AA", "AA", "AR"]
        for _, writer in held:
            writer.close()


async def untouched(_content):
    raise AssertionError("nothing was sent")


@pytest.mark.parametrize(
    "sent", [b"", b"\x0bMSH|^~\\&|", b"\x0b" + message()], ids=["idle", "slow", "no end"]
)
async def test_who_is_idle_or_slow_is_closed(sent):
    async with listening(untouched) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.parametrize(
    ("sent", "control", "why"),
    [
        (b"MSH|^~\\&|A\rPID|1\r", "", "0B"),
        (b"\x0b" + message() + b"x" * 20_003, "77", "more than 20000 bytes"),
    ],
)
async def test_what_is_no_message_is_rejected_and_the_connection_ended(sent, control, why):
    async with listening(untouched) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        _, msa, err = (await answer(reader)).segments
        assert (msa.text(1), msa.text(2), why in err.text(8)) == ("AR", control, True)
        assert await reader.read() == b""
        writer.close()


async def test_connections_beyond_the_limit_and_from_elsewhere_are_turned_away():
    async with listening(untouched, limits=msgspec.structs.replace(FAST, message_connections_max=1)) as (
        one,
        port,
    ):
        first = await asyncio.open_connection("127.0.0.1", port)
        second = await asyncio.open_connection("127.0.0.1", port)
        assert await second[0].read() == b""
        assert one.counts.turned_away == 1
        first[1].close()
        second[1].close()
    async with listening(untouched, admission("127.0.0.1", ["10.1.0.0/16"], **FILES)) as (one, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        assert one.counts.turned_away == 1
        writer.close()


@pytest.mark.parametrize(
    ("host", "allowed", "more", "why"),
    [
        ("0.0.0.0", ["10.0.0.0/8"], {}, "in clear"),
        ("0.0.0.0", [], {"in_clear": True}, "Anyone"),
        ("127.0.0.1", ["ten"], {}, "no address"),
        ("127.0.0.1", [], {"client_authority": "ca.pem"}, "need --tls-cert"),
        ("127.0.0.1", [], {"certificate": "/nowhere.pem"}, "cannot be used"),
    ],
)
def test_a_listener_is_not_opened_to_anyone_or_in_clear_by_oversight(host, allowed, more, why):
    with pytest.raises(SettingsInvalid, match=why):
        admission(host, allowed, **(FILES | more))


async def test_with_an_authority_only_certified_senders_are_heard(taking, certificates):
    node, sender, authority = certificates
    files = {"certificate": node, "key": None, "client_authority": authority, "in_clear": False}
    trusting = ssl.create_default_context(cafile=authority)
    async with listening(taking.take, admission("0.0.0.0", [], **files)) as (_, port):
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await send(port, message(), ssl=trusting, server_hostname="localhost")
        trusting.load_cert_chain(sender)
        ((_, msa),) = await send(port, message(), ssl=trusting, server_hostname="localhost")
        assert msa.text(1) == "AA"
