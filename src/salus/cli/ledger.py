"""`salus ledger verify|prove|status|events|...`: check the log, prove or give accesses, restore."""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec

from salus.cli.command import Command
from salus.cli.moment import moment
from salus.cli.operator import auditor_of, operator_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.core.errors import NotFound, SettingsInvalid
from salus.federation import witnessing
from salus.federation.reconciling import Reconciled, Told
from salus.node import open_services
from salus.standards.fhir.codec.json import write_json
from salus.store import tombstones
from salus.store.access_log import (
    access_log,
    accesses_from,
    first_index_at,
    hash_of_leaf,
    inclusion_proof,
)
from salus.store.ledger_check import check_log, state_of
from salus.store.logins import strangers
from salus.store.postgres import LOADING
from salus.store.replaying import publish_gap, replay
from salus.store.sequencer import last_checkpoint
from salus.store.witness import unpin
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.audit import event_of
from salus.web.ledger import key_of, signer_of
from salus.web.reconciling import reconcile
from salus.web.rights.erasures import erase_again
from salus.web.services import Services
from salus.web.witness import word_of

INDEX_DIGITS = 19
ACCESSES_MAX = 5_000
EVENTS_AT_ONCE = 1_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "action",
        choices=["verify", "prove", "status", "events", "reconcile", "forget", "replay", "gap"],
        help="verify: compare every leaf with every signed checkpoint (exit code 2 when something is wrong); "
        "prove: the proof that one access is in the log; status: how far it is, and who vouches for it; "
        "events: all accesses as AuditEvents (IHE BALP), one a line, for a repository that collects them; "
        "reconcile: compare a patient's accesses from abroad with what the nodes there say (exit code 2 "
        "where they differ); forget: drop the pinned keys of another node's log; "
        "replay: after a restore, bring back the leaves, restrictions, revocations and erasures that the "
        "backup lacks; gap: sign that leaves are lost",
    )
    parser.add_argument(
        "which",
        nargs="?",
        help="prove: the index of the access in the log; reconcile: the patient's id; forget: the other "
        "node; gap: why",
    )
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="verify: only what was signed since; events: likewise"
    )
    parser.add_argument(
        "--after", type=int, default=-1, metavar="INDEX", help="events: only those after this one of the log"
    )
    parser.add_argument("--json", action="store_true", help="status, verify: as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    which = options.which or ""
    if (options.action in ("prove", "forget", "reconcile", "gap")) != bool(which) or (
        options.action == "prove" and not (which.isascii() and which.isdigit() and len(which) < INDEX_DIGITS)
    ):
        raise SettingsInvalid(
            "say: salus ledger verify, or status, or events, or prove INDEX, or reconcile PATIENT, "
            "or forget NODE, or replay, or gap REASON"
        )
    if options.action in ("replay", "gap"):
        return asyncio.run(_restored(options))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (settings, services):
        if options.action == "verify":
            return await _verify(options, services)
        if options.action == "prove":
            await _prove(int(options.which), services)
        elif options.action == "events":
            await _events(options, services)
        elif options.action == "reconcile":
            return await _reconcile(options, services)
        elif options.action == "forget":
            await _forget(options.which, services)
        else:
            await _status(options, services, settings.database_logins)
    return 0


async def _restored(options: argparse.Namespace) -> int:
    """Bring a restored database up to what the node has signed, or sign that this cannot be done."""
    async with open_services(options.data, roles=LOADING) as (_, services):
        database, operator = services.database, operator_of(services)
        signer = signer_of(services.base_url, services.keys)
        asked = AccessRequest(Action.LOAD, "", f"ledger {options.action}")
        async with enter(services.gatehouse, operator, asked) as access:
            access.record(())
            await tombstones.replay(database, services.data)  # what is replayed is not of who was erased
            if options.action == "gap":
                done, _ = await publish_gap(
                    access.grant, database, signer, services.clock(), str(options.which)
                )
                say(f"Leaf {done.size - 1} says that leaves are lost, and why. Ask the other operators for:")
                say(f"\tsalus ledger forget {services.node}")
            else:
                done = await replay(access.grant, database, signer, services.clock())
                say(f"{done.leaves} leaves are back in their places; the log has {done.size}, as signed.")
        lacked, erased = await erase_again(services, operator)
    say(f"{done.waiting} leaves more were in files, and {done.changes} restrictions and the like.")
    say(f"{lacked} erasures were not known to the database; {len(erased)} persons or entries erased again.")
    return 0


async def _verify(options: argparse.Namespace, services: Services) -> int:
    checked = await check_log(
        services.database, key_of(services), services.keys.pseudonym, since=options.since, told=_told
    )
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode(checked)))
        return 2 if checked.faults else 0
    say(*checked.faults)
    scope = f"leaves {checked.begin} to {checked.end - 1}" if checked.end > checked.begin else "no leaf"
    say(f"Checked {scope} against {checked.checkpoints:,} signed checkpoints: {_verdict(checked.faults)}")
    return 2 if checked.faults else 0


def _verdict(faults: tuple[str, ...]) -> str:
    if not faults:
        return "all is as it was signed."
    return "the log was changed. Keep a copy of the database as it is, and tell the data protection officer."


def _told(done: int, of: int) -> None:
    if sys.stderr.isatty():
        say(f"{done:,} of {of:,} leaves", file=sys.stderr)


async def _prove(index: int, services: Services) -> None:
    found = await last_checkpoint(services.database)
    if found is None or index >= found[0]:
        raise NotFound("No checkpoint covers this access so far; try again in a second.")
    size, _, note = found
    proof = {
        "log": key_of(services).text,
        "checkpoint": note,
        "index": index,
        "leaf_hash": await hash_of_leaf(services.database, index),
        "hashes": await inclusion_proof(services.database, index, size),
    }
    say_json(msgspec.json.format(msgspec.json.encode(proof)))


async def _events(options: argparse.Namespace, services: Services) -> None:
    """Write the accesses, the oldest first, and say on the error stream where the next call goes on."""
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "AuditEvent")
    async with enter(services.gatehouse, auditor_of(services), asked) as access:
        begin, written = options.after + 1, 0
        if options.since is not None:
            async with services.database.system() as connection:
                begin = max(begin, await first_index_at(access.grant, connection, options.since))
        while found := await accesses_from(access.grant, services.database, begin, EVENTS_AT_ONCE):
            access.record((), count=len(found))
            await access.settle()
            for one in found:
                say_json(write_json(event_of(services, one)))
            begin, written = (found[-1].index or 0) + 1, written + len(found)
    say(f"{written:,} accesses. The next ones: salus ledger events --after {begin - 1}", file=sys.stderr)


async def _reconcile(options: argparse.Namespace, services: Services) -> int:
    patient, caller = str(options.which), auditor_of(services)
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "reconcile", frozenset((patient,)))
    async with enter(services.gatehouse, caller, asked) as access:
        found = await access_log(access.grant, services.database, patient, count=ACCESSES_MAX)
        access.record([patient], count=len(found))
    compared = await reconcile(services, [each.leaf for each in found], [patient], everywhere=True)
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode({"patient": patient, "nodes": compared})))
    elif compared:
        say(*map(_sentence, compared))
    else:
        say("There is no other member to compare with.")
    return 0 if all(each.is_agreed for each in compared) else 2


def _sentence(compared: Reconciled) -> str:
    node = compared.node
    if compared.silent:
        return f"{node}: said nothing ({compared.silent})."
    if compared.is_agreed:
        return f"{node}: both nodes say the same ({compared.agreed} accesses)."
    return (
        f"{node}: {compared.agreed} accesses agree; {len(compared.only_here)} are written down only here, "
        f"{len(compared.only_there)} only there. Tell the auditors of both nodes."
        + "".join(_named("here", each) for each in compared.only_here)
        + "".join(_named("there", each) for each in compared.only_there)
    )


def _named(where: str, access: Told) -> str:
    """Return the line of an access that one node has not."""
    request = f", request {access.request}" if access.request else ""
    who = ", ".join(name for name in (access.name, access.organisation) if name)
    return (
        f"\n\tonly {where}: {access.at:%Y-%m-%d %H:%M:%S}  {who}  {access.action} {access.purpose}{request}"
    )


async def _forget(node: str, services: Services) -> None:
    if not await unpin(services.database, node):
        raise NotFound(f"No keys of a log of {node} are kept; see: salus federation list")
    say(f"The keys of the log of {node} are forgotten; a running node pins those that its chain names now.")


async def _status(options: argparse.Namespace, services: Services, known: tuple[str, ...]) -> None:
    state = await state_of(services.database)
    async with services.database.system() as connection:
        unknown = await strangers(connection, services.database.logins, known)
    witnessed = await witnessing.state_of(services.witnesses)
    status = {
        "log": key_of(services).text,
        "leaves": state.size,
        "signed_at": state.signed_at,
        "waiting": state.waiting,
        "witnessed": word_of(witnessed),
        "witnessed_at": None if witnessed.witnessed is None else witnessed.witnessed.at,
    }
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode({**status, "unknown_logins": unknown})))
        return
    for name, found in status.items():
        say(f"{name:12} {'never' if found is None else found}")
    for login in unknown:
        say(f"The database login {login.name} is not known: it {', '.join(login.why)}.")


COMMAND = Command(
    "ledger", "Verify the audit's log, prove an access is in it, say how far it is.", arguments, run
)
