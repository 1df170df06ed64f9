"""A tiny OpenID Connect provider for tests: it answers over a transport of httpx, and can be told to lie."""

import base64
import hashlib
import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from joserfc.jwk import ECKey

from salus.standards.jose.compact import sign


def reply(status, members):
    async def body():
        yield json.dumps(members).encode()

    return httpx.Response(status, content=body())


class TestProvider:
    """`claims` go into the next ID token over the usual ones; `...` leaves one out."""

    __test__ = False

    def __init__(self, clock, issuer="https://id.example", client="salus"):
        self.issuer, self.client, self.clock = issuer, client, clock
        self.keys = {"k1": ECKey.generate_key("P-256")}
        self.signing, self.claims, self.metadata, self.asked = "k1", {}, {}, {}
        self.fetched, self.forms, self.is_down = [], [], False
        self.userinfo = None

    @property
    def client_of(self):
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request):
        path = request.url.path
        self.fetched.append(path)
        if self.is_down:
            raise httpx.ConnectError("down", request=request)
        if path == "/.well-known/openid-configuration":
            return reply(200, self.document())
        if path == "/keys":
            public = [
                {**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in self.keys.items()
            ]
            return reply(200, {"keys": public})
        if path == "/userinfo":
            return reply(200, self.userinfo)
        assert path == "/token", path
        return self.token(request)

    def document(self):
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        names |= {"userinfo_endpoint": "userinfo", "end_session_endpoint": "end"}
        found = {name: f"{self.issuer}/{path}" for name, path in names.items()}
        return (
            found
            | {"issuer": self.issuer, "authorization_response_iss_parameter_supported": True}
            | self.metadata
        )

    def token(self, request):
        form = dict(parse_qsl(request.content.decode()))
        self.forms.append((form, dict(request.headers)))
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self.asked["code_challenge"]:
            return reply(400, {"error": "invalid_grant"})
        return reply(200, {"access_token": "a-1", "id_token": self.id_token(), "token_type": "Bearer"})

    def id_token(self, **changed):
        now = int(self.clock().timestamp())
        usual = {"iss": self.issuer, "aud": self.client, "iat": now, "exp": now + 300, "acr": "high"}
        usual |= {"nonce": self.asked.get("nonce"), "sub": "s-1", "name": "Ana Silva"}
        return self.signed({**usual, **self.claims, **changed})

    def signed(self, claims, typ="JWT"):
        present = {name: value for name, value in claims.items() if value is not ...}
        return sign(present, self.keys[self.signing], kid=self.signing, typ=typ)

    def visit(self, location):
        """Take a browser's request; return the address that it is sent back to."""
        address = urlsplit(location)
        assert f"{address.scheme}://{address.netloc}" == self.issuer
        self.asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        query = httpx.QueryParams({"code": "c-1", "state": self.asked["state"], "iss": self.issuer})
        return f"{self.asked['redirect_uri']}?{query}"


def forge(token, **header):
    """Return the token with another header and no valid signature."""
    head, claims, signature = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(head + "==")) | header
    text = base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
    return f"{text}.{claims}.{signature}"
