"""Coded values: CD, CE, CV, CO and CS (HL7 v3) to CodeableConcept and Coding."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

from salus.standards.cda.absent import absent
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.node import Node

_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38}))+", re.ASCII)
_V2_TABLE = re.compile(r"2\.16\.840\.1\.113883\.12\.([0-9]{1,4})", re.ASCII)
TRANSLATIONS_DEEP = 8
"""Most translations of a translation of a translation that are read."""


@cache
def systems() -> dict[str, str]:
    """Return URIs of code systems by OID."""
    folder = resources.files("salus.standards.cda").joinpath("tables")
    rows = folder.joinpath("hl7_code_systems.tsv").read_text(encoding="utf-8").splitlines()
    known = dict(row.split("\t", 1) for row in rows)
    own = msgspec.toml.decode(folder.joinpath("code_systems.toml").read_bytes(), type=dict[str, str])
    return known | own


def system_uri(oid: str) -> str:
    """Return a code system's URI by its OID; "" for what is no OID."""
    if oid in systems():
        return systems()[oid]
    table = _V2_TABLE.fullmatch(oid)
    if table:
        return f"http://terminology.hl7.org/CodeSystem/v2-{int(table[1]):04d}"
    return f"urn:oid:{oid}" if _OID.fullmatch(oid) else ""


def coding(node: Node, conversion: Conversion, system: str = "") -> Resource:
    """Return the code of an element as Coding, {} when it states none.

    Args:
        node: a CD or CS.
        conversion: whose document it is.
        system: URI of a CS's code system, which only the data type's place says.
    """
    code = " ".join(node.get("code").split())
    if not code:
        return {}
    oid, version, display = node.get("codeSystem"), node.get("codeSystemVersion"), node.get("displayName")
    uri = system_uri(oid) if oid else system or _named_system(node)
    if oid and not uri:
        conversion.approximate(node, "the code system is named by no OID, and is left out", oid)
    made: Resource = {"system": uri} if uri else {}
    if version:
        made["version"] = version
    made["code"] = code
    if display:
        made["display"] = display
    return made


def _named_system(node: Node) -> str:
    """Return a code system that has no OID and is named by its URI (as `writing.elements` writes it)."""
    name = node.peek("codeSystemName")
    return node.get("codeSystemName") if name.startswith(("http://", "https://", "urn:")) else ""


def concept(node: Node | None, conversion: Conversion) -> Resource:
    """Return a CD as CodeableConcept: its code, then what it was translated from; {} when it says nothing.

    The text is what its author saw (originalText), by reference into the narrative or in place.
    """
    if node is None:
        return {}
    codings: list[Resource] = []
    _codings(node, conversion, codings, 0)
    codings = once(codings)
    made: Resource = {"coding": codings} if codings else {}
    text = _original_text(node, conversion, 0)
    qualified = _qualifiers(node, conversion)
    if qualified:
        text = f"{text or _shown(codings)} ({qualified})"
        conversion.approximate(node, "qualifiers of a code are said in its text", qualified)
    if not text and not codings:
        text = node.get("displayName")
    if text:
        made["text"] = text
    return made


def required_concept(node: Node | None, conversion: Conversion) -> Resource:
    """Return a CD as CodeableConcept, or the reason why it is absent."""
    return concept(node, conversion) or absent(node)


def _codings(node: Node, conversion: Conversion, found: list[Resource], depth: int) -> None:
    own = coding(node, conversion)
    if own:
        found.append(own)
    if depth < TRANSLATIONS_DEEP:
        for translation in node.all("translation"):
            _codings(translation, conversion, found, depth + 1)


def once(codings: Iterable[Resource]) -> list[Resource]:
    """Return codings, the first of each system and code."""
    found: dict[tuple[str, str], Resource] = {}
    for each in codings:
        found.setdefault((each.get("system", ""), each["code"]), each)
    return list(found.values())


def _original_text(node: Node, conversion: Conversion, depth: int) -> str:
    """Return the first originalText: the element's own, else of what it was translated from."""
    own = conversion.text(node.first("originalText"))
    inner = [
        _original_text(each, conversion, depth + 1)
        for each in (node.all("translation") if depth < TRANSLATIONS_DEEP else ())
    ]
    return own or next(filter(None, inner), "")


def _qualifiers(node: Node, conversion: Conversion) -> str:
    """Return the qualifiers of a code, or of what it was translated from, in words."""
    parts = []
    for qualifier in node.all("qualifier"):
        name, value = (concept(qualifier.first(each), conversion) for each in ("name", "value"))
        parts.append(": ".join(filter(None, (words_of(name), words_of(value)))))
    return "; ".join(filter(None, parts))


def _shown(codings: list[Resource]) -> str:
    return next((str(each.get("display") or each["code"]) for each in codings), "")


def words_of(found: Resource) -> str:
    """Return a CodeableConcept in words, "" for none."""
    return str(found.get("text") or _shown(found.get("coding", [])))


def codes_of(node: Node | None) -> list[str]:
    """Return the codes of an element and its translations, outermost first, without counting them as read."""
    if node is None:
        return []
    found = [node.peek("code")] if node.peek("code") else []
    waiting = [(child, 1) for child in node.all("translation")]
    while waiting:
        each, depth = waiting.pop(0)
        if each.peek("code"):
            found.append(each.peek("code"))
        if depth < TRANSLATIONS_DEEP:
            waiting += [(child, depth + 1) for child in each.all("translation")]
    return found
