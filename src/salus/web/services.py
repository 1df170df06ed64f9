"""What the node hands to every web face: one frozen value, made once by `salus.node`.

A face is a module of `salus.web` with a function ``face(services: Services) -> Face``;
`salus.web.application` asks each and sends a request to the one with the longest matching prefix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from salus.core.clock import Clock
from salus.core.limits import Limits
from salus.core.tally import System
from salus.federation.chains import Chains
from salus.federation.membership import Membership
from salus.federation.peers import Peers
from salus.federation.witnessing import Witnesses
from salus.primary.imaging.asking import Door
from salus.store.journal import Journal
from salus.store.postgres import Database
from salus.store.standing import Standing
from salus.store.tallies import Tallies
from salus.trust.care import Care
from salus.trust.gate import Gatehouse
from salus.trust.identity import Doorkeeper
from salus.trust.keys import NodeKeys
from salus.trust.login.provider import Provider
from salus.trust.login.wallet import Wallet
from salus.trust.mail import Mail
from salus.trust.tokens import TokenTerms

Scope = MutableMapping[str, Any]  # ASGI's own shapes (asgiref), hence Any
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Services(msgspec.Struct, frozen=True):
    """The node as its faces see it.

    Args:
        node: the node's id in its federation, e.g. "ee-1".
        name: for people, e.g. "Estonia, national node".
        country: ISO 3166-1 alpha-2, upper case.
        base_url: address of the node without a trailing slash; its FHIR base is `base_url` + "/fhir".
        own_addresses: further addresses that reach the node, of the same form.
        languages: BCP 47 codes the portal offers, the first is the default.
        demo: whether test logins are offered.
        referential_integrity: whether a write that refers to a missing local resource is refused.
        subscription_targets: prefixes of the URLs that subscriptions may notify; empty allows none.
        private_hosts: hosts and addresses among them that may be of a private network.
        resolve: looks up the host of a subscription's endpoint.
        limits: what is taken, done and answered at most.
        clock: the present.
        data: the node's folder.
        database: the node's PostgreSQL.
        gatehouse: what `trust.gate.enter` needs.
        journal: writes audit leaves, many per flush.
        standing: what is in force of persons besides their data, for the gate and for whoever changes it.
        care: who treats whom at this node.
        doorkeeper: what `trust.identity.authenticate` needs.
        terms: what the node's access tokens say (`trust.tokens.issue`).
        keys: the node's signing keys and its secret key of search hashes.
        membership: who belongs to the federation, as last verified.
        chains: trust chains to its members.
        peers: signed calls to other nodes.
        client: the one HTTP client for calls to elsewhere.
        tallies: what this process has counted of checks and exchanges.
        systems: registered systems by their source.
        witnesses: how this node's audit is vouched for by others, and theirs by it.
        logins: the providers that people may log in with.
        wallet: how people log in with a wallet; None where they do not.
        mail: the server that takes messages for people; None where none is sent by mail.
        archives: the archives of pictures by name, as the settings list them.
    """

    node: str
    name: str
    country: str
    base_url: str
    own_addresses: tuple[str, ...]
    languages: tuple[str, ...]
    demo: bool
    referential_integrity: bool
    subscription_targets: tuple[str, ...]
    private_hosts: tuple[str, ...]
    resolve: Callable[[str, int], Awaitable[Sequence[str]]]
    limits: Limits
    clock: Clock
    data: Path
    database: Database
    gatehouse: Gatehouse
    journal: Journal
    standing: Standing
    care: Care
    doorkeeper: Doorkeeper
    terms: TokenTerms
    keys: NodeKeys
    membership: Membership
    chains: Chains
    peers: Peers
    client: httpx.AsyncClient
    witnesses: Witnesses
    tallies: Tallies
    systems: Mapping[str, System]
    logins: tuple[Provider, ...] = ()
    wallet: Wallet | None = None
    mail: Mail | None = None
    archives: Mapping[str, Door] = {}

    @property
    def fhir_base(self) -> str:
        """Return the FHIR base address, without a trailing slash."""
        return f"{self.base_url}/fhir"

    @property
    def own_bases(self) -> tuple[str, ...]:
        """Return every FHIR base address that is this node's, `fhir_base` first."""
        return self.fhir_base, *(f"{address}/fhir" for address in self.own_addresses)


class Face(msgspec.Struct, frozen=True):
    """One standard's door.

    Args:
        prefixes: paths it answers: each itself and everything below it ("/fhir" answers "/fhir"
            and "/fhir/Patient/1"). The longest prefix among all faces wins.
        application: an ASGI application; it sees the whole path. `scope["request_id"]` is set, the
            body is already limited (`receive` raises `TooLarge`), a `SalusError` that it lets out
            becomes an OperationOutcome, security headers are added to what it answers.
        addresses: its methods by path template, for the OpenAPI description; none of pages for people.
        public: the templates that need no token.
    """

    prefixes: tuple[str, ...]
    application: Application
    addresses: Mapping[str, Sequence[str]] = {}
    public: Collection[str] = ()
