"""People log in by a provider: there and back, what a lying provider gets, and whose record opens."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from tests.flow.provider import TestProvider, forge
from tests.flow.test_portal import form_token

from salus.cli.node import make_node
from salus.cli.token import make_token
from salus.core.access import Assurance, Role
from salus.node import open_services
from salus.settings import Settings
from salus.trust.identity import authenticate
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims, Provider
from salus.web.application import assemble
from salus.web.fhir.face import face as fhir_face
from salus.web.login.face import face as login_face
from salus.web.login.records import give_code
from salus.web.portal.face import face as portal_face
from salus.web.portal.words import phrase

BASE = "http://127.0.0.1:9"
SYSTEM = "https://fhir.ee/sid/pid/est/ni"
NUMBER, OTHER = "49403136526", "37605030299"
LEVELS = {"high": Assurance.HIGH, "mid": Assurance.SUBSTANTIAL}
ROLES = {"doctor": Role.CLINICIAN, "clerk": Role.DESK}
WORK = ProfessionalClaims(claim="job", roles=ROLES, organisation="employer")
PROVIDERS = tuple(
    Provider(
        id=name, name=f"Provider {name}", issuer=f"https://{host}", client_id="salus", assurance=LEVELS,
        identifiers=(IdentifierClaim(claim="number", system=SYSTEM, prefix="EE"),),
        professional=WORK,
    )
    for name, host in (("a", "id.example"), ("b", "other.example"))
)  # fmt: skip


class Clock:
    now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def __call__(self):
        return self.now


class Node(msgspec.Struct):
    services: object
    application: object
    provider: TestProvider
    clock: Clock
    ana: str
    eva: str

    def browser(self):
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.application), base_url=BASE)

    def token(self, role, patient=None):
        settings = Settings(node="ee-1", name="E", country="EE", base_url=BASE, port=9, demo=True)
        return make_token(self.services.data, settings, role, None, patient, seconds=None)


def patient(number, family):
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": number}],
            "name": [{"family": family, "given": ["Ana"]}], "birthDate": "1994-03-13"}  # fmt: skip


@pytest.fixture
async def node(tmp_path, database_url):
    settings = Settings(
        node="ee-1", name="Estonia", country="EE", base_url=BASE, port=9, database=database_url,
        languages=("en", "et"), login=PROVIDERS,
    )  # fmt: skip
    make_node(tmp_path, settings)
    clock = Clock()
    provider = TestProvider(clock)
    async with open_services(tmp_path, clock) as (_, services):
        services = msgspec.structs.replace(services, client=provider.client_of)
        faces = [login_face(services), portal_face(services), fhir_face(services)]
        application = assemble(faces, limits=services.limits, secure=False)
        found = Node(services, application, provider, clock, "", "")
        async with found.browser() as client:
            for name, number in (("ana", NUMBER), ("eva", OTHER)):
                headers = {"authorization": f"Bearer {await operator(services)}"}
                answer = await client.put(
                    f"/fhir/Patient/{name}", json=patient(number, name) | {"id": name}, headers=headers
                )
                assert answer.status_code in (200, 201), answer.text
                setattr(found, name, name)
        yield found


async def operator(services):
    from salus.core.access import Caller, Purpose
    from salus.trust.tokens import issue

    caller = Caller("op", "Operator", Role.OPERATOR, "", "", Purpose.OPERATIONS)
    return issue(services.keys.token, caller, services.terms, now=services.clock())


async def come_back(node, browser, *, provider="a", query="as=citizen", **changed):
    """Go to the provider and back; return the answer to the browser's coming back."""
    out = await browser.get(f"/login/with/{provider}?{query}")
    assert out.status_code == 303, out.text
    address = httpx.URL(node.provider.visit(out.headers["location"])).copy_merge_params(changed)
    return await browser.get(address)


def is_sent_to_log_in(answer):
    return answer.status_code == 303 and answer.headers["location"].startswith("/login?language=en&next=%2F")


async def log_in(node, browser, **more):
    answer = await come_back(node, browser, **more)
    assert answer.status_code == 303, answer.text
    return answer


ANA = {"number": f"EE{NUMBER}"}


async def test_a_citizen_comes_in_by_number_sees_the_account_and_takes_it_back(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        answer = await log_in(node, browser)
        assert answer.headers["location"] == "/record?language=en"
        assert "salus_login" not in browser.cookies
        assert "Ana Silva" in (await browser.get("/record")).text
        page = await browser.get("/login/accounts")
        assert "Provider a" in page.text
        assert "logged in" in (await browser.get("/accesses?language=en")).text
        await log_in(node, browser)  # the second time, the account is known
        form = {"csrf": form_token(page), "id": page.text.split('name="id" value="')[1].split('"')[0]}
        page = await browser.get("/login/accounts")
        assert (
            await browser.post("/login/accounts", data=form | {"csrf": form_token(page)})
        ).status_code == 303
        assert is_sent_to_log_in(await browser.get("/record"))  # its sessions have ended
        asked = await come_back(node, browser)
        assert (asked.status_code, "salus_session" in asked.headers.get("set-cookie", "")) == (403, False)
        again = await browser.post("/login/link", data={"csrf": form_token(asked), "again": "yes"})
        assert again.headers["location"] == "/record?language=en"
        assert (await browser.get("/record")).status_code == 200


async def test_a_professional_works_under_their_register_and_nobody_else_does(node):
    node.provider.claims = {"job": ["doctor"], "employer": "Clinic", "name": "Dr Tamm"}
    async with node.browser() as browser:
        answer = await log_in(node, browser, query="as=professional&next=/patient%3Flanguage%3Det")
        assert answer.headers["location"] == "/patient?language=et"
        assert "Dr Tamm, Clinic" in (await browser.get("/patient")).text
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        assert (await come_back(node, browser, query="as=professional")).status_code == 403
        assert is_sent_to_log_in(await browser.get("/patient"))


async def test_who_is_not_sure_enough_is_asked_to_log_in_more_surely(node):
    node.provider.claims = ANA | {"acr": "mid"}
    async with node.browser() as browser:
        page = await come_back(node, browser)
        assert page.status_code == 403
        assert "Log in more surely" in page.text
        assert "/login/with/a?as=citizen&amp;least=high" in page.text
        assert "salus_session" not in browser.cookies
        out = await browser.get("/login/with/a?as=citizen&least=high")
        assert httpx.URL(out.headers["location"]).params["acr_values"] == "high"
        assert httpx.URL(out.headers["location"]).params["prompt"] == "login"
        assert (await come_back(node, browser, query="as=citizen&least=high")).status_code == 403
        node.provider.claims = dict(ANA)
        await log_in(node, browser, query="as=citizen&least=high")
    caller = session_of(node, browser)
    assert (caller.assurance, caller.patient, caller.role) == ("high", "ana", "citizen")


def session_of(node, browser):
    from salus.web.portal.session import open_sessions

    return open_sessions(node.services).doorkeeper.identify(browser.cookies["salus_session"])


LIES = (
    {"nonce": "n-2"}, {"nonce": ...}, {"aud": "another"}, {"iss": "https://other.example"}, {"exp": 1},
    {"iat": 99999999999}, {"sub": ""}, {"azp": "another"},
)  # fmt: skip


async def test_an_id_token_that_breaks_a_rule_lets_nobody_in(node):
    async with node.browser() as browser:
        for claims in LIES:
            node.provider.claims = ANA | claims
            page = await come_back(node, browser)
            assert page.status_code == 401, claims
            assert "salus_session" not in browser.cookies
        assert is_sent_to_log_in(await browser.get("/record"))


async def test_an_answer_to_another_request_or_of_another_provider_lets_nobody_in(node):
    node.provider.claims = dict(ANA)
    other = {"iss": "https://other.example"}
    async with node.browser() as browser:
        for changed in ({"state": "another"}, other, {"error": "access_denied"}, {"code": ""}):
            page = await come_back(node, browser, **changed)
            assert page.status_code == 401, changed
            assert "salus_session" not in browser.cookies
    assert not node.provider.forms  # no code is sent to anybody


async def test_an_answer_counts_once_and_in_the_browser_that_was_sent_out(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as browser, node.browser() as another:
        out = await browser.get("/login/with/a?as=citizen")
        back = node.provider.visit(out.headers["location"])
        assert (
            await another.get(back)
        ).status_code == 401  # a link that an attacker made: no log-in was begun
        assert (await browser.get(back.replace("/back/a", "/back/b"))).status_code == 401
        out = await browser.get("/login/with/a?as=citizen")
        back = node.provider.visit(out.headers["location"])
        assert (await browser.get(back)).status_code == 303
        assert (await browser.get(back)).status_code == 401  # again


async def test_a_signature_by_no_key_of_the_provider_lets_nobody_in(node):
    good = node.provider.id_token
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        for header in (
            {"alg": "none"},
            {"alg": "HS256"},
            {"alg": "ES384"},
            {"kid": "k9"},
            {"crit": ["b64"], "b64": False},
        ):
            node.provider.id_token = lambda header=header: forge(good(), **header)
            assert (await come_back(node, browser)).status_code == 401
        del node.provider.id_token


async def test_keys_may_be_rotated_and_strange_key_ids_are_asked_for_now_and_then(node):
    from joserfc.jwk import ECKey

    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        await log_in(node, browser)
        assert node.provider.fetched.count("/keys") == 1
        node.provider.keys, node.provider.signing = {"k2": ECKey.generate_key("P-256")}, "k2"
        assert (await come_back(node, browser)).status_code == 401  # fetched a moment ago
        node.clock.now += timedelta(seconds=31)
        await log_in(node, browser)
        assert node.provider.fetched.count("/keys") == 2
        strange = node.provider.keys
        for _ in range(3):
            node.provider.keys = strange | {"k3": ECKey.generate_key("P-256")}
            node.provider.signing = "k3"
            node.provider.id_token = lambda: forge(TestProvider.id_token(node.provider), kid="k7")
            assert (await come_back(node, browser)).status_code == 401
        assert node.provider.fetched.count("/keys") == 2


async def test_a_provider_that_is_down_is_said_to_be(node):
    node.provider.is_down = True
    async with node.browser() as browser:
        page = await browser.get("/login/with/a?as=citizen")
        assert page.status_code == 502
        assert "id.example cannot be reached" in page.text
        assert (await browser.get("/login/with/nobody")).status_code == 404
        assert (await browser.get("/login/link?language=et")).headers["location"] == "/login?language=et"


async def test_without_a_number_that_counts_no_name_opens_a_record(node):
    async with node.browser() as browser:
        for number in ({}, {"number": "EE49403136527"}, {"number": f"LT{NUMBER}"}):
            node.provider.claims = {"name": "Ana ana", "birthdate": "1994-03-13", **number}
            page = await come_back(node, browser)
            assert page.status_code == 403
            assert "never by name and birth date" in page.text
            assert "salus_session" not in browser.cookies


SEEN = {"proof": "passport", "number": "AB 12345"}


async def test_a_code_of_the_desk_binds_an_account_once(node):
    desk = authenticate(node.services.doorkeeper, f"Bearer {await operator(node.services)}")
    code, until = await give_code(node.services, desk, "ana", **SEEN)
    assert until > node.clock.now
    async with node.browser() as browser:
        page = await come_back(node, browser)
        wrong = await browser.post("/login/link", data={"csrf": form_token(page), "code": "2222-3333-4444"})
        assert (wrong.status_code, "This code is not right" in wrong.text) == (403, True)
        assert 'href="/login/link?language=et"' in wrong.text
        anew = await browser.get("/login/link?language=et")
        assert '<html lang="et">' in anew.text
        assert 'name="code"' in anew.text
        done = await browser.post("/login/link", data={"csrf": form_token(wrong), "code": code.lower()})
        assert done.headers["location"] == "/record?language=en"
        assert session_of(node, browser).patient == "ana"
        await log_in(node, browser)  # the account is bound now
    node.provider.claims = {"sub": "s-2"}
    async with node.browser() as browser:
        page = await come_back(node, browser)
        again = await browser.post("/login/link", data={"csrf": form_token(page), "code": code})
        assert again.status_code == 403
        assert is_sent_to_log_in(await browser.get("/record"))


async def test_a_clerk_who_has_seen_a_person_gives_them_a_code(node):
    node.provider.claims = {"sub": "c-1", "job": "clerk", "employer": "Clinic", "name": "Kim Clerk"}
    async with node.browser() as clerk, node.browser() as ana:
        answer = await log_in(node, clerk, query="as=professional")
        assert answer.headers["location"] == "/login/desk?language=en"
        page = await clerk.get("/login/desk")
        for number in ("38001085718", "x,y"):
            form = {"csrf": form_token(page), "identifier": number}
            assert (await clerk.post("/login/desk", data=form)).status_code == 422
        page = await clerk.post("/login/desk", data={"csrf": form_token(page), "identifier": NUMBER})
        assert "Is this the person" in page.text
        assert 'name="patient" value="ana"' in page.text
        unseen = await clerk.post("/login/desk", data={"csrf": form_token(page), "patient": "ana"})
        assert (unseen.status_code, 'name="number"' in unseen.text) == (400, True)
        page = await clerk.post("/login/desk", data={"csrf": form_token(unseen), "patient": "ana", **SEEN})
        code = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", page.text).group()
        assert (await clerk.get("/patient")).status_code == 403
        assert (await clerk.get("/record")).headers["location"].startswith("/desk?")  # of nobody, unassisted
        node.provider.claims = {}
        page = await come_back(node, ana)
        await ana.post("/login/link", data={"csrf": form_token(page), "code": code})
        assert session_of(node, ana).patient == "ana"
        assert (await ana.get("/login/desk")).status_code == 403
        assert "Kim Clerk" in (await ana.get("/accesses?language=en")).text


async def test_a_number_of_another_person_opens_neither_record(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        await log_in(node, browser)
        node.provider.claims = {"number": f"EE{OTHER}"}
        page = await come_back(node, browser)
        assert page.status_code == 403
        assert "another record" in page.text


async def test_the_provider_ends_the_sessions_of_who_logged_out_there(node):
    from salus.standards.openid.id_token import LOGOUT_EVENT

    node.provider.claims = ANA | {"sid": "session-1"}
    async with node.browser() as browser, node.browser() as outside:
        await log_in(node, browser)
        now = int(node.clock.now.timestamp())
        said = {"iss": node.provider.issuer, "aud": "salus", "iat": now, "exp": now + 60, "jti": "j-1"}
        said |= {"sid": "session-1", "events": {LOGOUT_EVENT: {}}}
        token = node.provider.signed(said, "logout+jwt")
        wrong = node.provider.signed(said | {"aud": "another"}, "logout+jwt")
        assert (await outside.post("/login/ended/a", data={"logout_token": wrong})).status_code == 400
        assert (await browser.get("/record")).status_code == 200
        assert (await outside.post("/login/ended/a", data={"logout_token": token})).status_code == 200
        assert is_sent_to_log_in(await browser.get("/record"))
        assert (await outside.post("/login/ended/a", data={"logout_token": token})).status_code == 400


async def test_logging_out_offers_to_log_out_at_the_provider_too(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        await log_in(node, browser)
        page = await browser.get("/record")
        done = await browser.post("/logout", data={"csrf": form_token(page)})
        assert "https://id.example/end?id_token_hint=" in done.text
        assert is_sent_to_log_in(await browser.get("/record"))


def ids_of(page):
    return [each for each in re.findall(r'name="id" value="([^"]+)"', page.text) if each != "all"]


async def end(browser, which):
    page = await browser.get("/login/sessions")
    return await browser.post("/login/sessions", data={"csrf": form_token(page), "id": which})


async def test_a_person_sees_their_sessions_and_ends_them_one_by_one_or_all_others(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as here, node.browser() as phone, node.browser() as library:
        await log_in(node, here)
        only = await here.get("/login/sessions?language=en")
        assert "You are logged in here only." in only.text
        node.clock.now += timedelta(minutes=3)
        await log_in(node, phone)
        await log_in(node, library)
        node.clock.now += timedelta(minutes=2)
        page = await here.get("/login/sessions?language=en")
        assert page.text.count("Provider a") == 3
        assert all(each in page.text for each in ("09:00", "09:03", "09:05")), page.text
        first, second = ids_of(page)
        assert (await end(here, first)).status_code == 303
        open_ones = [each for each in (phone, library) if (await each.get("/record")).status_code == 200]
        assert len(open_ones) == 1
        assert ids_of(await here.get("/login/sessions")) == [second]
        assert (await end(here, first)).status_code == 404
        assert (await end(here, "all")).status_code == 303
        assert is_sent_to_log_in(await open_ones[0].get("/record"))
        assert (await here.get("/record")).status_code == 200
        assert "login-session" in (await here.get("/accesses?language=en")).text


async def test_nobody_sees_or_ends_sessions_of_somebody_else(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as ana, node.browser() as eva, node.browser() as doctor:
        await log_in(node, ana)
        node.provider.claims = {"number": f"EE{OTHER}", "sub": "s-2"}
        await log_in(node, eva)
        node.provider.claims = {"job": "doctor", "employer": "Hospital", "sub": "s-3"}
        await log_in(node, doctor, query="as=professional")
        async with node.services.database.system() as connection:
            known = dict(await connection.fetch("SELECT subject, token_id FROM login_session"))
        for browser in (eva, doctor):
            assert ids_of(await browser.get("/login/sessions")) == []
            assert (await end(browser, known["s-1"])).status_code == 404
            assert (await end(browser, "all")).status_code == 303
            assert (await end(browser, "1' OR '1'='1")).status_code == 404
        assert (await ana.get("/record")).status_code == 200
        forged = await eva.post("/login/sessions", data={"id": "all"})
        assert forged.status_code == 403


async def test_sessions_by_every_account_that_opens_the_record_are_listed(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as one, node.browser() as other:
        await log_in(node, one)
        node.provider.claims = ANA | {"sub": "s-9"}
        await log_in(node, other)
        assert len(ids_of(await one.get("/login/sessions"))) == 1
        assert (await end(one, "all")).status_code == 303
        assert is_sent_to_log_in(await other.get("/record"))


@pytest.mark.parametrize("language", ["en", "et", "pt", "fr"])
async def test_the_page_of_sessions_speaks_every_language_of_the_pages(node, language):
    node.provider.claims = dict(ANA)
    async with node.browser() as here, node.browser() as there:
        await log_in(node, here)
        await log_in(node, there)
        page = await here.get(f"/login/sessions?language={language}")
        assert phrase("sessions-end-all", language) in page.text
        assert phrase("session-this", language) in page.text


async def test_no_log_in_leads_elsewhere(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        for where in ("https://evil.example", "//evil.example", "/\\evil.example"):
            query = str(httpx.QueryParams({"as": "citizen", "next": where}))
            answer = await log_in(node, browser, query=query)
            assert answer.headers["location"] == "/record?language=en"


async def test_a_node_of_real_people_has_no_test_persons(node):
    async with node.browser() as browser:
        page = await browser.get("/login")
        assert "Provider a" in page.text
        assert 'name="persona"' not in page.text
        form = {"csrf": page.cookies.get("salus_form", ""), "persona": "clinician"}
        assert (await browser.post("/login", data=form)).status_code == 403
        assert (await browser.get("/provider/authorize")).status_code == 404


async def test_the_node_proves_who_it_is_by_its_key(node):
    from salus.standards.jose.compact import verify

    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        await log_in(node, browser)
    (form, headers), key = node.provider.forms[0], node.services.keys.federation
    known = {**key.as_dict(private=False), "kid": key.kid}
    claims = verify(form["client_assertion"], [known], algorithms=frozenset({"ES384"})).claims
    assert (claims["sub"], claims["aud"]) == ("salus", "https://id.example/token")
    assert "authorization" not in headers


async def test_a_session_that_is_not_sure_enough_for_a_page_is_led_to_a_surer_log_in(node):
    from starlette.responses import Response

    from salus.core.access import Caller, Purpose
    from salus.web.portal.session import log_in as give_session
    from salus.web.portal.session import open_sessions

    weak = Caller(
        "ana", "Ana", Role.CITIZEN, "", "", Purpose.PATIENT_REQUEST, patient="ana", assurance=Assurance.LOW
    )
    given = Response()
    give_session(open_sessions(node.services), given, weak)
    async with node.browser() as browser:
        browser.headers["cookie"] = given.headers["set-cookie"].partition(";")[0]
        page = await browser.get("/record?language=en")
        assert page.status_code == 403
        link = re.search(r'href="(/login/stronger[?]as=citizen[^"]*)"', page.text).group(1)
        stronger = await browser.get(link.replace("&amp;", "&"))
        assert "You logged in by a password only" in stronger.text
        assert "/login/with/a?as=citizen&amp;least=high" in stronger.text


async def test_the_log_of_accesses_says_how_the_account_was_bound(node):
    node.provider.claims = dict(ANA)
    async with node.browser() as browser:
        await log_in(node, browser)
        page = await browser.get("/accesses?language=en")
    assert "added an account that opens your record" in page.text
    assert "logged in to your record" in page.text
    assert "account bound by identifier" in page.text
    assert "log-in by Provider a, assurance high" in page.text
