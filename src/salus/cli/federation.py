"""`salus federation`: make a federation, join one, admit and revoke nodes, see who belongs."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from salus.cli.command import Command, program
from salus.cli.terminal import say, say_json
from salus.core.clock import utc_now
from salus.core.errors import MalformedContent, SettingsInvalid
from salus.core.plain import plain
from salus.federation import anchor
from salus.federation.authority import ENDORSED_SECONDS
from salus.federation.membership import install_list, read_membership, read_pins
from salus.federation.membership_list import (
    Member,
    MembershipList,
    key_id,
    read_request,
    sign_request,
)
from salus.node import load_node_keys
from salus.settings import read_settings
from salus.standards.openid_federation.statement import read_statement
from salus.store.federation import LIST_FILE, read_file

PIPED_WIDTH = 400
EXAMPLES = """
  salus federation init --name "Demo" --data PT            make a federation; its anchor's key is in PT
  salus federation join --anchor PT --data EE              join one whose anchor is on this machine
  salus federation join --request ee.jws --data EE         write a request for an anchor elsewhere
  salus federation admit ee.jws --data PT --out list.jws   there: admit it
  salus federation install list.jws --anchor-key key.json --data EE    here: take the list
  salus federation revoke ee-1 --data PT                   from now on ee-1 gets nothing
  salus federation rotate --data PT                        a new key for the anchor; later: rotate --finish
  salus federation list --data PT
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("action", choices=sorted(ACTIONS))
    parser.add_argument("what", nargs="?", help="admit: request file; install: list file; revoke: node id")
    parser.add_argument("--name", help="init: the federation's name")
    parser.add_argument("--anchor", type=Path, metavar="DIR", help="join: the anchor's folder here")
    parser.add_argument("--request", type=Path, metavar="FILE", help="join: write a signed request to FILE")
    parser.add_argument("--anchor-key", type=Path, metavar="FILE", help="install: the anchor's key (JWK)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="admit, revoke: write the list to FILE")
    parser.add_argument("--days", type=int, default=anchor.MEMBER_DAYS, help="join: it lasts this long")
    parser.add_argument("--offline-key", type=Path, metavar="FILE", help="init: write it; rotate: use it")
    parser.add_argument("--finish", action="store_true", help="rotate: take the anchor's old key away")
    parser.add_argument("--readmit", action="store_true", help="join, admit: also a node that was revoked")
    parser.add_argument("--json", action="store_true", help="list: as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    return ACTIONS[options.action](options)


def _init(options: argparse.Namespace) -> int:
    if not options.name:
        raise SettingsInvalid("name the federation: salus federation init --name NAME")
    address = read_settings(options.data).base_url
    made = anchor.make_federation(
        options.data, options.name, now=utc_now(), address=address, offline_key=options.offline_key
    )
    say(f"Federation {made.federation} is made; its anchor's key is in {options.data / 'federation'}.")
    if options.offline_key is not None:
        say(f"Its offline key is {options.offline_key}: take it off this machine. It changes the other one.")
    say("Keep that key safe: who holds it decides who belongs. Nobody belongs yet, not even this node:")
    say(f"  {program()} federation join --data {options.data}")
    say(f"  {program()} federation join --anchor {options.data} --data OTHER-NODE")
    return 0


def _join(options: argparse.Namespace) -> int:
    member = member_of(options.data, days=options.days, now=utc_now())
    if options.request is not None:
        options.request.write_text(sign_request(member, load_node_keys(options.data).federation) + "\n")
        say(f"{options.request} asks for {member.node} to be admitted; give it to the anchor's operator.")
        return 0
    folder = options.anchor or options.data
    renewed = anchor.admit(folder, member, now=utc_now(), node_folder=options.data, readmit=options.readmit)
    say(f"{member.node} belongs to federation {renewed.federation} (list version {renewed.version}).")
    return _tell(folder, renewed)


def _admit(options: argparse.Namespace) -> int:
    member = read_request(_text(options.what, "the request file").strip())
    renewed = anchor.admit(options.data, member, now=utc_now(), readmit=options.readmit)
    say(f"{member.node} ({member.name}, {member.base_url}) is admitted (list version {renewed.version}).")
    return _tell(options.data, renewed, options.out)


def _revoke(options: argparse.Namespace) -> int:
    if not options.what:
        raise SettingsInvalid("name the node: salus federation revoke NODE")
    renewed = anchor.revoke(options.data, options.what, now=utc_now())
    say(f"{options.what} is revoked (list version {renewed.version}).")
    return _tell(options.data, renewed, options.out)


def _rotate(options: argparse.Namespace) -> int:
    if options.offline_key is not None:
        renewed = anchor.replace_key(options.data, options.offline_key, now=utc_now())
        say(f"The anchor of federation {renewed.federation} has a new key in place of the old one.")
        say(f"The offline key has signed that for {ENDORSED_SECONDS // 86_400} days; then rotate again.")
        return _tell(options.data, renewed)
    renewed = anchor.rotate(options.data, now=utc_now(), finish=options.finish)
    name = f"federation {renewed.federation} (list version {renewed.version})"
    if options.finish:
        say(f"The anchor of {name} has its new key only.")
    else:
        say(f"The anchor of {name} has a new key beside the old one, and says so itself.")
        say("Every member takes it when it next reaches the anchor: in minutes, or when it is switched on.")
        say(f"Then take the old one away: {program()} federation rotate --finish --data {options.data}")
    return _tell(options.data, renewed)


def _install(options: argparse.Namespace) -> int:
    key = None
    if options.anchor_key is not None:
        try:
            key = msgspec.json.decode(
                _text(str(options.anchor_key), "the anchor's key"), type=dict[str, object]
            )
        except msgspec.DecodeError as error:
            raise MalformedContent(f"{options.anchor_key} is not a JWK") from error
    installed = install_list(options.data, _text(options.what, "the list file"), anchor=key)
    say(f"List version {installed.version} of federation {installed.federation} is in force.")
    return 0


def _list(options: argparse.Namespace) -> int:
    known, now = read_membership(options.data), utc_now()
    if known is None:
        raise SettingsInvalid(f"{options.data} has joined no federation; see: salus federation --help")
    if options.json:
        rows = [_row(known, member, now) for member in known.members]
        head = {
            "federation": known.federation,
            "version": known.version,
            "anchor": known.anchor,
            "expires_at": known.expires_at.isoformat(),
        }
        say_json(msgspec.json.encode(head | {"members": rows}))
        return 0
    name = escape(plain(known.federation))
    table = Table(title=f"{name}, list version {known.version}, expires {known.expires_at:%Y-%m-%d}")
    for heading in ("Node", "Country", "Name", "Address", "Until", "State"):
        table.add_column(heading, overflow="fold")
    for member in known.members:
        table.add_row(*(Text(plain(each)) for each in _row(known, member, now).values()))
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)  # no address is broken over lines
    console.print(table)
    authority = anchor.read_authority(options.data)
    if authority is not None and authority.endorsed:
        ends_at = datetime.fromtimestamp(read_statement(authority.endorsed).expires_at, UTC)
        say(f"What the offline key has signed ends on {ends_at:%Y-%m-%d}; before: rotate --offline-key FILE")
    return 0


def member_of(data: Path, *, days: int, now: datetime) -> Member:
    """Return the node in the folder as an entry of a membership list."""
    settings, keys = read_settings(data), load_node_keys(data)
    public = keys.federation.as_dict(private=False)
    jwk = {name: public[name] for name in ("kty", "crv", "x", "y")} | {"kid": key_id(public), "alg": "ES384"}
    until = (now + timedelta(days=days)).replace(microsecond=0)
    return Member(settings.node, settings.country, settings.name, settings.base_url, [jwk], until)


def _row(known: MembershipList, member: Member, now: datetime) -> dict[str, str]:
    return {
        "node": member.node,
        "country": member.country,
        "name": member.name,
        "base_url": member.base_url,
        "valid_until": f"{member.valid_until:%Y-%m-%d}",
        "state": known.state(member.node, now),
    }


def _tell(folder: Path, renewed: MembershipList, out: Path | None = None) -> int:
    """Bring the new list to the running members, and say who did not take it."""
    token = read_file(folder, LIST_FILE) or ""
    if out is not None:
        out.write_text(token)
        key = out.with_suffix(".anchor.json")
        pins = [dict(pin) for pin in read_pins(folder)]
        key.write_text(json.dumps(pins[0] if len(pins) == 1 else {"keys": pins}))
        say(f"The list is in {out}, the anchor's public key in {key}.")
    missed = asyncio.run(_spread(token, renewed))
    for node, reason in missed.items():
        say(f"  {node}: {reason}; it takes the list when it next asks another node, or by `install`.")
    return 0


async def _spread(token: str, renewed: MembershipList) -> dict[str, str]:
    now = utc_now()
    members = [member for member in renewed.members if member.state(now) == "active"]
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
        return await anchor.spread(token, members, client)


def _text(path: str | None, what: str) -> str:
    if not path:
        raise SettingsInvalid(f"name {what}; see: salus federation --help")
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path} cannot be read: {error}") from error


ACTIONS = {
    "init": _init,
    "join": _join,
    "admit": _admit,
    "revoke": _revoke,
    "rotate": _rotate,
    "install": _install,
    "list": _list,
}
COMMAND = Command("federation", "Make, join or show a federation of nodes.", arguments, run)
