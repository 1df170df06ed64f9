"""Messages that leave the node by mail, webhook and letter: what they say, never say, and what fails."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from tests.flow.smtp import Server

from salus.cli.main import main
from salus.cli.node import make_node
from salus.core.access import Action, Purpose, Role
from salus.core.errors import AccessRefused, InvalidResource, InvalidSearch, SettingsInvalid
from salus.node import open_services
from salus.settings import Settings, parse_settings
from salus.standards.fhir.search.index_row import IndexRow
from salus.standards.jose import compact
from salus.store import resources
from salus.store.changes import Operation
from salus.store.notice_ways import BACKOFF_FIRST, FAILURES_MAX
from salus.store.notices import Telling, tell
from salus.store.rows import make_row
from salus.trust.assisting import Shown
from salus.trust.gate import enter
from salus.trust.mail import Mail, check_address
from salus.trust.policy import AccessRequest
from salus.web import notice_ways, notices
from salus.web.channel import channels, message_to, texts
from salus.web.letters import as_html, print_letters
from salus.web.notice_ways import WayWished
from salus.web.outgoing import send_messages
from salus.web.rights import assisted

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PAUSE = timedelta(minutes=361)
SECRETS = ("Dr Curious", "emergency", "Cardiology", "ana")
ANA = {
    "resourceType": "Patient",
    "name": [{"given": ["Ana"], "family": "Sintética"}],
    "address": [{"line": ["Rua Falsa 1"], "postalCode": "1000-001", "city": "Lisboa"}],
}


class Hand:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture
def folder(tmp_path, database_url):
    settings = Settings(
        node="pt-1", name="Hospital Sintético", country="PT", base_url="http://node.test", port=9,
        database=database_url, languages=("en", "pt"), subscription_targets=("http://hook.test/in",),
    )  # fmt: skip
    make_node(tmp_path, settings)
    return tmp_path


@pytest.fixture
async def services(folder, clock):
    async with open_services(folder, clock) as (_, opened):
        yield opened


@pytest.fixture
def ana(caller):
    return caller(Role.CITIZEN, patient="ana")


def mailing(services, server, **fields):
    tls = "starttls" if server.starttls else "implicit"
    mail = Mail(
        host="127.0.0.1", port=server.port, sender="node@example.org", tls=tls,
        authorities_file=str(server.authorities), **fields,
    )  # fmt: skip
    return msgspec.structs.replace(services, mail=mail)


async def news(services, clock, key, patient="ana"):
    async with services.database.system() as connection:
        telling = Telling(patient, clock.now, "emergency", key, "s", "Dr Curious", "Cardiology", "r")
        await tell(connection, [telling])


def by_mail(**fields):
    return WayWished("mail", "ana@example.org", "pt", **fields)


@pytest.mark.parametrize("starttls", [False, True])
async def test_one_message_for_all_that_waits_says_only_that_there_is_something(
    services, clock, ana, tmp_path, starttls
):
    async with Server(tmp_path, starttls=starttls) as server:
        services = mailing(services, server)
        await notice_ways.choose_how(services, ana, by_mail())
        assert await send_messages(services) == 0
        for key in ("one", "two"):
            await news(services, clock, key)
        assert await send_messages(services) == 1
        ((receiver, sent),) = server.taken
        assert receiver == "ana@example.org"
        assert "http://node.test" in sent
        assert "Auto-Submitted: auto-generated" in sent
        assert not [word for word in SECRETS if word in sent.replace("ana@example.org", "")]
        await news(services, clock, "three")
        assert await send_messages(services) == 0, "not again so soon"
        clock.now += PAUSE
        assert await send_messages(services) == 1
        clock.now += PAUSE
        assert await send_messages(services) == 0


async def test_a_quiet_message_says_not_even_where(services, clock, ana, tmp_path):
    async with Server(tmp_path) as server:
        services = mailing(services, server)
        await notice_ways.choose_how(services, ana, by_mail())
        await notices.choose(services, ana, quiet=True)
        await news(services, clock, "one")
        assert await send_messages(services) == 1
        assert "node.test" not in server.taken[0][1]
        assert services.name not in server.taken[0][1]
        await notice_ways.end_how(services, ana)
        await news(services, clock, "two")
        clock.now += PAUSE
        assert await send_messages(services) == 0


async def test_what_fails_is_tried_later_each_time_and_told_to_the_operator(
    services, clock, ana, tmp_path, folder, capsys
):
    async with Server(tmp_path) as server:
        services = mailing(services, server)
        await notice_ways.choose_how(services, ana, by_mail())
        await news(services, clock, "one")
        server.answers = ["550 nobody of that name: ana@example.org"] * 2
        assert await send_messages(services) == 0
        assert await send_messages(services) == 0
        assert len(server.answers) == 1, "the second attempt waits"
        clock.now += BACKOFF_FIRST
        await send_messages(services)
        way = await notice_ways.way(services, ana)
        assert (way.failures, way.failure) == (2, "The mail server refused the address (550).")
        clock.now += BACKOFF_FIRST
        await send_messages(services)
        assert server.taken == []
        clock.now += BACKOFF_FIRST
        assert await send_messages(services) == 1
        assert (await notice_ways.way(services, ana)).failures == 0
        untrusted = msgspec.structs.replace(services.mail, authorities_file="")
        services = msgspec.structs.replace(services, mail=untrusted)
        clock.now += PAUSE
        await news(services, clock, "two")
        for _ in range(FAILURES_MAX + 2):
            assert await send_messages(services) == 0
            clock.now += timedelta(hours=7)
        way = await notice_ways.way(services, ana)
        assert (way.failures, "SSLCertVerificationError" in way.failure) == (FAILURES_MAX, True)
        assert len(server.taken) == 1, "a server that nobody vouches for gets nothing"


def test_the_operator_sees_what_failed_and_no_address(folder, capsys):
    data = ["--data", str(folder)]
    assert main(["messages", "list", *data]) == 0
    assert "No message waits." in capsys.readouterr().out
    assert main(["messages", "print", *data]) == 1
    assert main(["messages", "print", "--out", str(folder / "letters"), "--html", *data]) == 0
    assert "0 letters" in capsys.readouterr().out


@pytest.mark.parametrize(("address", "failure"), [("127.0.0.1", "private network"), ("93.184.215.14", "")])
async def test_a_webhook_is_signed_and_reaches_no_private_address(services, clock, ana, address, failure):
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(204)

    async def resolve(host, port):
        return [address]

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    services = msgspec.structs.replace(services, client=client, resolve=resolve)
    for elsewhere in ("http://other.test/in", "http://hook.test.evil/in", "not an address"):
        with pytest.raises(InvalidResource, match="subscription_targets"):
            await notice_ways.choose_how(services, ana, WayWished("webhook", elsewhere))
    await notice_ways.choose_how(services, ana, WayWished("webhook", "http://hook.test/in/ana"))
    await news(services, clock, "one")
    assert await send_messages(services) == (0 if failure else 1)
    assert failure in (await notice_ways.way(services, ana)).failure
    if not failure:
        (request,) = asked
        assert str(request.url) == f"http://{address}/in/ana"
        assert request.headers["host"] == "hook.test"
        key = services.keys.federation.as_dict(private=False)
        kid = json.loads(_decoded(request.content.split(b".")[0]))["kid"]
        told = compact.verify(
            request.content.decode(), [{**key, "kid": kid}], algorithms=frozenset({"ES384"})
        )
        assert set(told.claims) == {"iss", "aud", "iat", "jti"}
        assert told.claims["aud"] == "http://hook.test/in/ana"
    await client.aclose()


def _decoded(part):
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


async def test_letters_are_for_who_has_no_telephone_and_are_printed_once(services, clock, caller):
    row = make_row("Patient", "ana", json.dumps(ANA).encode(), index=IndexRow(("ana",), None, [], [], []))
    operator = caller(Role.OPERATOR)
    async with enter(
        services.gatehouse, operator, AccessRequest(Action.CREATE, "Patient", "Patient")
    ) as access:

        async def work(connection):
            await resources.apply(access.grant, connection, [Operation("create", "Patient", "ana", row)])

        await resources.transact(access.grant, services.database, work)
    desk = caller(Role.DESK, purpose=Purpose.PATIENT_REQUEST)
    await assisted.begin(services, desk, Shown("ana", "passport", "AB 12345"))
    await notice_ways.choose_how(services, desk, WayWished("letter"), patient="ana")
    await news(services, clock, "one")
    kept = []

    async def keep(letter):
        kept.append(letter)

    assert await send_messages(services) == 0
    assert await print_letters(services, operator, keep) == 1
    assert kept[0].lines == ["Ana Sintética", "Rua Falsa 1", "1000-001 Lisboa"]
    assert "bring a document" in kept[0].paragraphs[0]
    assert not [word for word in SECRETS if word in str(kept[0].paragraphs)]
    assert await print_letters(services, operator, keep) == 0
    assert not re.search(r"(src|href)=", as_html(kept[0]))
    shown = as_html(msgspec.structs.replace(kept[0], lines=["<script>"]))
    assert "<script>" not in shown


async def test_nobody_else_says_where_messages_go(services, caller):
    for role in (Role.CLINICIAN, Role.APP, Role.NODE, Role.OPERATOR, Role.AUDITOR):
        with pytest.raises(AccessRefused):
            await notice_ways.choose_how(services, caller(role), WayWished("letter"), patient="ana")


@pytest.mark.parametrize(
    "address", ["ana", "ana@", "ana@example", "a b@example.org", "ana@example.org\nBcc: x@y.org", "<a@b.org>"]
)
def test_what_is_no_mail_address_is_refused(address):
    with pytest.raises(InvalidSearch):
        check_address(address)


def test_every_channel_and_language_says_nothing_but_where(services_of_words):
    for language in texts():
        quiet = message_to(services_of_words, "x", language, quiet=True)
        assert services_of_words.base_url not in quiet.subject + quiet.body
        open_ = message_to(services_of_words, "x", language, quiet=False)
        assert services_of_words.base_url in open_.body
        assert "{" not in open_.subject + open_.body
    assert [*channels()] == ["letter", "mail", "webhook"]


@pytest.fixture
def services_of_words():
    class Words:
        base_url, name = "http://node.test", "Node"

    return Words()


@pytest.mark.parametrize(
    ("mail", "problem"),
    [
        ('{ host = "m", sender = "nobody" }', "mail.sender"),
        ('{ host = "m", sender = "a@b.org", user = "x" }', "mail.password_file"),
        ('{ host = "m", sender = "a@b.org", tls = "none" }', "mail.tls"),
    ],
)
def test_mail_is_set_up_whole_and_with_tls(mail, problem):
    text = f'node = "a"\nname = "A"\ncountry = "PT"\nbase_url = "http://a.test"\nport = 1\nmail = {mail}\n'
    with pytest.raises(SettingsInvalid, match=re.escape(problem)):
        parse_settings(text.encode(), "salus.toml")
