"""Published examples of SMART Health Cards, SMART Health Links and SMART App Launch.

Files belong together by their name's beginning. Of a card its signature (where its key is the specification's
own example key), payload, Bundle, file and QR codes must say the same; a link says what its details say; an
encrypted file opens, with the key of a link to it, to the Bundle beside it; a payload keeps the rules of the
specification's text; a manifest reads; a public key fits the algorithm that it names; a resource that is part
of no card is valid by the node's validator. An example that breaks the text of its own specification must be
refused, and is set apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import documents
from salus.core.errors import MalformedContent, SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.validation.validator import is_valid, validate
from salus.standards.healthlinks.card import read_card, read_file, read_numeric, verify_card
from salus.standards.healthlinks.files import open_file
from salus.standards.healthlinks.link import check_payload, read_link
from salus.standards.healthlinks.manifest import read_manifest
from salus.standards.jose.keys import fitting, public_key, thumbprint

# The example issuer's key, as SMART Health Cards prints it; its id is its own thumbprint.
_PUBLISHED = {
    "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256",
    "kid": "3Kfdg-XwP-7gXyywtUfUADwBumDOPKMQx-iELL11W9s",
    "x": "11XvRWy1I2S0EyJlyf_bWfw_TQ5CJJNLw78bHXNxcgw",
    "y": "eZXwxvO1hvCY0KucrPfKo7yAyMT6Ajc3N7OkAB6VYy8",
}  # fmt: skip
_MEMBER = re.compile(r"(.+?-\d+)-([a-z])-.+")
_JWS = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_LINK = re.compile(r"(?:https://[!-~]+#)?shlink:/[\w-]+", re.ASCII)


def _recognises(folder: Path) -> bool:
    return "smart" in folder.name and any(path.suffix in (".json", ".txt") for path in folder.rglob("*"))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _texts(folder: Path, pattern: re.Pattern[str]) -> list[tuple[Path, str]]:
    found = [(path, _text(path)) for path in sorted(folder.rglob("*.txt"))]
    return [(path, text) for path, text in found if pattern.fullmatch(text)]


def _beside(path: Path) -> dict[str, list[Path]]:
    """Return the files of a card by the letter after the card's name; QR codes share one."""
    read = _MEMBER.fullmatch(path.name)
    found: dict[str, list[Path]] = {}
    for other in sorted(path.parent.iterdir()) if read else ():
        member = _MEMBER.fullmatch(other.name)
        if read and member and member[1] == read[1]:
            found.setdefault(member[2], []).append(other)
    return found


def _card(path: Path, token: str) -> str:
    """Return what is wrong with a card or the files that belong to it."""
    card = read_card(token)
    if card.key_id == thumbprint(_PUBLISHED):
        verify_card(token, [_PUBLISHED], issuer=card.issuer, now=card.not_before)
    for other in (other for group in _beside(path).values() for other in group):
        if other.suffix == ".smart-health-card" and token not in read_file(other.read_bytes()):
            return f"{other.name} does not hold the card"
        if other.suffix != ".json":
            continue
        said = json.loads(other.read_bytes())
        bundle = said["vc"]["credentialSubject"]["fhirBundle"] if "vc" in said else said
        if bundle != card.bundle or said.get("iss", card.issuer) != card.issuer:
            return f"{other.name} says another thing than the card"
    codes = [_text(other) for group in _beside(path).values() for other in group if _is_numeric(other)]
    return "the QR codes hold another card" if codes and read_numeric(codes) != token else ""


def _is_numeric(path: Path) -> bool:
    return path.suffix == ".txt" and _text(path).startswith("shc:/")


def _encrypted(path: Path, token: str, folder: Path) -> str:
    """Open an encrypted file with the key of a link to it, and compare it with the Bundle beside it."""
    links = [read_link(text, now=0) for _, text in _texts(folder, _LINK)]
    keys = [link.key for link in links if link.url.endswith("/" + path.name)]
    if not keys:
        return "no link leads to this file"
    plain = path.with_name(path.name.replace("-enc.txt", ".json"))
    opened = json.loads(open_file(token, keys[0]).body)
    return "" if not plain.exists() or opened == json.loads(plain.read_bytes()) else "another content"


def _details(found: dict[str, Any]) -> str:
    payload = found["shlinkJsonPayload"]
    links = {name: read_link(found[name], now=0) for name in ("shlink", "shlinkBare") if name in found}
    expected = check_payload(payload, now=0)
    return "" if all(link == expected for link in links.values()) else "the link says another thing"


def _link(text: str) -> str:
    return "" if read_link(text, now=0).url else "no address"


def _payload(found: dict[str, Any]) -> str:
    check_payload(found, now=0)
    return ""


def _key(found: dict[str, Any]) -> str:
    for key in found["keys"]:
        public_key(key)
        if not fitting(key):
            return "the key fits no algorithm of the node"
    return ""


def _resource(found: dict[str, Any]) -> str:
    issues = validate(parse_json(json.dumps(found).encode(), Limits()))
    return (
        "" if is_valid(issues) else "; ".join(issue.message for issue in issues if issue.severity == "error")
    )


def _manifest(found: dict[str, Any]) -> str:
    return "" if len(read_manifest(found)) == len(found["files"]) else "a file is missing"


def _breaks_text(found: Any) -> bool:
    """Return whether a payload's `exp` is no number, which the specification's text wants."""
    return isinstance(found, dict) and isinstance(found.get("exp"), str)


_SHAPES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("shlinkJsonPayload", _details),
    ("key", _payload),
    ("files", _manifest),
    ("keys", _key),
    ("resourceType", _resource),
)


def _run(play: Callable[[], str]) -> str:
    try:
        return play()
    except SalusError as error:
        return f"refused: {error.message}"
    except (KeyError, ValueError) as error:
        return f"unreadable: {error!r}"


def _refused(found: dict[str, Any]) -> str:
    try:
        check_payload(found, now=0)
    except MalformedContent:
        return ""
    return "accepted, breaks the text of the specification"


def _play(folder: Path) -> Iterator[Case]:
    for path, token in _texts(folder, _JWS):
        name = path.relative_to(folder).as_posix()
        yield Case(name, _run(partial(_card, path, token)))
    for path in sorted(folder.rglob("*-enc.txt")):
        token = _text(path)
        if token.count(".") == 4:
            name = path.relative_to(folder).as_posix()
            yield Case(name, _run(partial(_encrypted, path, token, folder)))
    for path, link in _texts(folder, _LINK):
        name = path.relative_to(folder).as_posix()
        yield Case(name, _run(partial(_link, link)))
    for name, found in documents(folder):
        shape = next((play for member, play in _SHAPES if isinstance(found, dict) and member in found), None)
        if _breaks_text(found):
            yield Case(name, _refused(found), "breaks its own text")
        elif shape is not None and not (shape is _resource and _MEMBER.fullmatch(Path(name).name)):
            yield Case(name, _run(partial(shape, found)))


SUITE = Suite("smart", _recognises, _play)
