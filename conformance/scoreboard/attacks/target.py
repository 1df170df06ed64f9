"""A guarded node on loopback with two patients, everyone who may send it something, and how they send it."""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from conformance.scoreboard.node import Served, served_node
from salus.core.access import Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.node import load_node_keys, open_services, terms_of
from salus.settings import read_settings
from salus.store.federation import Client, register_client
from salus.store.revocations import revoke
from salus.trust import tokens
from salus.trust.keys import NodeKeys, make_keys

ANSWER_SECONDS_MAX = 20
"""After so long without an answer it counts as none."""
OWN, OTHER = "own-1a", "other-2b"
HIDDEN = "Otherhidden"
"""Stands in the record of `OTHER` only: nobody but a professional may be told."""
APP = Client("app", "App", [], ("launch/patient", "patient/*.rs"), (), (), ("http://127.0.0.1:1/callback",))
"""A registered public app, so that its requests are refused for what is wrong with them."""
JSON = "application/fhir+json"
_RAW = "/?=&%:$;,|*+!'()@[]{}<>\\^`#~"
_ROOT = ("/oauth/", "/.well-known/")


class Answer(msgspec.Struct, frozen=True):
    """What came back.

    Args:
        status: of HTTP.
        headers: by lower-case name.
        body: as it came.
        seconds: from the first byte sent to the last one received.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Everything that the asker can read: headers and body."""
        return (
            "\n".join(f"{name}: {value}" for name, value in self.headers.items())
            + "\n"
            + self.body.decode("utf-8", "replace")
        )


class Target(msgspec.Struct, frozen=True):
    """The running node.

    Args:
        data: its folder.
        port: where it listens on 127.0.0.1.
        keys: its own, to make tokens that only it could make.
        foreign: those of another node.
        terms: what its tokens say.
        record: the file to which the guard writes what would have left the machine.
        log: the file of its standard error.
        words: what fills the braces of a case.
        logins: an access token for each kind of asker.
    """

    data: Path
    port: int
    keys: NodeKeys
    foreign: NodeKeys
    terms: tokens.TokenTerms
    record: Path
    log: Path
    words: dict[str, str]
    logins: dict[str, str]

    def token(
        self,
        role: Role,
        purpose: Purpose,
        *,
        patient: str | None = None,
        scopes: tuple[str, ...] = (),
        now: datetime | None = None,
        keys: NodeKeys | None = None,
    ) -> str:
        """Return an access token, signed by this node unless told otherwise."""
        caller = _caller(self.terms, role, purpose, patient, scopes)
        return tokens.issue((keys or self.keys).token, caller, self.terms, now=now or utc_now())

    def filled(self, text: str) -> str:
        """Return a text with its braces filled; what is no word of ours stays."""
        for word, meaning in self.words.items():
            text = text.replace("{" + word + "}", meaning)
        return text

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        base: str = "/fhir",
        token: str | None = None,
        content_type: str | None = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request as it stands, and return the answer.

        Args:
            method: sent as it is.
            path: relative to `base`, or from the root for /oauth/ and /.well-known/; blanks and what is not
                ASCII are encoded, nothing else.
            body: None for none.
            base: of the path, without a trailing slash.
            token: for the Authorization header, which `headers` may give too.
            content_type: of the body; None for none.
            headers: more of them.

        Raises:
            OSError: the connection broke before an answer, or none came in time.
            http.client.HTTPException: what came is no HTTP.
        """
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and content_type:
            sent["Content-Type"] = content_type
        address = path if path.startswith(_ROOT) else base + path
        address = quote(address, safe=_RAW + '"').replace('"', "%22")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        began = time.monotonic()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it took all
                connection.request(method, address, body=body, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, content, time.monotonic() - began)
        finally:
            connection.close()

    def raw(self, sent: bytes, *, ends: bool = True) -> bytes:
        """Send bytes, close our side unless it `ends` not there, and return all that comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS_MAX) as connection:
            connection.sendall(sent)
            if ends:
                with suppress(OSError):  # it may have hung up first
                    connection.shutdown(socket.SHUT_WR)
            got = b""
            while chunk := connection.recv(65536):
                got += chunk
            return got

    def newest(self) -> str:
        """Return what names the last change of anything stored, the same as long as nothing is."""
        answer = self.send("GET", "/_history?_count=1", token=self.logins["operator"])
        entry = json.loads(answer.body)["entry"][0]
        return f"{entry['request']} {entry['response']}"

    def attempts(self) -> list[str]:
        """Return the hosts that the node tried to look up or to reach outside of this machine."""
        return self.record.read_text(encoding="utf-8").splitlines()


@contextmanager
def target() -> Iterator[Target]:
    """Yield a fresh node to attack."""
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(scratch) / "outside.txt"
        record.touch()
        with served_node(("-m", "conformance.scoreboard.attacks.guard", str(record))) as served:
            found = _described(served, record, make_keys(Path(scratch) / "foreign-keys"))
            _fill(found)
            yield found


def _described(served: Served, record: Path, foreign: NodeKeys) -> Target:
    keys, terms = load_node_keys(served.data), terms_of(read_settings(served.data))
    bare = Target(served.data, served.port, keys, foreign, terms, record, served.log, {}, {})
    citizen = bare.token(Role.CITIZEN, Purpose.PATIENT_REQUEST, patient=OWN)
    hours_ago = utc_now() - timedelta(hours=2)
    words = {
        "OWN": OWN,
        "OWN_UPPER": OWN.upper(),
        "OTHER": OTHER,
        "ANY": "any",
        "BASE": f"http://127.0.0.1:{served.port}/fhir",
        "CLIENT": APP.id,
        "REDIRECT": APP.redirects[0],
        "VALID": citizen,
        "EXPIRED": bare.token(Role.CITIZEN, Purpose.PATIENT_REQUEST, patient=OWN, now=hours_ago),
        "REVOKED": _revoked(served.data, bare),
        "REFRESH": secrets.token_urlsafe(),
    }
    logins = {
        "citizen": citizen,
        "clinician": bare.token(Role.CLINICIAN, Purpose.TREATMENT),
        "app": bare.token(Role.APP, Purpose.OPERATIONS, scopes=("system/*.cruds",)),
        "operator": bare.token(Role.OPERATOR, Purpose.OPERATIONS),
    }
    return msgspec.structs.replace(bare, words=words, logins=logins)


def _caller(
    terms: tokens.TokenTerms, role: Role, purpose: Purpose, patient: str | None, scopes: tuple[str, ...]
) -> Caller:
    return Caller("s", "Test", role, "o", terms.issuer, purpose, patient=patient, scopes=scopes)


def _revoked(data: Path, bare: Target) -> str:
    """Return a token of the citizen that the node took back; register the app on the way."""
    token = bare.token(Role.CITIZEN, Purpose.PATIENT_REQUEST, patient=OWN)
    read = tokens.verify(bare.keys.token, token, bare.terms, now=utc_now())

    async def take_back() -> None:
        async with open_services(data) as (_, services):
            await register_client(services.database, APP, now=utc_now())
            await revoke(services.database, read.caller.token_id, read.expires_at)

    asyncio.run(take_back())
    return token


def _fill(found: Target) -> None:
    """Write the two patients, and of one something that nobody else may see."""
    for identity, given in ((OWN, "Mari"), (OTHER, HIDDEN)):
        patient = {
            "resourceType": "Patient",
            "id": identity,
            "name": [{"family": "Secretname", "given": [given]}],
        }
        _put(found, patient)
    hidden = {
        "resourceType": "Observation",
        "id": "hidden-3c",
        "status": "final",
        "code": {"text": HIDDEN},
        "subject": {"reference": f"Patient/{OTHER}"},
    }
    _put(found, hidden)


def _put(found: Target, resource: dict[str, Any]) -> None:  # Any: FHIR JSON
    path = f"/{resource['resourceType']}/{resource['id']}"
    answer = found.send("PUT", path, json.dumps(resource).encode(), token=found.logins["operator"])
    assert answer.status == 201, answer.text + found.log.read_text(encoding="utf-8")
