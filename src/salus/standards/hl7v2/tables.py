"""Codes of HL7 v2 tables in FHIR's words, and the addresses of coding systems (`tables.toml`)."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import msgspec

UNKNOWN_SYSTEM = "urn:salus:v2-coding-system:"
_TABLE = re.compile(r"HL7?0*(\d{1,4})")
_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")


@cache
def _tables() -> dict[str, dict[str, str]]:
    body = resources.files(__package__).joinpath("tables.toml").read_bytes()
    return msgspec.toml.decode(body, type=dict[str, dict[str, str]])


@cache
def _systems() -> dict[str, str]:
    body = resources.files(__package__).joinpath("code_systems.toml").read_bytes()
    return msgspec.toml.decode(body, type=dict[str, str])


def in_fhir(table: str, code: str) -> str:
    """Return a code in FHIR's words, "" where the table has no row for it."""
    return _tables()[table].get(code, "")


def system_of(name: str) -> str:
    """Return the address of a coding system that a message names, "" for no name.

    HL7's own tables are at terminology.hl7.org; an object identifier is itself; of any other name nothing is
    guessed.
    """
    name = name.strip()
    if not name:
        return ""
    known = _systems().get(name.upper())
    if known:
        return known
    if found := _TABLE.fullmatch(name.upper()):
        return f"http://terminology.hl7.org/CodeSystem/v2-{int(found[1]):04}"
    if _OID.fullmatch(name):
        return f"urn:oid:{name}"
    return name if name.startswith(("http://", "https://", "urn:")) else UNKNOWN_SYSTEM + _safe(name)


def authority_of(namespace: str, universal: str, kind: str) -> str:
    """Return the system of identifiers that an assigning authority (HD) stands for, "" for none.

    Args:
        namespace: HD.1, a local name.
        universal: HD.2.
        kind: HD.3: ISO for an object identifier, UUID, URI, DNS or others.
    """
    if universal:
        if kind.upper() in ("ISO", "") and _OID.fullmatch(universal):
            return f"urn:oid:{universal}"
        if kind.upper() in ("UUID", "GUID"):
            return f"urn:uuid:{universal.lower()}"
        if universal.startswith(("http://", "https://", "urn:")):
            return universal
    name = namespace or universal
    return f"urn:salus:v2-authority:{_safe(name)}" if name else ""


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._~-]+", "-", name)[:80]
