"""The doors of the log-in, given rubbish: no failure, nobody let in, nobody sent elsewhere."""

import base64
import itertools
from urllib.parse import quote

from tests.flow.test_portal import BASE, browser, form_token, node, people  # noqa: F401  fixtures

from salus.web.portal.session import SESSION

RUBBISH = (
    "", "\x00", "é\u202e", "a" * 1_500, "<script>alert(1)</script>", "https://evil.example",
    "' OR 1=1 --", "e30.e30.e30", "a.b.c.d.e", "\r\nset-cookie: salus_session=x",
)  # fmt: skip
GETS = (
    "/login", "/login/with/test", "/login/back/test", "/login/stronger", "/wallet", "/wallet/ask",
    "/wallet/done", "/wallet/number", "/wallet/request/{}", "/login/with/{}", "/login/back/{}",
    "/provider/authorize", "/provider/wallet", "/provider/statuses/{}",
)  # fmt: skip
POSTS = (
    "/login", "/login/link", "/login/desk", "/logout", "/login/ended/test", "/wallet", "/wallet/number",
    "/wallet/answer/{}", "/provider/authorize", "/provider/token", "/provider/wallet",
)  # fmt: skip
NAMES = (
    "state", "code", "iss", "error", "next", "least", "as", "language", "login_hint", "redirect_uri",
    "client_id", "request_uri", "acr_values", "prompt", "response", "logout_token", "number", "persona",
    "identifier", "request", "client_assertion", "where", "patient", "again", "assurance", "grant_type",
)  # fmt: skip


def check(answer, what):
    assert answer.status_code < 500 or answer.status_code == 503, (what, answer.text[:300])
    place = answer.headers.get("location", "/")
    assert place.startswith(("/", f"{BASE}/")), (what, place)
    assert not place.startswith("//"), (what, place)
    assert f"{SESSION}=" not in answer.headers.get("set-cookie", ""), what
    assert "<script>alert" not in answer.text


async def test_rubbish_lets_nobody_in_and_breaks_nothing(node):  # noqa: F811
    async with browser(node) as client:
        client.follow_redirects = False
        token = form_token(await client.get("/login"))
        for path, text in itertools.product(GETS, RUBBISH):
            address = path.format(quote(text, safe="") or "x")
            fields = dict.fromkeys(NAMES, text)
            check(await client.get(address, params=fields), (path, text[:20]))
        for path, text in itertools.product(POSTS, RUBBISH):
            address = path.format(quote(text, safe="") or "x")
            fields = dict.fromkeys(NAMES, text[:300]) | {"csrf": token}
            check(await client.post(address, data=fields), (path, text[:20]))
            check(await client.post(address, content=text.encode() * 3), (path, "raw"))


async def test_forged_cookies_are_none(node):  # noqa: F811
    forged = base64.urlsafe_b64encode(b"x" * 32 + b'{"source":"test","state":"s"}').decode()
    async with browser(node) as client:
        client.follow_redirects = False
        for name, value in itertools.product(
            (SESSION, "salus_login", "salus_account", "salus_wallet"),
            (forged, "x", "a.b", "e30.e30.e30", "===", "á"),
        ):
            headers = {"cookie": f"{name}={value}".encode()}
            for path in ("/login/back/test?code=c&state=s", "/wallet/ask", "/wallet/done?code=1", "/record"):
                check(await client.get(path, headers=headers), (name, path))
