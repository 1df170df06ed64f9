"""The node's settings: `DIR/salus.toml`, read once at start. `docs/settings.md` explains each.

Nothing else configures a node; the environment only names the folder (SALUS_DATA).
"""

from __future__ import annotations

import json
import re
import types
import typing
from pathlib import Path
from typing import Annotated, Any

import msgspec

from salus.core.errors import SettingsInvalid
from salus.core.limits import Limits
from salus.core.tally import System
from salus.primary.imaging.archive import Archive, check_archives
from salus.store.logins import by_hand, login_of
from salus.trust.care import Known
from salus.trust.login.provider import Provider, ProvidersInvalid, check_providers
from salus.trust.login.wallet import Wallet, check_wallet
from salus.trust.mail import Mail, check_mail

FILE_NAME = "salus.toml"
KEYS_FOLDER = "keys"
KEY_STORE_FOLDER = "keystore"
EMBEDDED = "embedded"

_UNION = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_EFTA = "CH IS LI NO"
_OTHER = "AL BA GB GE MD ME MK RS TR UA"  # candidates for accession, and the United Kingdom
COUNTRIES = frozenset(f"{_UNION} {_EFTA} {_OTHER}".split())
"""Countries that a node may be in (ISO 3166-1 alpha-2)."""

Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", description="two capital letters (ISO 3166-1)")]
NodeId = Annotated[
    str,
    msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="lower-case letters, digits and hyphens"),
]
Url = Annotated[
    str,
    msgspec.Meta(pattern="^https?://[^/?#]+(/[^?#]*[^/?#])?$", description="an address without final slash"),
]
DatabaseUrl = Annotated[
    str,
    msgspec.Meta(
        pattern="^(embedded|postgres(ql)?://.+)$",
        description='"embedded" or "postgresql://USER@HOST/DATABASE"',
    ),
]
ApplicationUrl = Annotated[
    str,
    msgspec.Meta(
        pattern="^(postgres(ql)?://[^@/]+@.+)?$", description='"postgresql://USER:PASSWORD@HOST/DATABASE"'
    ),
]
Place = Annotated[str, msgspec.Meta(pattern="^(/.+)?$", description="an absolute path")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535, description="a port from 1 to 65535")]
Quorum = Annotated[int, msgspec.Meta(ge=0, le=100, description="a whole number from 0 to 100")]
Workers = Annotated[int, msgspec.Meta(ge=1, le=64, description="a whole number from 1 to 64")]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one node is set up.

    Args:
        node: the node's id in its federation.
        name: for people.
        country: ISO 3166-1 alpha-2.
        base_url: the address other nodes and browsers use.
        own_addresses: further addresses that reach this node; references below them are its own.
        host: where the server listens.
        port: where the server listens.
        workers: server processes.
        database: "embedded" or a PostgreSQL URL, of the database's owner.
        database_app: URL of the login that serves node-wide, if the operator made it.
        database_app_bound: URL of the login that serves what is bound to named patients, likewise.
        database_logins: further logins and roles of the server that the operator answers for.
        languages: of the portal; the first is the default.
        demo: offer test logins. Never on a node with real data.
        master_key: file of the key that wraps all keys of contents, outside the node's folder.
        master_key_command: a program and its arguments, which writes that key in base64; instead of a file.
        key_store: folder of the wrapped keys; "" for one in the node's folder.
        login: providers that people log in with.
        wallet: how people log in with a wallet.
        mail: the server that takes messages for people; None where none is sent by mail.
        referential_integrity: refuse a write that refers to a missing local resource.
        treatment_relationship: how it is known whom a professional of this node treats.
        subscription_targets: prefixes of URLs that subscriptions may notify.
        subscription_private_hosts: hosts and addresses among them that may be of a private network.
        ledger_quorum: how many other members must vouch for the audit's checkpoints; 0 for half of them.
        systems: who made the systems that files come from, for the counts of who conforms.
        imaging: archives of pictures that the node reaches by DICOMweb.
        limits: see `Limits`.
    """

    node: NodeId
    name: str
    country: Country
    base_url: Url
    own_addresses: tuple[Url, ...] = ()
    host: str = "127.0.0.1"
    port: Port
    workers: Workers = 1
    database: DatabaseUrl = EMBEDDED
    database_app: ApplicationUrl = ""
    database_app_bound: ApplicationUrl = ""
    database_logins: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    demo: bool = False
    master_key: Place = ""
    master_key_command: tuple[str, ...] = ()
    key_store: Place = ""
    login: tuple[Provider, ...] = ()
    wallet: Wallet | None = None
    mail: Mail | None = None
    referential_integrity: bool = False
    treatment_relationship: Known = Known.ORGANISATION
    subscription_targets: tuple[str, ...] = ()
    subscription_private_hosts: tuple[str, ...] = ()
    ledger_quorum: Quorum = 0
    systems: tuple[System, ...] = ()
    imaging: tuple[Archive, ...] = ()
    limits: Limits = Limits()


def read_settings(data: Path) -> Settings:
    """Read the settings of the node in folder `data`.

    Raises:
        SettingsInvalid: naming the file, the key and what is allowed there.
    """
    path = data / FILE_NAME
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        raise SettingsInvalid(
            f"{path} does not exist; make a node there with: salus node init --data {data}"
        ) from None
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}") from error
    return parse_settings(body, str(path))


def parse_settings(body: bytes, file: str) -> Settings:
    """Read settings from the bytes of `file`, whose name is only used in errors."""
    try:
        settings = msgspec.toml.decode(body, type=Settings)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"{file}: {_explain(str(error))}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise SettingsInvalid(f"{file} is not TOML: {error}") from error
    for name, limit in msgspec.structs.asdict(settings.limits).items():
        if limit < 1:
            raise SettingsInvalid(f"{file}: limits.{name}: {limit} is not allowed; it is 1 or more")
    if settings.country not in COUNTRIES:
        raise SettingsInvalid(
            f"{file}: country: {settings.country} is not allowed; it is the ISO 3166-1 code of a European "
            f"country: {' '.join(sorted(COUNTRIES))}"
        )
    try:
        check_providers(settings.login, base_url=settings.base_url)
        check_wallet(settings.wallet)
    except ProvidersInvalid as error:
        raise SettingsInvalid(f"{file}: {error}") from error
    try:
        check_mail(settings.mail)
        check_archives(settings.imaging)
    except SettingsInvalid as error:
        raise SettingsInvalid(f"{file}: {error.message}") from error
    _check_logins(settings, file)
    if settings.master_key and settings.master_key_command:
        raise SettingsInvalid(f"{file}: master_key_command: is instead of master_key; leave one away")
    if not settings.languages:
        raise SettingsInvalid(f'{file}: languages: name at least one, e.g. ["en"]')
    return settings


def _check_logins(settings: Settings, file: str) -> None:
    wide, bound = settings.database_app, settings.database_app_bound
    for name, url in (("database_app", wide), ("database_app_bound", bound)):
        if settings.database == EMBEDDED and url:
            raise SettingsInvalid(f"{file}: {name}: is only for a database by URL; leave it away")
        if settings.database != EMBEDDED and not url and (wide or bound):
            logins = {"salus_wide": login_of(wide) or "salus_app"}
            logins["salus_bound"] = login_of(bound) or f"{logins['salus_wide']}_bound"
            raise SettingsInvalid(
                f"{file}: {name}: is missing; a node is served as two logins. {by_hand(logins)}"
            )


def render_settings(settings: Settings) -> str:
    """Return the text of a settings file that says `settings`, leaving out what equals its default."""
    lines = ["# Settings of this Salus node; docs/settings.md explains each.", *_lines(settings)]
    limits = _lines(settings.limits)
    if limits:
        lines += ["", "[limits]", *limits]
    return "\n".join(lines) + "\n"


def _lines(settings: msgspec.Struct) -> list[str]:
    """Return `key = value` for each field that differs from its default (JSON's scalars are TOML's)."""
    found = []
    for field in msgspec.structs.fields(settings):
        here = getattr(settings, field.name)
        if here != field.default and not isinstance(here, Limits):
            found.append(f"{field.name} = {_value(here)}")
    return found


def _value(found: Any) -> str:  # Any: what a setting may be
    """Return a value as TOML."""
    if isinstance(found, msgspec.Struct):
        return f"{{ {', '.join(_lines(found))} }}"
    if isinstance(found, dict):
        return f"{{ {', '.join(f'{_value(name)} = {_value(each)}' for name, each in found.items())} }}"
    if isinstance(found, tuple):
        return f"[{', '.join(map(_value, found))}]"
    return json.dumps(found, ensure_ascii=False)


def _explain(problem: str) -> str:
    """Turn msgspec's message into key, problem and what is allowed."""
    problem, _, where = problem.partition(" - at `$")
    path = [part for part in where.rstrip("`").split(".") if part]
    if match := re.search(r"(unknown field|missing required field) `(\w+)`", problem):
        kind, key = match.groups()
        allowed = ", ".join(_struct_at(path).__struct_fields__)
        if kind.startswith("missing"):
            return f"{'.'.join([*path, key])}: is missing; {_allowed_at([*path, key])}"
        return f"{'.'.join([*path, key])}: there is no such setting; allowed are {allowed}"
    return f"{'.'.join(path) or 'file'}: {problem[:1].lower()}{problem[1:]}; {_allowed_at(path)}"


def _struct_at(path: list[str]) -> type[msgspec.Struct]:
    """Return the table that a path of keys leads into; positions in lists do not count."""
    found: type[msgspec.Struct] = Settings
    for step in path:
        hint = typing.get_type_hints(found).get(re.sub(r"\[.*", "", step))
        inner = [each for each in (hint, *typing.get_args(hint)) if _is_table(each)]
        found = inner[0] if inner else found
    return found


def _is_table(hint: Any) -> bool:  # Any: a type, of which there is no common type
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _allowed_at(path: list[str]) -> str:
    """Say in words what the setting at `path` may be."""
    key = re.sub(r"\[.*", "", path[-1]) if path else ""
    hints: dict[str, Any] = typing.get_type_hints(  # Any: a type, of which there is no common type
        _struct_at(path[:-1]), include_extras=True
    )
    hint = hints.get(key)
    for meta in getattr(hint, "__metadata__", ()):
        return f"allowed is {meta.description}"
    words: dict[Any, str] = {str: "a text", int: "a whole number of 1 or more", bool: "true or false"}
    if isinstance(hint, types.GenericAlias) or typing.get_origin(hint) is tuple:
        return "allowed is a list of texts"
    return f"allowed is {words.get(hint, 'a table')}"
