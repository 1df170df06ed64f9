"""Who treats whom, by entries of the record: which of them count says `treatment.toml` (EHDS article 11(1)).

Read before there is a grant, because the grant depends on it; nothing of an entry leaves by this way, only
whose record it lies in. It is asked of the index of searches, by the hashes of the parties and the statuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.core.limits import Limits
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.hashing import Hasher, compile_hasher
from salus.standards.fhir.search.parameters import parameters_of, reference_targets
from salus.standards.fhir.search.query import Condition
from salus.store.postgres import Connection, Database
from salus.store.search_sql import predicate
from salus.store.search_statement import Statement

IN_CARE_MAX = 5_000
"""Most patients who are listed as in somebody's care; a look by the patient's name knows of all."""
PARTIES_MAX = 100
"""Most resources as which one professional may be named."""
_ORGANIZATIONS_MAX = 20_000
_LIMITS = Limits()
_RECORDS = "SELECT records_of_person($1)"
_ON_CALL = "SELECT unit FROM on_call WHERE subject = $1 AND starts_at <= $2 AND $2 < ends_at LIMIT 100"
_SHOWN = """
SELECT DISTINCT patient FROM presence
WHERE node = '' AND subject = $1 AND evidence <> 'declared' AND until > $2 LIMIT 5000
"""
_ORGANIZATIONS = "SELECT id, content FROM resource WHERE type = 'Organization' AND NOT deleted LIMIT $1"
_ESCAPED = str.maketrans({"\\": "\\\\", ",": "\\,", "|": "\\|", "$": "\\$"})
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Tie(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which an entry says who treats; the head of the table explains each."""

    type: str
    party: str
    status: str
    days_after: int | None = None
    days_before: int = 0


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tie: list[Tie]


class Parties(msgspec.Struct, frozen=True):
    """As whom entries may name a professional, "Type/id": themselves, where they work, what they guard."""

    own: frozenset[str] = frozenset()
    team: frozenset[str] = frozenset()
    rota: frozenset[str] = frozenset()


@cache
def ties() -> tuple[Tie, ...]:
    """Return the ways in their order."""
    body = resources.files("salus.store").joinpath("treatment.toml").read_bytes()
    return tuple(msgspec.toml.decode(body, type=_Table).tie)


async def parties_of(
    database: Database, key: bytes, subject: str, organisation: str, now: datetime
) -> Parties:
    """Return as whom entries may name the professional.

    A Practitioner is theirs by its id or the value of an identifier, as an actor of a Consent is; an
    Organization by its id, an identifier or its name. `key` is the node's secret of search hashes.
    """
    hash_of = compile_hasher(key)
    async with database.system() as connection:
        persons = await _of_value(connection, hash_of, "Practitioner", subject)
        own = {f"Practitioner/{each}" for each in persons}
        team: set[str] = set()
        if own:
            asked = ("practitioner", ",".join(sorted(own)))
            for row in await _select(connection, hash_of, "PractitionerRole", [asked], "r.id, r.content"):
                own.add(f"PractitionerRole/{row['id']}")
                team |= _organizations_in(_decode(row["content"]))
        if organisation:
            team |= {f"Organization/{each}" for each in await _named(connection, hash_of, organisation)}
        rota = {row["unit"] for row in await connection.fetch(_ON_CALL, subject, now)}
    return Parties(*(frozenset(sorted(each)[:PARTIES_MAX]) for each in (own, team, rota)))


async def resource_of(database: Database, key: bytes, subject: str) -> str:
    """Return the resource of a professional in the node's directory, by its id or the value of an identifier.

    "Practitioner/id", or "PractitionerRole/id" where no Practitioner is theirs; "" for none, and where it is
    not one alone: which of two is theirs nobody could tell.
    """
    hash_of = compile_hasher(key)
    async with database.system() as connection:
        for kind in ("Practitioner", "PractitionerRole"):
            found = await _of_value(connection, hash_of, kind, subject)
            if found:
                return f"{kind}/{found.pop()}" if len(found) == 1 else ""
    return ""


async def ties_to(
    database: Database, key: bytes, parties: Parties, now: datetime, patient: str = ""
) -> dict[str, str]:
    """Return how each patient is in the care of the parties: "own", "team" or "rota", the nearest.

    Of one person only where `patient` is named, whatever record of theirs says it; else of at most
    `IN_CARE_MAX`.
    """
    statement = Statement(compile_hasher(key))
    groups = {"own": parties.own, "team": parties.team, "rota": parties.rota}
    async with database.system() as connection:
        records = await connection.fetchval(_RECORDS, patient) if patient else None
        confined = f" AND r.compartment = ANY ({statement.bind(records)}::text[])" if patient else ""
        found: list[str] = []
        for rank, named in enumerate(groups.values()):
            found += [
                f"SELECT r.compartment AS patient, {rank} AS rank FROM resource r WHERE {where}"  # noqa: S608
                for tie in ties()
                if (where := _where(statement, tie, named, now, confined))
            ]
        if not found:
            return {}
        query = (
            f"SELECT patient, min(rank) AS rank FROM ({' UNION ALL '.join(found)}) AS tied "  # noqa: S608  (texts made here)
            f"WHERE position('/' in patient) = 0 GROUP BY patient ORDER BY rank LIMIT {IN_CARE_MAX}"
        )
        rows = await connection.fetch(query, *statement.arguments)
    names = list(groups)
    if patient:
        nearest = min((row["rank"] for row in rows), default=None)
        return {} if nearest is None else {patient: names[nearest]}
    return {row["patient"]: names[row["rank"]] for row in rows}


async def shown_to(database: Database, subject: str, now: datetime) -> frozenset[str]:
    """Return the patients who showed the professional of this node that they are with them."""
    async with database.system() as connection:
        return frozenset(row["patient"] for row in await connection.fetch(_SHOWN, subject, now))


def _where(statement: Statement, tie: Tie, named: Iterable[str], now: datetime, confined: str) -> str:
    """Return the condition of rows that tie one of the named, "" where none can be named there."""
    fitting = [name for name in sorted(named) if name.partition("/")[0] in _targets(tie.type, tie.party)]
    if not fitting:
        return ""
    pairs = [(tie.party, ",".join(fitting)), ("status", tie.status)]
    if tie.days_after is not None:
        pairs.append(("date", f"ge{(now - timedelta(days=tie.days_after)).date()}"))
        pairs.append(("date", f"le{(now + timedelta(days=tie.days_before)).date()}"))
    return _condition(statement, tie.type, pairs) + confined


@cache
def _targets(type_name: str, code: str) -> frozenset[str]:
    return frozenset(reference_targets(parameters_of(type_name)[code]))


def _condition(statement: Statement, type_name: str, pairs: Sequence[tuple[str, str]]) -> str:
    query = parse_query(type_name, pairs, _LIMITS, strict=True)
    tests = [f"r.type = {statement.bind(type_name)} AND NOT r.deleted"]
    for criterion in query.criteria:
        assert isinstance(criterion, Condition)
        tests.append(predicate(statement, criterion).sql)
    return " AND ".join(tests)


async def _select(
    connection: Connection, hash_of: Hasher, type_name: str, pairs: Sequence[tuple[str, str]], columns: str
) -> list[Mapping[str, Any]]:  # Any: columns
    statement = Statement(hash_of)
    query = statement.select(columns, _condition(statement, type_name, pairs), limit=PARTIES_MAX)
    rows: list[Mapping[str, Any]] = await connection.fetch(query, *statement.arguments)
    return rows


async def _of_value(connection: Connection, hash_of: Hasher, type_name: str, value: str) -> set[str]:
    """Return the ids of what has the value as its id or that of an identifier."""
    found = set()
    for code, text in (("_id", value), ("identifier", value.translate(_ESCAPED))):
        rows = await _select(connection, hash_of, type_name, [(code, text)], "r.id")
        found |= {row["id"] for row in rows}
    return found


async def _named(connection: Connection, hash_of: Hasher, organisation: str) -> set[str]:
    found = await _of_value(connection, hash_of, "Organization", organisation)
    for row in await connection.fetch(_ORGANIZATIONS, _ORGANIZATIONS_MAX):
        resource = _decode(row["content"])
        if organisation == resource.get("name") or organisation in resource.get("alias", ()):
            found.add(row["id"])
    return found


def _organizations_in(role: Mapping[str, Any]) -> set[str]:  # Any: JSON of a PractitionerRole
    if role.get("active") is False:
        return set()
    link = role.get("organization", {}).get("reference")
    return {link} if isinstance(link, str) and link.startswith("Organization/") else set()
