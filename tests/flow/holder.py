"""Issuers, a register of verifiers, their status lists, and a wallet, for tests. Each can be told to lie."""

import itertools
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey
from tests.unit.standards.jose.authority import certificate, key

from salus.standards.jose.compact import claims_of
from salus.standards.jose.signature import take_apart
from salus.standards.openid4vp.request import read_request
from salus.standards.openid4vp.response import seal_answer
from salus.standards.sdjwt.disclosures import process
from salus.standards.sdjwt.issuing import Hidden, issue
from salus.standards.sdjwt.presentation import Binding, present, split
from salus.standards.sdjwt.status_list import write_status_list

PID, WORK = "urn:eudi:pid:1", "urn:example:doctor:1"
PID_ISSUER, WORK_ISSUER = "https://pid.example", "https://register.example"
SYSTEM = "https://fhir.ee/sid/pid/est/ni"


class World:
    """Keys of everybody outside the node; writes the files that its settings name."""

    def __init__(self, clock):
        self.clock = clock
        self.root, self.own = key(), key()
        self.anchor = certificate("register", self.root, "register", self.root, is_ca=True)
        self.leaf = certificate("node.example", self.own, "register", self.root)
        self.issuers = {PID_ISSUER: ECKey.generate_key("P-256"), WORK_ISSUER: ECKey.generate_key("P-256")}
        self.statuses = {PID_ISSUER: [0, 0, 0, 0], WORK_ISSUER: [0, 0, 0, 0]}
        self.fetched, self.is_down, self.salts = [], False, (f"salt-{n:020}" for n in itertools.count())
        self.holder = ECKey.generate_key("P-256")

    def settings(self, **more):
        identifiers = [{"claim": "personal_administrative_number", "system": SYSTEM}]
        claims = {"claim": "role", "organisation": "organisation", "roles": {"physician": "clinician"}}
        return {
            "certificates_file": "wallet/chain.pem",
            "key_file": "wallet/key.pem",
            "identification": {"types": [PID], "issuers": [
                {"issuer": PID_ISSUER, "name": "State wallet", "keys_file": "wallet/pid.jwks",
                 "identifiers": identifiers}]},
            "profession": {"types": [WORK], "claims": claims, "issuers": [
                {"issuer": WORK_ISSUER, "name": "Register", "keys_file": "wallet/work.jwks"}]},
        } | more  # fmt: skip

    def write(self, data):
        folder = data / "wallet"
        folder.mkdir()
        (folder / "chain.pem").write_bytes(self.leaf.public_bytes(Encoding.PEM))
        private = self.own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(private)
        (folder / "key.pem").chmod(0o600)
        for name, issuer in (("pid", PID_ISSUER), ("work", WORK_ISSUER)):
            keys = {"keys": [{**self.issuers[issuer].as_dict(private=False), "kid": "k"}]}
            (folder / f"{name}.jwks").write_bytes(msgspec.json.encode(keys))

    @property
    def client(self):
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request):
        self.fetched.append(str(request.url))
        if self.is_down:
            raise httpx.ConnectError("down", request=request)
        issuer = f"https://{request.url.host}"
        now = self.clock().timestamp()
        uri = f"{issuer}/statuses"
        token = write_status_list(
            self.statuses[issuer], self.issuers[issuer], kid="k", uri=uri, bits=1, now=now, seconds=60
        )

        async def body():
            yield token.encode()

        return httpx.Response(200, content=body())

    def issue(self, issuer, vct, *, holder=None, index=1, signer=None, **claims):
        now = int(self.clock().timestamp())
        status = {"status_list": {"uri": f"{issuer}/statuses", "idx": index}}
        plain = {"iss": issuer, "vct": vct, "iat": now, "exp": now + 86_400 * 30, "status": status}
        plain |= {name: claims.pop(name) for name in list(claims) if name in plain}
        hidden = {name: Hidden(one) for name, one in claims.items()}
        present_ones = {name: one for name, one in (plain | hidden).items() if one is not ...}
        holder = holder or self.holder
        return issue(
            present_ones, signer or self.issuers[issuer], kid="k", salts=self.salts,
            holder=holder.as_dict(private=False),
        )  # fmt: skip

    def pid(self, number, **more):
        claims = {"given_name": "Ana", "family_name": "Silva", "personal_administrative_number": number}
        return self.issue(more.pop("issuer", PID_ISSUER), more.pop("vct", PID), **(claims | more))

    def work(self, **more):
        claims = {"role": "physician", "organisation": "Clinic"}
        return self.issue(more.pop("issuer", WORK_ISSUER), WORK, **(claims | more))


async def fetch(world, http, address):
    """Return the request that an address of the wallet's scheme leads to, as a wallet reads it."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    answer = await http.get(asked["request_uri"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/oauth-authz-req+jwt"
    now = world.clock().timestamp()
    return read_request(answer.text, client_id=asked["client_id"], anchors=[world.anchor], now=now)


def bound(world, request, text, *, signer=None, audience=None, nonce=None, ago=0):
    """Return what a wallet shows of a credential: all that is hidden, bound to the request."""
    binding = Binding(audience or request.client_id, nonce or request.nonce)
    now = world.clock().timestamp() - ago
    paths = {
        ("given_name",),
        ("family_name",),
        ("personal_administrative_number",),
        ("role",),
        ("organisation",),
    }
    parts = split(text)
    claims = claims_of(take_apart(parts.credential, size_max=100_000).payload)
    known = frozenset(place for place in process(claims, parts.disclosures).places if place in paths)
    return present(text, known, signer or world.holder, binding, now=now)


async def post(http, request, shown):
    """Post the answer; return the response."""
    sealed = seal_answer({name: [text] for name, text in shown.items()}, request)
    return await http.post(request.response_uri, data={"response": sealed})
