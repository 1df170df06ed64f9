"""`salus incident list|show|open|note|notify|tell`: incidents with the law's clocks and notices."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.moment import moment
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.store.incidents import Incident
from salus.trust import incidents
from salus.trust.breach.clocks import duties
from salus.trust.breach.kinds import ORDINARY, PROTECTIONS, kinds
from salus.trust.incident_drafts import drafts
from salus.trust.incidents import Desk, Opening
from salus.web.incidents import desk_of, shown, shown_dossier


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "action",
        choices=["list", "show", "open", "note", "notify", "tell"],
        help="list and show: what is there; open: a new one; note: what was learnt or done; notify: draft a "
        "notice, or with --sent record it as sent; tell: which member nodes are to be told",
    )
    parser.add_argument("number", nargs="?", type=int, help="of the incident, for all but list and open")
    parser.add_argument("--finding", type=int, metavar="N", help="open: for this finding of the watch")
    parser.add_argument("--title", default="", help="open: what happened, in one sentence")
    parser.add_argument(
        "--kind", choices=list(kinds()), default=ORDINARY, help="open: what happened (default: access)"
    )
    parser.add_argument(
        "--subject", help="open: whose accesses it is about, as leaves name them; an app, a client, a node"
    )
    parser.add_argument(
        "--taken", choices=PROTECTIONS, default="unknown",
        help="open: sealed: what was taken is encrypted and its key was not with it; opened: it can be read",
    )  # fmt: skip
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="open: accesses from here (default: 90 days ago)"
    )
    parser.add_argument("--until", type=moment, metavar="TIME", help="open: accesses to here (default: now)")
    parser.add_argument(
        "--aware", type=moment, metavar="TIME", help="open: when one became aware (default: now)"
    )
    parser.add_argument(
        "--patient", action="append", default=[], metavar="ID", help="open: only these patients"
    )
    parser.add_argument("--processor", action="store_true", help="open: we process for another controller")
    parser.add_argument("--significant", action="store_true", help="open: significant under NIS2, Art. 23(3)")
    parser.add_argument(
        "--low-risk", action="store_true", help="open: no high risk to people (GDPR, Art. 34)"
    )
    parser.add_argument("--text", help="note: what; notify --sent: what was sent, or why not")
    parser.add_argument("--to", choices=list(duties()), help="notify: which notice")
    parser.add_argument("--language", metavar="XX", help="notify: only in this language")
    parser.add_argument("--sent", action="store_true", help="notify: it was sent, its clock stops")
    parser.add_argument("--json", action="store_true", help="list, show: as JSON")


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    if options.action not in ("list", "open") and options.number is None:
        raise SettingsInvalid(f"say which: salus incident {options.action} NUMBER; see: salus incident list")
    async with open_services(options.data) as (_, services):
        desk = desk_of(services, operator_of(services))
        await {
            "list": _list, "show": _show, "open": _open, "note": _note, "notify": _notify, "tell": _tell,
        }[options.action](options, desk)  # fmt: skip
    return 0


async def _list(options: argparse.Namespace, desk: Desk) -> None:
    found = await incidents.list_incidents(desk)
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode([shown(each) for each in found])))
        return
    for each in found:
        state = f"closed {each.closed_at:%Y-%m-%d}" if each.closed_at else "open"
        say(f"{each.id}  {state}  aware {each.aware_at:%Y-%m-%d %H:%M} UTC  {each.title}")
    if not found:
        say("There is no incident.")


async def _show(options: argparse.Namespace, desk: Desk) -> None:
    found, now = await incidents.dossier(desk, options.number), desk.gatehouse.clock()
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode(shown_dossier(found, now))))
        return
    each = found.incident
    say(
        f"Incident {each.id}: {each.title}",
        f"{each.kind}: {_about(each)}",
    )
    if found.exempt:
        say(f"People need not be told ({found.exempt}): what was taken is sealed and its key was not taken.")
    for clock in found.clocks:
        due = f"until {clock.due_at:%Y-%m-%d %H:%M} UTC" if clock.due_at else "without undue delay"
        say(f"{clock.state(now):9} {clock.notice:13} to {clock.to}, {due} ({clock.law})")
    for entry in found.entries:
        say(
            f"{entry.at:%Y-%m-%d %H:%M} UTC  {entry.by}: {entry.kind} {entry.notice}".rstrip(),
            f"    {entry.body}",
        )
    say(f"{found.extent.persons} people concerned")
    for name, count in sorted(found.extent.categories.items()):
        say(f"    {count} people: {name}")
    if found.erased_since:
        say(f"    and {found.erased_since} people erased since then, whom nobody can name")
    for at in found.nodes:
        say(f"    through node {at.node}: {at.accesses} accesses, {len(at.patients)} people")
    for person in found.people:
        one = person.affected
        say(
            f"    {one.patient}  {one.accesses} accesses  {one.first_at:%Y-%m-%d} to {one.last_at:%Y-%m-%d}  "
            f"{person.language}  {', '.join(sorted(one.categories))}"
        )


def _about(incident: Incident) -> str:
    reach = kinds()[incident.kind].reach
    if reach == "store":
        return f"the records held at {incident.until}"
    if reach == "nobody":
        return "nobody's data became readable by it"
    whose = "anybody" if reach == "everybody" else incident.subject or "unknown callers"
    return f"accesses of {whose}, {incident.since} to {incident.until}"


async def _tell(options: argparse.Namespace, desk: Desk) -> None:
    found = await incidents.dossier(desk, options.number)
    for at in found.nodes:
        say(f"{at.node}  {at.accesses} accesses to {len(at.patients)} people of here asked for by it")
    if not found.nodes:
        say("No member node asked for anything that the incident is about.")
    say("Tell each operator by a way that is not this federation, and write it down: salus incident note")


async def _open(options: argparse.Namespace, desk: Desk) -> None:
    number = await incidents.open_incident(
        desk,
        Opening(
            finding=options.finding, title=options.title, subject=options.subject, since=options.since,
            until=options.until, patients=tuple(options.patient),
            acting="processor" if options.processor else "controller", significant=options.significant,
            high_risk=not options.low_risk, aware_at=options.aware,
            kind=options.kind, protection=options.taken,
        ),
    )  # fmt: skip
    say(f"Incident {number} is open; its clocks run. See: salus incident show {number}")


async def _note(options: argparse.Namespace, desk: Desk) -> None:
    await incidents.note(desk, options.number, options.text or "")
    say(f"Written down in incident {options.number}.")


async def _notify(options: argparse.Namespace, desk: Desk) -> None:
    if options.to is None:
        raise SettingsInvalid(f"say to whom: --to {'|'.join(duties())}")
    if options.sent:
        await incidents.record_notice(desk, options.number, options.to, options.text or "")
        say(f"The notice {options.to} of incident {options.number} is recorded as sent.")
        return
    for draft, people in await drafts(desk, options.number, options.to, options.language):
        say(f"Draft in {draft.language}, about {people} people:", "", *draft.text.split("\n"), "")


COMMAND = Command(
    "incident", "Keep incidents: their clocks, the people concerned, the notices.", arguments, run
)
