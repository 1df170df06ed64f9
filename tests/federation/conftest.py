"""Two real nodes on loopback, each with its own database, keys, server and port, in one federation."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from joserfc.jwk import ECKey

from salus.cli.node import make_node
from salus.core.access import Assurance, Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.federation.authority import Authority, configuration, mark_for, statement_about
from salus.federation.entity import LedgerKeys, node_configuration
from salus.federation.membership import install_list
from salus.federation.membership_list import Member, MembershipList, key_id, sign_list
from salus.node import faces, open_services
from salus.settings import Settings
from salus.trust.keys import load_keys
from salus.trust.tokens import issue
from salus.web import membership, mhd, pdqm, smart
from salus.web.application import assemble
from salus.web.fhir import face as fhir
from salus.web.proof import proven_key
from salus.web.services import Application, Face, Services

_NAMES = itertools.count()
_PORTS: set[int] = set()
DAY = timedelta(days=1)
ANCHOR = "http://127.0.0.1:1/federation/anchor"
"""Of the federation of these tests; nobody answers there."""
KEYS: dict[str, ECKey] = {}
"""Private keys of members by their thumbprints, to sign what they say of themselves."""


class Clock:
    """The present, with a difference that a test chooses."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> Any:
        return utc_now() + self.ahead


class Node(msgspec.Struct):
    """A running node."""

    name: str
    folder: Path
    url: str
    services: Services
    clock: Clock


def local_token(node: Node, role: Role, name: str, *, patient: str | None = None) -> str:
    """Return a token of someone who logged in at the node."""
    purposes = {
        Role.OPERATOR: Purpose.OPERATIONS,
        Role.AUDITOR: Purpose.OPERATIONS,
        Role.CITIZEN: Purpose.PATIENT_REQUEST,
    }
    caller = Caller(
        subject=name,
        name=name,
        role=role,
        organisation=f"Hospital of {node.name}",
        issuer=node.url,
        purpose=purposes.get(role, Purpose.TREATMENT),
        patient=patient,
        assurance=Assurance.HIGH,
    )
    return issue(node.services.keys.token, caller, node.services.terms, now=node.clock())


def local_caller(node: Node, role: Role, name: str) -> Caller:
    return node.services.doorkeeper.identify(local_token(node, role, name))


async def put(node: Node, *resources: dict[str, Any]) -> None:
    """Store resources at the node as its operator does."""
    headers = {
        "authorization": f"Bearer {local_token(node, Role.OPERATOR, 'operator')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        for resource in resources:
            address = f"{node.url}/fhir/{resource['resourceType']}/{resource['id']}"
            answer = await client.put(address, json=resource, headers=headers)
            assert answer.status_code in (200, 201), answer.text


async def get(node: Node, path: str, role: Role = Role.OPERATOR, **who: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {local_token(node, role, 'reader', **who)}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"{node.url}/fhir/{path}", headers=headers)


class Federation(msgspec.Struct):
    """The anchor's side: keys, the current list and the nodes that hear of it."""

    anchor: ECKey
    current: MembershipList
    nodes: dict[str, Node]
    ledgers: dict[str, LedgerKeys | None] = {}
    """What members name as the keys of their logs, where a test lets them name others than they have."""

    def ledger_of(self, node: str) -> LedgerKeys | None:
        if node not in self.nodes:
            return None
        own = self.nodes[node].services.witnesses
        return LedgerKeys(own.log.text, own.witness_key.text)

    def name_keys(self, node: str, keys: LedgerKeys | None) -> None:
        """Let a member name these keys of its log, and bring chains that do to every node."""
        self.ledgers[node] = keys
        self.vouch_for(self.member(node))

    def publish(self, *members: Member, expires_in: timedelta = DAY) -> None:
        """Sign the next list, and bring it and trust chains to its members to every node."""
        now = utc_now().replace(microsecond=0)
        version = self.current.version + 1
        self.current = MembershipList("test", version, now, now + expires_in, tuple(members), ANCHOR)
        token = sign_list(self.current, self.anchor)
        for node in self.nodes.values():
            install_list(node.folder, token, anchor=self.anchor.as_dict(private=False))
        for member in self.current.members:
            if member.state(now) == "active":
                self.vouch_for(member)

    def vouch_for(self, member: Member) -> None:
        """Bring a trust chain to the member to every node."""
        for node in self.nodes.values():
            now = node.clock()
            node.services.chains.keep(member, self.chain_to(member, now), fetched_at=now.timestamp())

    def chain_to(self, member: Member, now: datetime) -> tuple[str, str, str]:
        """Return what the member says of itself, and what the anchor says of it and of itself."""
        anchor = Authority(self.current, (self.anchor,))
        mark = mark_for(anchor, member.base_url, now=now)
        key = KEYS[member.keys[0]["kid"]]
        ledger = self.ledgers.get(member.node, self.ledger_of(member.node))
        own = node_configuration(member, key, anchor=ANCHOR, marks=[mark], ledger=ledger, now=now)
        about = statement_about(anchor, member.base_url, now=now)
        return own, about, configuration(anchor, now=now)

    def member(self, node: str) -> Member:
        return next(each for each in self.current.members if each.node == node)


def free_port() -> int:
    """Return a port nobody listens at, never one that was given before: that one may not listen yet."""
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = int(found.getsockname()[1])
        if port not in _PORTS:
            _PORTS.add(port)
            return port


@asynccontextmanager
async def serving(application: Application, port: int) -> AsyncIterator[None]:
    """Serve the application on loopback until the context closes."""
    server = Server(
        application, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False
    )
    task = asyncio.create_task(server.serve())
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.01)
        yield
    finally:
        server.stop()
        await task


def as_member(node: Node, country: str) -> Member:
    key = load_keys(node.folder / "keys").federation
    until = (utc_now() + DAY).replace(microsecond=0)
    return Member(node.name, country, f"Node {node.name}", node.url, [public_part(key)], until)


def public_part(key: ECKey) -> dict[str, Any]:
    """Return the public half of a member's key, and remember the other."""
    found = key.as_dict(private=False)
    public = {name: found[name] for name in ("kty", "crv", "x", "y")} | {"kid": key_id(found)}
    KEYS[public["kid"]] = key
    return public


def all_faces(services: Services) -> list[Face]:
    found = faces(services)
    claimed = {prefix for each in found for prefix in each.prefixes}
    own = [module.face(services) for module in (smart, membership, fhir, pdqm, mhd)]
    return found + [each for each in own if not claimed & set(each.prefixes)]


@asynccontextmanager
async def running(folder: Path, database_url: str, name: str) -> AsyncIterator[Node]:
    port = free_port()
    country = name[:2].upper()
    url = f"http://127.0.0.1:{port}"
    make_node(
        folder,
        Settings(
            node=name, name=f"Node {name}", country=country, base_url=url, port=port, database=database_url
        ),
    )
    clock = Clock()
    async with open_services(folder, clock) as (settings, services):
        application = assemble(
            all_faces(services), limits=settings.limits, secure=False, prove=partial(proven_key, services)
        )
        async with serving(application, port):
            yield Node(name, folder, url, services, clock)


@pytest.fixture
async def databases(server: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Return a maker of fresh migrated databases."""
    connection = await asyncpg.connect(server)
    made = []

    async def make() -> str:
        name = f"federation_{os.getpid()}_{next(_NAMES)}"
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE salus_template STRATEGY file_copy")
        made.append(name)
        return server.replace("/postgres?", f"/{name}?")

    try:
        yield make
        for name in made:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def federation(tmp_path: Path, databases: Callable[[], Awaitable[str]]) -> AsyncIterator[Federation]:
    """Yield a federation of two running nodes, pt-1 (home) and ee-1 (abroad)."""
    async with AsyncExitStack() as stack:
        nodes = {
            name: await stack.enter_async_context(running(tmp_path / name, await databases(), name))
            for name in ("pt-1", "ee-1")
        }
        now = utc_now().replace(microsecond=0)
        found = Federation(ECKey.generate_key("P-384"), MembershipList("test", 0, now, now, ()), nodes)
        found.publish(*(as_member(node, node.name[:2].upper()) for node in nodes.values()))
        yield found
