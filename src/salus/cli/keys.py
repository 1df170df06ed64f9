"""`salus keys new-master|rewrap|status`: the keys that health data are sealed with at rest."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import key_store_of, open_services
from salus.settings import read_settings
from salus.store.clear_contents import count_clear
from salus.trust.master_key import make_master_key, read_master_key


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["new-master", "rewrap", "status"],
        help="new-master: make a master key; rewrap: wrap every key by that of the settings; "
        "status: how many keys there are",
    )  # fmt: skip
    parser.add_argument("file", nargs="?", type=Path, help="new-master: where; outside the node's folder")
    parser.add_argument("--old", type=Path, metavar="FILE", help="rewrap: the master key so far")
    parser.add_argument(
        "--check", action="store_true", help="status: also look for contents in clear (reads all)"
    )
    parser.add_argument("--json", action="store_true", help="status: as a JSON object")


def _run(options: argparse.Namespace) -> int:
    if options.action == "new-master":
        return _new_master(options.file)
    if options.action == "rewrap":
        return _rewrap(options)
    return asyncio.run(_status(options))


def _new_master(file: Path | None) -> int:
    if file is None:
        raise SettingsInvalid("say where: salus keys new-master FILE")
    make_master_key(file)
    say(f"A master key is made: {file}")
    say(f'Name it in salus.toml: master_key = "{file.resolve()}"')
    say("Keep a copy of it in a safe: without it nothing that it wraps can be read again.")
    return 0


def _rewrap(options: argparse.Namespace) -> int:
    if options.old is None:
        raise SettingsInvalid(
            "say which key wrapped them so far: salus keys rewrap --old FILE; the new one is in the settings"
        )
    keys = key_store_of(options.data, read_settings(options.data))
    count = keys.rewrap(read_master_key(options.old), lambda count: say(f"{count} keys ..."))
    keys.close()
    say(
        f"{count} keys are wrapped by the master key in the settings. Start the node; then destroy the "
        f"old one."
    )
    return 0


async def _status(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (settings, services):
        keys = key_store_of(options.data, settings)
        counts = keys.counts()
        clear = None
        if options.check:
            async with services.database.sweeping() as connection:
                clear = await count_clear(connection)
    if options.json:
        found: dict[str, object] = {
            "folder": str(keys.folder),
            "keys": counts.kept,
            "destroyed": counts.destroyed,
        }
        found |= {"other_master": counts.others, **({} if clear is None else {"in_clear": clear})}
        say_json(msgspec.json.encode(found))
        return 0
    say(f"{counts.kept} keys in {keys.folder}, {counts.destroyed} destroyed.")
    if counts.others:
        say(f"{counts.others} are wrapped by another master key: salus keys rewrap --old FILE")
    if clear is not None:
        total = sum(clear.values())
        say(
            "No content is in clear."
            if not total
            else f"In clear: {clear}. They are sealed when the node starts."
        )
    return 0


COMMAND = Command("keys", "The keys that health data are sealed with at rest.", _arguments, _run)
