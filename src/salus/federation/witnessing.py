"""Members as witnesses of each other's audit logs (https://c2sp.org/tlog-witness; docs/decisions/0017).

A node offers each new checkpoint to the other members, which sign it if it only appends to what they signed
before. `answer_submission` is that door's other side. A node whom no quorum vouches for any more says so, and
after a while lets nothing across borders but emergencies (`require_witnessed`).

Members' keys are those that their trust chains name. They are pinned then: a chain that names others later is
held against the log, and changes no pin.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.access import Action, Leaf, Outcome, Purpose, Role
from salus.core.clock import Clock
from salus.core.errors import AccessRefused, MalformedContent, NotFound, PeerUnavailable
from salus.core.identifiers import new_id
from salus.federation.chains import Chains, Vouched
from salus.federation.entity import ledger_keys_of
from salus.federation.fanout import fan_out
from salus.federation.membership import Membership
from salus.federation.membership_list import Member
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import VerifierKey, cosign, open_note, parse_key, witness_key
from salus.standards.merkle.witness import (
    BODY_BYTES_MAX,
    Seen,
    Submission,
    Verdict,
    judge,
    read_submission,
    write_submission,
)
from salus.store.access_log import consistency_proof
from salus.store.journal import Journal
from salus.store.postgres import Database
from salus.store.sequencer import last_checkpoint
from salus.store.witness import (
    ASKING,
    Evidence,
    PeerLog,
    Witnessed,
    accuse,
    cosignatures_of,
    keep_cosignature,
    newest_witnessed,
    peer_logs,
    pin,
    size_known_to,
    turn,
    vouch,
    watched,
)

TWO_HISTORIES = "audit log with two histories"
OTHER_KEYS = "audit log with other keys than those pinned"
SIZE_TYPE = "text/x.tlog.size"
PEER_MS_MAX = 3_000


class Witnesses(msgspec.Struct, frozen=True):
    """What a node needs to have its log witnessed, and to witness those of others.

    Args:
        node: this node's id.
        membership: who else there is.
        chains: what vouches for the keys of their logs.
        database: holds the log, and what is known of others'.
        journal: writes down what speaks against another log.
        client: for calls to members.
        clock: the present.
        log: the key of this node's checkpoints.
        name: under which it cosigns others'.
        key: with which.
        quorum_set: how many members must vouch; 0 for half of them.
        alone_seconds: how long the node goes on without a quorum.
        started_at: of this process.
    """

    node: str
    membership: Membership
    chains: Chains
    database: Database
    journal: Journal
    client: httpx.AsyncClient
    clock: Clock
    log: VerifierKey
    name: str
    key: Ed25519PrivateKey
    quorum_set: int
    alone_seconds: int
    started_at: datetime

    @property
    def witness_key(self) -> VerifierKey:
        """The key that verifies this node's cosignatures."""
        return witness_key(self.name, self.key)

    def others(self) -> list[Member]:
        """Return the active members besides this node."""
        return self.membership.others(self.node, self.clock())

    def quorum(self, members: int) -> int:
        """Return how many of the other members must vouch for a checkpoint."""
        return self.quorum_set or (members + 1) // 2


class State(msgspec.Struct, frozen=True):
    """How this node's log is witnessed.

    Args:
        members: other members that could vouch.
        quorum: how many must.
        witnessed: the newest checkpoint that a quorum signed, None when there is none.
        alone: there has been no quorum for too long: only emergencies cross borders.
    """

    members: int
    quorum: int
    witnessed: Witnessed | None
    alone: bool


async def state_of(witnesses: Witnesses) -> State:
    """Return how the node's log is witnessed now."""
    names = [member.node for member in witnesses.others()]
    quorum = witnesses.quorum(len(names))
    found = await newest_witnessed(witnesses.database, names, quorum) if names else None
    last = witnesses.started_at if found is None else found.at
    patience = timedelta(seconds=witnesses.alone_seconds)
    return State(len(names), quorum, found, bool(names) and witnesses.clock() - last > patience)


async def require_witnessed(witnesses: Witnesses, purpose: Purpose) -> None:
    """Let data cross a border.

    Raises:
        AccessRefused: nobody vouches for this node's audit any more, and it is no emergency.
    """
    if purpose is not Purpose.EMERGENCY and (await state_of(witnesses)).alone:
        raise AccessRefused(
            "Other nodes have not vouched for this node's audit for too long; until they do, only emergency "
            "access crosses borders. /ledger/status says since when; try again later."
        )


class Reply(NamedTuple):
    """What a witness answers: status, media type, body."""

    status: int
    media_type: str
    body: str


async def answer_submission(witnesses: Witnesses, body: bytes) -> Reply:
    """Answer a log that asks for a cosignature (C2SP tlog-witness, add-checkpoint).

    Raises:
        MalformedContent: the body is not of the form.
        NotFound: it is of no log that this node is a witness of.
        AccessRefused: that log did not sign it.
    """
    sent = read_submission(body)
    origin = sent.note.partition("\n")[0]
    known = [each for each in (await peer_logs(witnesses.database)).values() if _is_of(each, origin)]
    if not known or not any(member.node == known[0].node for member in witnesses.others()):
        raise NotFound("This node is a witness of the logs of the other members of its federation only.")
    node = known[0].node
    if await names_other_keys(witnesses, known[0]):
        raise AccessRefused("The log's node names other keys of its log than those that are pinned here.")
    try:
        checkpoint = open_checkpoint(sent.note, parse_key(known[0].log_key))
    except MalformedContent as error:
        raise AccessRefused(f"The log's key did not sign this checkpoint. {error.message}") from error
    async with watched(witnesses.database, node) as (connection, peer):
        assert peer is not None, "a pinned log is never removed"
        verdict = judge(peer.seen, sent, checkpoint)
        if verdict is Verdict.GOOD:
            now = witnesses.clock()
            line = cosign(sent.note, witnesses.name, witnesses.key, seconds=int(now.timestamp()))
            await vouch(connection, node, Seen(checkpoint.size, checkpoint.root), sent.note, now)
            return Reply(200, "text/plain", line)
    if verdict is Verdict.FORK:
        what = f"It signed two logs of {peer.size} entries."
        await hold_against(witnesses, Evidence(node, witnesses.clock(), what, peer.note, sent.note))
    if verdict is Verdict.OLD_IS_LARGER:
        raise MalformedContent("The old size is larger than the checkpoint's.")
    if verdict is Verdict.NO_PROOF:
        return Reply(422, "text/plain", "The proof does not lead from the old size to the checkpoint.\n")
    return Reply(409, SIZE_TYPE, f"{peer.size}\n")


def _is_of(peer: PeerLog, origin: str) -> bool:
    return peer.log_key.partition("+")[0] == origin


async def ask_witnesses(witnesses: Witnesses) -> list[str]:
    """Offer the newest checkpoint to every other member; return who has signed it."""
    async with turn(witnesses.database, ASKING) as mine:
        return await _ask(witnesses) if mine else []


async def _ask(witnesses: Witnesses) -> list[str]:
    found = await last_checkpoint(witnesses.database)
    if found is None:
        return []
    size, _, note = found
    known = await peer_logs(witnesses.database)

    async def offer(member: Member) -> bool:
        peer = known.get(member.node) or await learn(witnesses, member)
        if await names_other_keys(witnesses, peer):
            return False
        return await _offer(witnesses, member, peer, size, note)

    answers = await fan_out(witnesses.others(), offer, deadline_ms=PEER_MS_MAX)
    return [node for node, signed in answers.answers.items() if signed]


async def lines_over(witnesses: Witnesses, size: int, note: str) -> list[str]:
    """Return the witnesses' signature lines over the newest checkpoint, asked for where too few signed."""
    names = [member.node for member in witnesses.others()]
    lines = await cosignatures_of(witnesses.database, size, names)
    if len(lines) >= witnesses.quorum(len(names)) or not size:
        return lines
    known = await peer_logs(witnesses.database)

    async def offer(member: Member) -> bool:
        peer = known.get(member.node)
        return peer is not None and await _offer(witnesses, member, peer, size, note)

    await fan_out(witnesses.others(), offer, deadline_ms=PEER_MS_MAX)
    return await cosignatures_of(witnesses.database, size, names)


async def learn(witnesses: Witnesses, member: Member) -> PeerLog:
    """Pin the keys of a member's log that its trust chain names.

    Raises:
        PeerUnavailable: it has no live chain, or that names no keys, or keys of other names than its address
            has.
    """
    try:
        held, found = await witnesses.chains.vouched(member)
    except AccessRefused as error:
        raise PeerUnavailable(error.message) from error
    named = ledger_keys_of(held.chain.metadata)
    if found is not Vouched.LIVE or named is None:
        raise PeerUnavailable(f"no live trust chain of node {member.node} names the keys of its log")
    try:
        log, witness = parse_key(named.log), parse_key(named.witness)
    except MalformedContent as error:
        raise PeerUnavailable(f"node {member.node} names no key of its log that can be read") from error
    if (log.name, witness.name) != (log_name(member.base_url), witness_name(member.base_url)):
        raise PeerUnavailable(f"node {member.node} names the key of another log")
    await pin(witnesses.database, member.node, log.text, witness.text, witnesses.clock())
    return (await peer_logs(witnesses.database))[member.node]


async def names_other_keys(witnesses: Witnesses, peer: PeerLog) -> bool:
    """Return whether the member's trust chain names other keys of its log than those pinned.

    A log with a new key is another log, which could tell another history: it is held against the member,
    until an operator who knows the reason forgets the pinned ones (`salus ledger forget`).
    """
    held = witnesses.chains.held(peer.node)
    named = ledger_keys_of(held.chain.metadata) if held is not None else None
    if named is None or (named.log, named.witness) == (peer.log_key, peer.witness_key):
        return False
    what = "Its trust chain names other keys of its log than those that are pinned here."
    notes = f"{peer.log_key}\n{peer.witness_key}\n", f"{named.log}\n{named.witness}\n"
    await hold_against(witnesses, Evidence(peer.node, witnesses.clock(), what, *notes), leaf=OTHER_KEYS)
    return True


async def _offer(witnesses: Witnesses, member: Member, peer: PeerLog, size: int, note: str) -> bool:
    """Offer a checkpoint to a member; return whether it signed.

    Raises:
        PeerUnavailable: it does not answer, or knows a larger log of this node than there is.
    """
    old = min(await size_known_to(witnesses.database, member.node), size)
    for _ in range(2):
        proof = await consistency_proof(witnesses.database, old, size) if 0 < old < size else []
        answer = await exchange(
            witnesses.client,
            "POST",
            f"{member.base_url}/ledger/add-checkpoint",
            content=write_submission(Submission(old, proof, note)),
        )
        if answer.status_code == 200:
            return await _keep(witnesses, member, peer, size, note, answer.text)
        if answer.status_code != 409 or not answer.text.strip().isdigit():
            raise PeerUnavailable(f"node {member.node} did not sign the checkpoint ({answer.status_code})")
        old = int(answer.text.strip())
        if old > size:
            raise PeerUnavailable(f"node {member.node} has signed a larger log of this node than there is")
    return False


async def _keep(witnesses: Witnesses, member: Member, peer: PeerLog, size: int, note: str, line: str) -> bool:
    """Keep a cosignature, if it holds."""
    try:
        _, signatures = open_note(note + line, [parse_key(peer.witness_key)])
    except MalformedContent as error:
        raise PeerUnavailable(f"node {member.node} sent a cosignature that does not hold") from error
    # A witness whose clock is ahead does not vouch for the future.
    signed_at = datetime.fromtimestamp(min(signatures[0].seconds, witnesses.clock().timestamp()), UTC)
    await keep_cosignature(witnesses.database, member.node, size, line, signed_at)
    return True


async def hold_against(witnesses: Witnesses, found: Evidence, *, leaf: str = TWO_HISTORIES) -> bool:
    """Keep what speaks against a log and write it down; return whether it is new."""
    async with witnesses.database.system() as connection:
        new = await accuse(connection, found)
    if new:
        written = Leaf(
            at=found.found_at, request=new_id(), patient="", subject=found.node,
            name=f"log of node {found.node}", role=Role.NODE, organisation="", node=found.node,
            purpose=Purpose.OPERATIONS, action=Action.AUDIT, what=leaf, resources=0,
            outcome=Outcome.FAILED, rule="log-does-not-go-together",
        )  # fmt: skip
        await witnesses.journal.write([written])
    return new


def log_name(base_url: str) -> str:
    """Return the name of the log of the node at an address (C2SP: a URL without its scheme)."""
    return f"{base_url.partition('://')[2]}/ledger"


def witness_name(base_url: str) -> str:
    """Return the name under which the node at an address cosigns."""
    return f"{base_url.partition('://')[2]}/witness"


async def exchange(
    client: httpx.AsyncClient, method: str, url: str, *, content: bytes = b"", bytes_max: int = BODY_BYTES_MAX
) -> httpx.Response:
    """Send one request to a member's public address and return the answer, whatever its status.

    Raises:
        PeerUnavailable: no answer in time, or a larger one.
    """
    try:
        async with (
            asyncio.timeout(PEER_MS_MAX / 1000),
            client.stream(
                method,
                url,
                content=content or None,
                headers={"accept-encoding": "identity", "content-type": "text/plain; charset=utf-8"},
                follow_redirects=False,
            ) as answer,
        ):
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > bytes_max:
                    raise PeerUnavailable(f"{url} answered more than {bytes_max} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise PeerUnavailable(f"{url} cannot be reached") from error
    return httpx.Response(answer.status_code, content=bytes(body), headers={"content-type": "text/plain"})
