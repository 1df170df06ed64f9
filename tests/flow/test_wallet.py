"""Logging in with a wallet: what it is asked, what it may show, and in whose browser it lets its owner in."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.flow.holder import PID_ISSUER, WORK, WORK_ISSUER, World, bound, fetch, post
from tests.flow.test_login import NUMBER, OTHER, Clock, operator, patient, session_of
from tests.flow.test_portal import form_token

from salus.cli.node import make_node
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.settings import Settings
from salus.standards.openid4vp.response import seal_answer
from salus.trust.login.wallet import Wallet
from salus.web.application import assemble
from salus.web.fhir.face import face as fhir_face
from salus.web.login.face import face as login_face
from salus.web.login.wallet_face import face as wallet_face
from salus.web.portal.face import face as portal_face

BASE = "http://127.0.0.1:9"


class Node(msgspec.Struct):
    services: object
    application: object
    world: World
    clock: Clock

    def browser(self):
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.application), base_url=BASE)


@pytest.fixture
async def node(tmp_path, database_url):
    clock = Clock()
    clock.now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    world = World(clock)
    settings = Settings(
        node="ee-1", name="Estonia", country="EE", base_url=BASE, port=9, database=database_url,
        languages=("en", "et"), wallet=msgspec.convert(world.settings(), Wallet),
    )  # fmt: skip
    make_node(tmp_path, settings)
    world.write(tmp_path)
    async with open_services(tmp_path, clock) as (_, services):
        services = msgspec.structs.replace(services, client=world.client)
        faces = [face(services) for face in (login_face, wallet_face, portal_face, fhir_face)]
        found = Node(services, assemble(faces, limits=services.limits, secure=False), world, clock)
        headers = {"authorization": f"Bearer {await operator(services)}"}
        async with found.browser() as client:
            for name, number in (("ana", NUMBER), ("eva", OTHER)):
                body = patient(number, name) | {"id": name}
                assert (await client.put(f"/fhir/Patient/{name}", json=body, headers=headers)).is_success
        yield found


async def begin(browser, *, where="here", role="citizen"):
    """Begin a log-in; return the page that opens the wallet."""
    page = await browser.get(f"/wallet?as={role}")
    form = {"csrf": form_token(page), "where": where, "as": role, "language": "en"}
    answer = await browser.post("/wallet", data=form)
    assert answer.status_code == 303, answer.text
    return await browser.get(answer.headers["location"])


async def asked_in(node, browser, http, **how):
    """Begin a log-in; return the request as the wallet reads it."""
    page = await begin(browser, **how)
    return await fetch(node.world, http, address_in(page))


def address_in(page):
    found = re.search(r'href="(openid4vp://[^"]+)"', page.text)
    return found.group(1).replace("&amp;", "&")


async def test_a_wallet_on_the_same_device_lets_its_owner_in(node):
    async with node.browser() as browser, node.browser() as http:
        request = await asked_in(node, browser, http)
        assert [claim.path for claim in request.query.credentials[0].claims] == [
            ("given_name",), ("family_name",), ("personal_administrative_number",)
        ]  # fmt: skip
        assert [each.id for each in request.query.credentials] == ["pid"]
        answer = await post(http, request, {"pid": bound(node.world, request, node.world.pid(NUMBER))})
        assert answer.status_code == 200, answer.text
        done = await browser.get(answer.json()["redirect_uri"])
        assert done.headers["location"] == "/record?language=en"
        caller = session_of(node, browser)
        assert (caller.patient, caller.assurance, caller.name) == ("ana", "high", "Ana Silva")
        assert (await browser.get(answer.json()["redirect_uri"])).status_code in (400, 403)  # once
        assert "State wallet" in (await browser.get("/login/accounts")).text
        assert NUMBER not in (await browser.get("/login/accounts")).text


async def test_an_answer_lets_nobody_in_but_the_browser_that_began(node):
    async with node.browser() as attacker, node.browser() as victim, node.browser() as http:
        request = await asked_in(node, attacker, http)
        answer = await post(http, request, {"pid": bound(node.world, request, node.world.pid(NUMBER))})
        led = await victim.get(answer.json()["redirect_uri"])  # the victim's browser did not begin this
        assert led.status_code == 400
        assert "salus_session" not in victim.cookies
        code = answer.json()["redirect_uri"].rpartition("=")[2]
        for guess in ("", "1", code[:-1]):  # and the attacker, who did, has no code
            assert (await attacker.get(f"/wallet/done?code={guess}")).status_code == 403
        assert (await attacker.get(f"/wallet/done?code={code}")).status_code == 403  # too many tries
        assert "salus_session" not in attacker.cookies


async def test_a_wallet_elsewhere_gives_a_number_that_is_typed_where_it_began(node):
    async with node.browser() as desk, node.browser() as phone, node.browser() as http:
        page = await begin(desk, where="elsewhere")
        assert '<svg xmlns="http://www.w3.org/2000/svg" role="img"' in page.text
        assert page.headers["refresh"] == "3"
        login = desk.cookies["salus_wallet"].partition(".")[0]
        from salus.standards.openid4vp.request import client_id_of

        client = client_id_of(node.world.leaf).replace(":", "%3A")
        address = f"openid4vp://?client_id={client}&request_uri={BASE}/wallet/request/{login}"
        request = await fetch(node.world, http, address)
        answer = await post(http, request, {"pid": bound(node.world, request, node.world.pid(NUMBER))})
        shown = await phone.get(answer.json()["redirect_uri"])
        number = re.search(r"<strong>(\d{6})</strong>", shown.text).group(1)
        assert "tell it to nobody" in shown.text
        page = await desk.get("/wallet/ask")
        assert "refresh" not in page.headers
        wrong = f"{(int(number) + 1) % 10**6:06}"
        again = await desk.post("/wallet/number", data={"csrf": form_token(page), "number": wrong})
        assert again.status_code == 403
        stolen = {"csrf": form_token(await phone.get("/wallet")), "number": number}
        assert (await phone.post("/wallet/number", data=stolen)).status_code == 400
        done = await desk.post("/wallet/number", data={"csrf": form_token(again), "number": number})
        assert done.headers["location"] == "/record?language=en"
        assert session_of(node, desk).patient == "ana"


async def test_a_professional_shows_identification_and_role_of_one_person(node):
    world = node.world
    async with node.browser() as browser, node.browser() as http:
        request = await asked_in(node, browser, http, role="professional")
        assert [each.id for each in request.query.credentials] == ["pid", "work"]
        shown = {"pid": bound(world, request, world.pid(NUMBER)), "work": bound(world, request, world.work())}
        answer = await post(http, request, shown)
        done = await browser.get(answer.json()["redirect_uri"])
        assert done.headers["location"] == "/patient?language=en"
        caller = session_of(node, browser)
        assert (caller.role, caller.organisation, caller.name) == ("clinician", "Clinic", "Ana Silva")
        assert caller.subject.startswith("wallet-")
        stranger = ECKey.generate_key("P-256")
        request = await asked_in(node, browser, http, role="professional")
        of_another = bound(world, request, world.work(holder=stranger), signer=stranger)
        answer = await post(
            http, request, shown | {"pid": bound(world, request, world.pid(NUMBER)), "work": of_another}
        )
        assert (answer.status_code, "same person" in answer.text) == (400, True)
        by_pid = bound(world, request, world.pid(NUMBER, vct=WORK))
        for work in (by_pid, bound(world, request, world.work(issuer=PID_ISSUER))):
            answer = await post(
                http, request, {"pid": bound(world, request, world.pid(NUMBER)), "work": work}
            )
            assert answer.status_code == 400  # the issuer of identification vouches for no work
        mine = bound(world, request, world.pid(NUMBER, issuer=WORK_ISSUER))
        answer = await post(http, request, {"pid": mine, "work": bound(world, request, world.work())})
        assert answer.status_code == 400  # nor the register for who somebody is


def lies(world, request):
    """Yield what a wallet may not show, and a word of the reason."""
    other = ECKey.generate_key("P-256")
    pid = world.pid(NUMBER)
    yield bound(world, request, pid, signer=other), "signature"  # foreign key binding
    yield bound(world, request, pid, audience="x509_hash:another"), "aud"
    yield bound(world, request, pid, nonce="another"), "nonce"
    yield bound(world, request, pid, ago=400), "too old"
    yield bound(world, request, world.pid(NUMBER, signer=other)), "signature"
    yield bound(world, request, world.pid(NUMBER, exp=1)), "expired"
    yield bound(world, request, world.pid(NUMBER, vct="urn:other")), "vct"
    yield bound(world, request, world.pid(NUMBER, index=2)), "revoked"
    yield bound(world, request, world.pid(NUMBER, index=9_999)), "status"
    yield bound(world, request, world.pid(NUMBER, status=...)), "nobody could revoke"
    yield bound(world, request, world.pid("49403136527")), "national identifier"
    yield bound(world, request, pid).rpartition("~")[0] + "~", "not bound"


async def test_a_presentation_that_breaks_a_rule_lets_nobody_in(node):
    world = node.world
    world.statuses[PID_ISSUER][2] = 1
    async with node.browser() as browser, node.browser() as http:
        request = await asked_in(node, browser, http)
        for shown, why in lies(world, request):
            answer = await post(http, request, {"pid": shown})
            assert answer.status_code == 400, why
            assert why in answer.json()["error_description"], answer.text
        earlier = bound(world, request, world.pid(NUMBER))
        request = await asked_in(node, browser, http)  # begun anew: what was shown before is worth nothing
        replayed = await post(http, request, {"pid": earlier})
        assert (replayed.status_code, "nonce" in replayed.text) == (400, True)
        good = {"pid": bound(world, request, world.pid(NUMBER))}
        assert (
            await post(http, request, good | {"work": bound(world, request, world.work())})
        ).status_code == 400
        assert (await post(http, request, good)).status_code == 200
        assert (await post(http, request, good)).status_code == 400  # answered once
        assert (await browser.get("/record")).headers["location"] == "/login?language=en&next=%2Frecord"


async def test_a_status_list_that_cannot_be_fetched_lets_nobody_in(node):
    world = node.world
    async with node.browser() as browser, node.browser() as http:
        request = await asked_in(node, browser, http)
        world.is_down = True
        answer = await post(http, request, {"pid": bound(world, request, world.pid(NUMBER))})
        assert answer.status_code == 503
        world.is_down = False
        for _ in range(2):
            request = await asked_in(node, browser, http)
            assert (await post(http, request, {"pid": bound(world, request, world.pid(NUMBER))})).is_success
        assert world.fetched == [f"{PID_ISSUER}/statuses"] * 2  # the failed one, and one that is kept
        node.clock.now += timedelta(seconds=61)
        world.statuses[PID_ISSUER][1] = 1
        request = await asked_in(node, browser, http)
        assert (
            await post(http, request, {"pid": bound(world, request, world.pid(NUMBER))})
        ).status_code == 400


async def test_a_registered_verifier_shows_its_registration(node, tmp_path):
    from salus.standards.jose.compact import unverified
    from salus.web.login.verifier import open_verifier

    (tmp_path / "wallet" / "registration.jwt").write_text("a.b.c\n")
    registered = msgspec.structs.replace(
        node.services.wallet, registration_file="wallet/registration.jwt", scheme="haip-vp"
    )
    services = msgspec.structs.replace(node.services, wallet=registered)
    application = assemble([wallet_face(services)], limits=services.limits, secure=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=BASE) as browser:
        page = await browser.get("/wallet")
        page = await browser.post("/wallet", data={"csrf": form_token(page), "where": "here"})
        page = await browser.get("/wallet/ask")
        address = re.search(r'request_uri=([^"]+)"', page.text).group(1)
        assert "haip-vp://?client_id=" in page.text
        token = (await browser.get(httpx.QueryParams(f"u={address}")["u"])).text
    assert unverified(token, size_max=100_000).claims["verifier_info"] == [
        {"format": "registration_cert", "data": "a.b.c"}
    ]
    (tmp_path / "wallet" / "registration.jwt").write_text("no token")
    with pytest.raises(SettingsInvalid, match="registration certificate"):
        open_verifier(registered, tmp_path)


async def test_what_is_no_answer_is_refused(node):
    async with node.browser() as browser, node.browser() as http:
        request = await asked_in(node, browser, http)
        uri, sealed = request.response_uri, seal_answer({"pid": ["x~"]}, request)
        bodies = ({"response": sealed}, {"response": "x.y.z"}, {"vp_token": "{}"}, {"response": ""}, {})
        for form in bodies:
            assert (await http.post(uri, data=form)).status_code == 400
        assert (await http.post(uri, content=b"response=" + b"a" * 600_000)).status_code == 400
        assert (
            await http.post(f"{BASE}/wallet/answer/unknown", data={"response": sealed})
        ).status_code == 400
        assert (await http.get(f"{BASE}/wallet/request/unknown")).status_code == 404
        node.clock.now += timedelta(minutes=6)
        assert (await http.get(uri.replace("/answer/", "/request/"))).status_code == 404
        assert (await browser.get("/wallet/ask")).status_code == 403
