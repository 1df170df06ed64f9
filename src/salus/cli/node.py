"""`salus node init`: makes a node's folder: settings and keys. The database is made at its first start."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

import msgspec

from salus.cli.command import Command, program
from salus.cli.terminal import say
from salus.core.errors import SettingsInvalid
from salus.settings import EMBEDDED, FILE_NAME, KEYS_FOLDER, Settings, parse_settings, render_settings
from salus.trust.keys import add_secret, make_keys
from salus.trust.master_key import beside

PORT_FIRST = 8480
PORTS_TRIED = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("action", choices=["init"], help="init: make the folder, its settings and keys")
    parser.add_argument("--country", required=True, metavar="XX", help="ISO 3166-1 alpha-2")
    parser.add_argument("--name", required=True, help="the node's name, for people")
    parser.add_argument(
        "--node", metavar="ID", help="its id in the federation (default: country-1, e.g. pt-1)"
    )
    parser.add_argument(
        "--port", type=int, help=f"where it listens (default: the first free one from {PORT_FIRST} upwards)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="where it listens (default 127.0.0.1)")
    parser.add_argument("--base-url", metavar="URL", help="its address for others (default http://HOST:PORT)")
    parser.add_argument("--database", default=EMBEDDED, metavar="URL", help='default "embedded"')
    parser.add_argument(
        "--languages", default="en", metavar="LIST", help="e.g. pt,en; the first is the default"
    )
    parser.add_argument(
        "--master-key", type=Path, metavar="FILE",
        help="the key that wraps all keys of contents; made if it is not there "
        "(default: DIR.master.key, beside DIR)",
    )  # fmt: skip
    parser.add_argument("--demo", action="store_true", help="offer test logins; never with real data")


def run(options: argparse.Namespace) -> int:
    """Make the node and say what to do next."""
    country = options.country.upper()
    port = options.port or free_port(options.host)
    settings = Settings(
        node=options.node or f"{country.lower()}-1",
        name=options.name,
        country=country,
        base_url=options.base_url or f"http://{options.host}:{port}",
        host=options.host,
        port=port,
        database=options.database,
        languages=tuple(options.languages.split(",")),
        demo=options.demo,
        master_key="" if options.master_key is None else str(options.master_key.resolve()),
    )
    make_node(options.data, settings)
    say(f"Node {settings.node} is made in {options.data}; its address will be {settings.base_url}")
    if not settings.demo:
        where = settings.master_key or beside(options.data)
        say(f"Its master key is {where}: keep a copy in a safe; without it nothing can be read again.")
    say(f"Start it with: {program()} serve --data {options.data}")
    return 0


def free_port(host: str) -> int:
    """Return the first port from `PORT_FIRST` upwards at which nothing listens now.

    Raises:
        SettingsInvalid: none of a hundred is free, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(PORT_FIRST, PORT_FIRST + PORTS_TRIED):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise SettingsInvalid(f"no port of {host} from {PORT_FIRST} upwards is free; choose one with --port")


def make_node(data: Path, settings: Settings) -> None:
    """Make the folder of a node, and its master key beside the folder if the settings name none.

    Raises:
        SettingsInvalid: there is a node already, the settings break a rule, or the folder cannot be written.
    """
    path = data / FILE_NAME
    if not (settings.demo or settings.master_key or settings.master_key_command):
        settings = msgspec.structs.replace(settings, master_key=str(beside(data)))
    text = render_settings(settings)
    parse_settings(text.encode(), str(path))
    try:
        data.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError
        make_keys(data / KEYS_FOLDER)
        if settings.master_key:
            add_secret(Path(settings.master_key))
        # The database's URL may hold a password.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SettingsInvalid(f"{data} holds a node already; choose another folder with --data") from None
    except OSError as error:
        raise SettingsInvalid(f"{data} cannot be written: {error.strerror}") from error


COMMAND = Command("node", "Make a node's folder (init).", arguments, run)
