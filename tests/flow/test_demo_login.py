"""The embedded provider and test wallet of a demonstration: by the usual protocols, and nowhere else."""

import re

import httpx
import msgspec
import pytest
from tests.flow.test_portal import (  # noqa: F401  fixtures
    BASE,
    browser,
    form_token,
    national_number,
    node,
    people,
)

from salus.core.errors import SettingsInvalid
from salus.web.portal.session import open_sessions
from salus.web.provider.face import face as provider_face


def session_of(node, client):  # noqa: F811
    return open_sessions(node.services).doorkeeper.identify(client.cookies["salus_session"])


async def test_who_logs_in_by_a_password_is_asked_for_more_and_may_then_come_in(node, people):  # noqa: F811
    async with browser(node) as client:
        page = await client.get("/login?language=en")
        form = {"csrf": form_token(page), "persona": "citizen", "identifier": national_number(people[0])}
        weak = await client.post("/login", data=form | {"assurance": "low", "language": "en"})
        assert (weak.status_code, "Log in more surely" in weak.text) == (403, True)
        assert "salus_session" not in client.cookies
        assert "/wallet?as=citizen&amp;language=en" in weak.text
        link = re.search(r'href="(/login/with/test[^"]+)"', weak.text).group(1).replace("&amp;", "&")
        asked = await client.get(link)
        assert asked.url.path == "/provider/authorize"
        assert '<html lang="en">' in asked.text
        assert 'value="low"' not in asked.text
        request = re.search(r'name="request" value="([^"]+)"', asked.text).group(1).replace("&amp;", "&")
        form |= {"csrf": form_token(asked), "request": request, "assurance": "high", "language": "en"}
        page = await client.post("/provider/authorize", data=form)
        assert page.url.path == "/record"
        assert session_of(node, client).assurance == "high"
        forged = form | {"csrf": form_token(page), "assurance": "low"}
        assert (await client.post("/provider/authorize", data=forged)).url.path == "/provider/authorize"


async def test_the_provider_sends_nobody_elsewhere_and_gives_no_token_twice(node, people):  # noqa: F811
    async with browser(node) as client:
        client.follow_redirects = False
        out = await client.get("/login/with/test?as=citizen")
        asked = httpx.URL(out.headers["location"])
        for changed in (
            {"redirect_uri": "https://evil.example"},
            {"client_id": "x"},
            {"code_challenge_method": "plain"},
        ):
            assert (await client.get(asked.copy_merge_params(changed))).status_code == 400
        hinted = asked.copy_merge_params({"login_hint": "clinician high"})
        back = httpx.URL((await client.get(hinted)).headers["location"])
        assert (back.path, back.params["iss"]) == ("/login/back/test", f"{BASE}/provider")
        form = {"grant_type": "authorization_code", "code": back.params["code"], "redirect_uri": str(back)}
        assert (await client.post("/provider/token", data=form)).status_code == 400  # no client
        cookie = client.cookies["salus_login"]
        assert (await client.get(back)).status_code == 403  # a clinician, and a citizen was wanted
        client.cookies.set("salus_login", cookie, domain="127.0.0.1", path="/")
        assert (await client.get(back)).status_code == 401  # the code was used
        keys = (await client.get("/provider/jwks")).json()["keys"]
        assert [sorted(key) for key in keys] == [["alg", "crv", "kid", "kty", "use", "x", "y"]]


async def test_a_test_wallet_lets_a_citizen_and_a_professional_in(node, people):  # noqa: F811
    number = national_number(people[0])
    async with browser(node) as client:
        for role, chosen, path in (
            ("citizen", {"identifier": number}, "/record"),
            ("professional", {"persona": "pharmacist"}, "/patient"),
        ):
            page = await client.get(f"/wallet?as={role}&language=en")
            form = {"csrf": form_token(page), "where": "here", "as": role, "language": "en"}
            page = await client.post("/wallet", data=form)
            link = re.search(r'href="(/provider/wallet[^"]+)"', page.text).group(1).replace("&amp;", "&")
            page = await client.get(link)
            assert "given_name" in page.text, re.findall(r"<main.*?main>", page.text, re.S)
            hidden = {
                name: httpx.URL(f"http://x{link}").params[name] for name in ("client_id", "request_uri")
            }
            form = {"csrf": form_token(page), "language": "en", **hidden, **chosen}
            page = await client.post("/provider/wallet", data=form)
            assert page.url.path == path, page.text
            assert session_of(node, client).assurance == "high"


async def test_without_a_demonstration_there_is_no_embedded_provider(node):  # noqa: F811
    with pytest.raises(SettingsInvalid, match="demo = true"):
        provider_face(msgspec.structs.replace(node.services, demo=False))


async def test_each_test_person_comes_to_the_page_of_their_work(node):  # noqa: F811
    homes = {"clinician": "/patient", "pharmacist": "/patient", "desk": "/login/desk", "auditor": "/reviews"}
    for persona, home in homes.items():
        async with browser(node) as client:
            page = await client.get("/login")
            page = await client.post("/login", data={"csrf": form_token(page), "persona": persona})
            assert (page.status_code, page.url.path) == (200, home)
            assert session_of(node, client).role == persona
