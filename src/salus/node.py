"""The only place where the parts of a node meet: folder, settings, keys, database, faces, background work."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import msgspec

from salus.core.clock import Clock, utc_now
from salus.core.errors import StorageUnavailable
from salus.core.identifiers import new_id
from salus.federation.anchor import refresh, settle
from salus.federation.chains import POLL_SECONDS, Chains, trust_leaf
from salus.federation.comparing import compare_logs
from salus.federation.membership import Membership
from salus.federation.membership_list import key_id
from salus.federation.peers import Peers
from salus.federation.remembered import remembered
from salus.federation.witnessing import Witnesses, ask_witnesses, witness_name
from salus.primary.documents.ahead import compose_ahead
from salus.primary.imaging.asking import open_archives
from salus.settings import EMBEDDED, KEY_STORE_FOLDER, KEYS_FOLDER, Settings, read_settings
from salus.standards.jose import compact
from salus.standards.merkle.note import log_key
from salus.store import exports
from salus.store.apps import forget_expired_apps
from salus.store.assisted import forget_assisted
from salus.store.filed_journal import open_filed_journal
from salus.store.health_links import forget_links
from salus.store.journal import Journal, open_journal
from salus.store.journal_files import FOLDER as JOURNAL_FOLDER
from salus.store.journal_files import JournalFiles
from salus.store.keys_erased import destroy_what_is_due
from salus.store.keystore import KeyStore
from salus.store.lookups import forget_lookups
from salus.store.mirror import FOLDER as MIRROR_FOLDER
from salus.store.mirror import Mirror
from salus.store.postgres import BOUND, NODES_OWN, SERVING, WIDE, Database, open_database
from salus.store.presence import forget_presence
from salus.store.record_seal import RecordSeal, digest_key
from salus.store.replaying import forget_erased, require_current, require_known
from salus.store.retention import expire_quarantine
from salus.store.revocations import follow_revocations, forget_expired
from salus.store.sealing import Seal
from salus.store.search_parameters import reindex
from salus.store.sequencer import run_sequencer
from salus.store.standing import follow_standing
from salus.store.tallies import Tallies, forget_tallies, write_tallies
from salus.store.tombstones import mirror, require_replayed
from salus.store.veils import end_delays
from salus.store.witness import forget_cosignatures
from salus.trust.care import Care
from salus.trust.emergencies import find_crowded, find_overdue
from salus.trust.gate import Gatehouse
from salus.trust.identity import Doorkeeper
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.keys import NodeKeys, database_password, derived_witness_key, load_keys
from salus.trust.master_key import load_master_key
from salus.trust.permits import end_expired
from salus.trust.relabelling import relabel
from salus.trust.standing import facts_of
from salus.trust.tokens import TokenTerms
from salus.trust.watching import Round, watch_once
from salus.trust.wished import tell_wished
from salus.web import (
    abroad,
    authorize,
    checker,
    emergency,
    health,
    health_links,
    incidents,
    ledger,
    metrics,
    mhd,
    notices,
    openapi,
    openid_federation,
    pdqm,
    peer_notices,
    proxies,
    restrictions,
    smart,
    treatment,
)
from salus.web.application import assemble
from salus.web.connections import Peer, Stage
from salus.web.cors import cross_origin
from salus.web.fhir import export, notify
from salus.web.fhir.face import face as fhir_face
from salus.web.fhir.outbound import resolve_by_system
from salus.web.imaging.face import face as imaging_face
from salus.web.login.face import face as login_face
from salus.web.login.wallet_face import face as wallet_face
from salus.web.membership import face as membership_face
from salus.web.outgoing import send_messages
from salus.web.portal.face import face as portal_face
from salus.web.proof import proven_key
from salus.web.provider.face import face as provider_face
from salus.web.rights.face import face as rights_face
from salus.web.services import Application, Face, Services

LOG = logging.getLogger("salus.node")
SWEEP_SECONDS = 3600.0
REFUSALS_SECONDS = 5.0
REFRESH_SECONDS = 30.0
LOOK_SECONDS = 1.0
WATCH_SECONDS = 300.0
WISHED_SECONDS = 5.0
TALLY_SECONDS = 5.0
TELL_SECONDS = 5.0
MESSAGES_SECONDS = 15
ASK_SECONDS = 10.0
COMPARE_SECONDS = 25.0
COSIGNATURES_DAYS = 7
FILES_DAYS = 40
"""How long a leaf is in the journal and the mirror: an older backup cannot be replayed."""
RETRY_SECONDS = 5.0
INDEX_BATCH = 100
"""Resources indexed anew in one turn: some milliseconds in which the process answers nobody."""


class Node(msgspec.Struct, frozen=True):
    """An open node: what its faces are handed, all faces as one application, whose requests are underway."""

    settings: Settings
    services: Services
    application: Application
    underway: dict[Peer, Stage]


def place_of(data: Path, settings: Settings) -> Path | str:
    """Return what `store.postgres.open_database` opens: the folder, or the URL of the settings."""
    return data if settings.database == EMBEDDED else settings.database


def terms_of(settings: Settings) -> TokenTerms:
    """Return what this node's access tokens say."""
    return TokenTerms(settings.base_url, settings.limits.token_seconds, settings.limits.clock_skew_seconds)


def load_node_keys(data: Path) -> NodeKeys:
    """Return the keys in the node's folder."""
    return load_keys(data / KEYS_FOLDER)


def key_store_of(data: Path, settings: Settings) -> KeyStore:
    """Return the node's key store, opened with its master key.

    Raises:
        SettingsInvalid: there is no master key, it lies in the node's folder, or it cannot be had.
    """
    command = settings.master_key_command
    master = load_master_key(data, file=settings.master_key, command=command, demo=settings.demo)
    return KeyStore(Path(settings.key_store) if settings.key_store else data / KEY_STORE_FOLDER, master)


def _password(data: Path, settings: Settings) -> str:
    """Return the password of the database login that the node makes for itself, "" where it needs none."""
    if settings.database == EMBEDDED or settings.database_app:
        return ""
    return database_password(data / KEYS_FOLDER)


def _applications(settings: Settings) -> Mapping[str, str]:
    """Return the URL of the login that serves in each role, none where the node makes them itself."""
    if not settings.database_app:
        return NODES_OWN
    return {WIDE: settings.database_app, BOUND: settings.database_app_bound}


@asynccontextmanager
async def open_services(
    data: Path, clock: Clock = utc_now, *, roles: Sequence[str] = SERVING, filed: bool = False
) -> AsyncIterator[tuple[Settings, Services]]:
    """Open the node in folder `data` for a command: everything but its faces and background work.

    Args:
        data: the node's folder.
        clock: what time it is.
        roles: of the database's connections: `LOADING` for what loads by COPY.
        filed: leaves of reads are durable in a file first: for a process that answers many.

    Raises:
        SettingsInvalid: the folder, its settings or its keys cannot be used as they are.
        StorageUnavailable: the database cannot be started or reached.
    """
    settings = read_settings(data)
    keys = load_node_keys(data)
    key_store = key_store_of(data, settings)
    limits, terms = settings.limits, terms_of(settings)
    law = jurisdiction_of(settings.country)
    seal = Seal(*keys.audit)
    async with AsyncExitStack() as stack:
        stack.callback(key_store.close)
        database = await stack.enter_async_context(
            open_database(
                place_of(data, settings),
                limits=limits,
                seal=seal,
                contents=RecordSeal(key_store, digest_key(keys.search)),
                roles=roles,
                applications=_applications(settings),
                password=_password(data, settings),
                search_key=keys.search,
            )
        )
        database.journals = files = JournalFiles(data / JOURNAL_FOLDER)
        database.mirror = Mirror(data / MIRROR_FOLDER)
        journal = await stack.enter_async_context(
            open_filed_journal(database, files, seal, clock) if filed else open_journal(database)
        )
        revoked = await stack.enter_async_context(follow_revocations(database))
        standing = await stack.enter_async_context(follow_standing(database, clock))
        client = await stack.enter_async_context(_client(limits.peer_deadline_ms))
        archives = await stack.enter_async_context(open_archives(settings.imaging, data, limits))
        care = Care(
            settings.treatment_relationship,
            database,
            standing,
            key=keys.search,
            stated_max=limits.stated_treatments_per_day_max,
        )
        tallies = Tallies()
        membership = Membership(data)
        chains = Chains(data, membership, client, clock, skew_seconds=limits.clock_skew_seconds)
        kid = key_id(keys.federation.as_dict(private=False))
        sign = partial(compact.sign, key=keys.federation, kid=kid)
        yield (
            settings,
            Services(
                node=settings.node,
                name=settings.name,
                country=settings.country,
                base_url=settings.base_url,
                own_addresses=settings.own_addresses,
                languages=settings.languages,
                demo=settings.demo,
                referential_integrity=settings.referential_integrity,
                subscription_targets=settings.subscription_targets,
                private_hosts=settings.subscription_private_hosts,
                resolve=resolve_by_system,
                limits=limits,
                clock=clock,
                data=data,
                database=database,
                gatehouse=Gatehouse(
                    journal,
                    clock,
                    law=law,
                    knows=partial(facts_of, standing, clock, law, care=care),
                    country=settings.country,
                    country_of=membership.country_of,
                ),
                journal=journal,
                standing=standing,
                care=care,
                doorkeeper=Doorkeeper(keys.token, terms, clock, revoked, chains.admits),
                terms=terms,
                keys=keys,
                membership=membership,
                chains=chains,
                peers=Peers(
                    node=settings.node,
                    chains=chains,
                    client=client,
                    sign=sign,
                    clock=clock,
                    limits=limits,
                    observe=lambda tally, milliseconds: tallies.count(tally, clock(), milliseconds),
                ),
                client=client,
                witnesses=_witnesses(settings, keys, chains, database, journal, client, clock),
                tallies=tallies,
                systems={each.source: each for each in settings.systems},
                logins=settings.login,
                wallet=settings.wallet,
                mail=settings.mail,
                archives=archives,
            ),
        )


def _witnesses(
    settings: Settings,
    keys: NodeKeys,
    chains: Chains,
    database: Database,
    journal: Journal,
    client: httpx.AsyncClient,
    clock: Clock,
) -> Witnesses:
    """Return what the node needs to have its audit witnessed, and to witness those of others."""
    signer = ledger.signer_of(settings.base_url, keys)
    return Witnesses(
        node=settings.node,
        membership=chains.membership,
        chains=chains,
        database=database,
        journal=journal,
        client=client,
        clock=clock,
        log=log_key(signer.origin, signer.key),
        name=witness_name(settings.base_url),
        key=derived_witness_key(signer.key),
        quorum_set=settings.ledger_quorum,
        alone_seconds=settings.limits.alone_seconds,
        started_at=clock(),
    )


@asynccontextmanager
async def open_node(data: Path, clock: Clock = utc_now) -> AsyncIterator[Node]:
    """Open the node in folder `data` to serve, with its background work running.

    Any number of processes may serve one node; where only one may work at a time, the database decides.

    Raises:
        SettingsInvalid: the database was restored from a backup: it is behind what the node or other members
            know, or what was erased since is there again.
    """
    async with AsyncExitStack() as stack:
        settings, services = await stack.enter_async_context(open_services(data, clock, filed=True))
        await require_current(services.database)
        await ask_what_is_remembered(services)
        await require_replayed(services.database, data)
        await destroy_what_is_due(services.database)
        await mirror(services.database, data)  # what a crash kept from being written
        await services.database.bring_in()
        await stack.enter_async_context(_background(services))
        secure = settings.base_url.startswith("https:")
        underway: dict[Peer, Stage] = {}
        assembled = assemble(
            faces(services),
            limits=settings.limits,
            secure=secure,
            underway=underway,
            prove=partial(proven_key, services),
        )
        yield Node(settings, services, cross_origin(services, assembled), underway)


def faces(services: Services) -> list[Face]:
    """Return every face of the node."""
    doors = [
        fhir_face(services),
        smart.face(services),
        authorize.face(services),
        membership_face(services),
        openid_federation.face(services),
        ledger.face(services),
        incidents.face(services),
        restrictions.face(services),
        emergency.face(services),
        treatment.face(services),
        notices.face(services),
        peer_notices.face(services),
        proxies.face(services),
        rights_face(services),
        health_links.face(services),
        abroad.face(services),
        pdqm.face(services),
        mhd.face(services),
        metrics.face(services),
        imaging_face(services),
        health.face(services),
        checker.face(),
        portal_face(services),
        login_face(services),
        wallet_face(services),
        *([provider_face(services)] if services.demo else []),
    ]
    return [*doors, openapi.face(services, doors)]


@asynccontextmanager
async def _background(services: Services) -> AsyncIterator[None]:
    """Run the node's recurring work while the context is open."""
    database, clock = services.database, services.clock
    signer = ledger.signer_of(services.base_url, services.keys)
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "sequencer": lambda: run_sequencer(database, signer, clock),
        "documents": lambda: _once(
            lambda: asyncio.to_thread(compose_ahead, services.country, clock().date())
        ),
        "exports": lambda: _work_off(lambda: export.work_once(services)),
        "notifications": lambda: _work_off(lambda: notify.work_once(services)),
        "sweep": lambda: _every(SWEEP_SECONDS, lambda: _sweep(services)),
        "labels": lambda: _every(SWEEP_SECONDS, lambda: _relabel(services)),
        "membership": lambda: _every(
            REFRESH_SECONDS, lambda: refresh(services.membership, services.client, services.node, clock())
        ),
        "anchor": lambda: _every(SWEEP_SECONDS, lambda: _settle(services)),
        "trust chains": lambda: _every(POLL_SECONDS, lambda: tend_chains(services)),
        "parameters": lambda: _every(LOOK_SECONDS, lambda: _refresh_parameters(database)),
        "indexing": lambda: _every(LOOK_SECONDS, lambda: _index(database, services.keys.search)),
        "refusals": lambda: _every(REFUSALS_SECONDS, lambda: write_refusals(services)),
        "wished notices": lambda: _every(
            WISHED_SECONDS,
            lambda: tell_wished(services.gatehouse, database, issuer=services.base_url),
        ),
        "notices to peers": lambda: _every(TELL_SECONDS, lambda: peer_notices.work_once(services)),
        "messages": lambda: _every(MESSAGES_SECONDS, lambda: send_messages(services)),
        "witnesses": lambda: _every(ASK_SECONDS, lambda: ask_witnesses(services.witnesses)),
        "other logs": lambda: _every(COMPARE_SECONDS, lambda: compare_logs(services.witnesses)),
        "counts": lambda: _every(TALLY_SECONDS, lambda: write_tallies(database, services.tallies)),
        "watch": lambda: _every(WATCH_SECONDS, lambda: watch_ledger(services)),
    }
    tasks = [asyncio.create_task(_forever(name, step), name=name) for name, step in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(StorageUnavailable):  # the database went first; the counts go with the process
            await write_refusals(services)
            await write_tallies(database, services.tallies)


async def ask_what_is_remembered(services: Services) -> None:
    """Ask the other members which checkpoints of this node's log they have cosigned; name who is silent.

    Raises:
        SettingsInvalid: a newer one than the database reaches: it was restored.
    """
    found = await remembered(services.witnesses)
    for node, reason in found.silent:
        LOG.warning("node %s did not say what it has cosigned of this node's log: %s", node, reason)
    await require_known(services.database, found.answers)


async def watch_ledger(services: Services) -> Round:
    """Read the leaves that are new for what is unusual; return what was read and found in all."""
    leaves = 0
    found = await find_overdue(services.gatehouse, services.database, issuer=services.base_url)
    found += await find_crowded(
        services.gatehouse,
        services.database,
        most=services.limits.emergency_patients_per_day_usual,
        issuer=services.base_url,
    )
    while True:
        done = await watch_once(services.gatehouse, services.database, issuer=services.base_url)
        leaves, found = leaves + done.leaves, found + done.found
        if not done.more:
            return Round(leaves, found)


async def write_refusals(services: Services) -> None:
    """Write down how many could not say who they are since the last time."""
    leaves = services.doorkeeper.refusals.take(services.clock(), new_id())
    if leaves:
        await services.journal.write(leaves)


async def _forever(name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do work that does not end by itself; when it fails, write that down and begin again."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  an outermost loop: the work must go on
            LOG.error("%s failed with %s; beginning again", name, type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _every(seconds: float, step: Callable[[], Awaitable[object]]) -> None:
    while True:
        await step()
        await asyncio.sleep(seconds)


async def _once(step: Callable[[], Awaitable[object]]) -> None:
    await step()
    await asyncio.Event().wait()


async def _work_off(step: Callable[[], Awaitable[bool]]) -> None:
    """Do the step while it finds something to do, then look again in a second."""
    while True:
        if not await step():
            await asyncio.sleep(LOOK_SECONDS)


async def _refresh_parameters(database: Database) -> None:
    """Learn which search parameters another process added, made ready or removed."""
    async with database.system() as connection:
        await database.parameters.refresh(connection)


async def _index(database: Database, key: bytes) -> None:
    """Index the stored resources by the search parameters that are not ready, if there are any."""
    async for _ in reindex(database, key=key, batch=INDEX_BATCH):
        await asyncio.sleep(0)


async def tend_chains(services: Services) -> None:
    """Ask the federation's anchor whom it vouches for, and write down what has changed."""
    await services.chains.tend()
    leaves = [trust_leaf(each, services.clock(), new_id()) for each in services.chains.take_events()]
    if leaves:
        await services.journal.write(leaves)


async def _settle(services: Services) -> None:
    """Keep the register in force of an anchor that this node answers for."""
    await asyncio.to_thread(settle, services.data, services.base_url, now=services.clock())


async def _relabel(services: Services) -> None:
    """Work out anew what is hidden by a category, where the tables of codes are others than before."""
    found = await relabel(services.gatehouse, services.database, issuer=services.base_url)
    if found.left:
        LOG.warning("labels: %d records keep the veils of before: too many Consents", found.left)


async def _sweep(services: Services) -> None:
    """Remove what has expired."""
    database, now = services.database, services.clock()
    await forget_expired(database, now - timedelta(hours=1))
    await expire_quarantine(database, now)
    await forget_presence(database, now - timedelta(days=1))
    await forget_assisted(database, now - timedelta(days=1))
    await forget_lookups(database, now - timedelta(days=1))
    await end_delays(database, now)
    await forget_tallies(database, now.date())
    await forget_expired_apps(database, now)
    await forget_links(database, now)
    await exports.expire(database, at=now)
    await destroy_what_is_due(database)
    await forget_cosignatures(database, now - timedelta(days=COSIGNATURES_DAYS))
    await forget_erased(database)
    await end_expired(services.gatehouse, database, issuer=services.base_url)
    await _forget_files(database, now - timedelta(days=FILES_DAYS))


async def _forget_files(database: Database, before: datetime) -> None:
    """Remove the files of leaves that no backup needs any more."""
    if database.journals is not None and database.mirror is not None:
        async with database.system() as connection:
            await database.journals.forget(connection, before)
        database.mirror.forget_before(before)


def _client(deadline_ms: int) -> httpx.AsyncClient:
    """Return the HTTP client: no proxy or other setting of the environment, no redirect, bounded waiting."""
    return httpx.AsyncClient(
        timeout=deadline_ms / 1000,
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
    )


def collect_seldom() -> None:
    """Let Python look for cycles of objects seldom, and not among what a started node keeps for good.

    Each request makes some hundreds of objects that no cycle holds; to look through them after every few
    requests takes some hundredths of the time of a read.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
