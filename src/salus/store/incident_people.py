"""Who was told of an incident, and in which words (schema 0179). A text is of the incident, not of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict
from salus.store.incidents import require_open, write_down
from salus.store.ledger import append, leaf_of
from salus.store.notices import BREACH, Telling, tell
from salus.store.postgres import Connection, Database
from salus.store.record_seal import SHARED, record_seal_of

_KEEP_TEXT = """
INSERT INTO incident_text (incident, language, said, proposed_by)
SELECT $1, one.language, one.said, $4 FROM unnest($2::text[], $3::bytea[]) AS one (language, said)
ON CONFLICT (incident, language) DO UPDATE SET said = excluded.said, proposed_by = excluded.proposed_by
WHERE incident_text.agreed_at IS NULL
"""
_TEXTS = "SELECT language FROM incident_text WHERE incident = $1 AND agreed_at IS NOT NULL"
_PROPOSED = """
SELECT language, said, proposed_by FROM incident_text
WHERE incident = $1 AND agreed_at IS NULL ORDER BY language FOR UPDATE
"""
_AGREE = """
UPDATE incident_text SET agreed_at = $2, agreed_by = $3 WHERE incident = $1 AND agreed_at IS NULL
"""
_KEEP = """
INSERT INTO incident_person (patient, incident, language, categories, told_at)
SELECT patient, $1, language, string_to_array(categories, ','), $2
FROM unnest($3::text[], $4::text[], $5::text[]) AS one (patient, language, categories)
ON CONFLICT DO NOTHING RETURNING patient
"""
_OWN = """
SELECT told.incident, told.language, told.categories, incident_text.said
FROM incident_person told JOIN incident_text USING (incident, language)
WHERE told.patient = ANY ($1) ORDER BY told.incident
"""


class Told(msgspec.Struct, frozen=True):
    """A person of an incident: in which language they are told, and which categories of data it concerns."""

    patient: str
    language: str
    categories: tuple[str, ...]


class Proposed(msgspec.Struct, frozen=True):
    """A text that waits: its language (BCP 47), itself, and which auditor proposed it."""

    language: str
    text: str
    by: str


class Words(msgspec.Struct, frozen=True):
    """What a person is told of an incident.

    Args:
        language: of the text (BCP 47).
        text: as the auditor released it.
        categories: of this person's data, as in `trust/breach/categories.toml`.
    """

    language: str
    text: str
    categories: tuple[str, ...]


async def released_languages(grant: Grant, database: Database, number: int) -> set[str]:
    """Return the languages in which an incident's text was released."""
    async with database.reading(grant) as connection:
        return {row["language"] for row in await connection.fetch(_TEXTS, number)}


async def propose_texts(grant: Grant, database: Database, number: int, texts: Mapping[str, str]) -> None:
    """Keep what people are to be told, by language, until another auditor agrees.

    What was agreed to in a language stays as it was.

    Raises:
        NotFound: there is no such incident.
        Conflict: it is closed.
    """
    async with database.writing(grant) as connection:
        await require_open(connection, number)
        seal = record_seal_of(connection)
        sealed = [seal.close(SHARED, text.encode("utf-8", "replace")) for text in texts.values()]
        await seal.settle()
        await connection.execute(_KEEP_TEXT, number, list(texts), sealed, grant.caller.subject)
        body = f"The texts in {', '.join(sorted(texts))}."
        await write_down(grant, connection, number, "proposed", "persons", body)


async def proposed_texts(grant: Grant, database: Database, number: int) -> list[Proposed]:
    """Return the texts of an incident that wait for another auditor, by language."""
    async with database.writing(grant) as connection:
        return await _proposed(connection, number)


async def agree_to_texts(
    grant: Grant, database: Database, number: int, is_meant: Callable[[Sequence[Proposed]], bool]
) -> None:
    """Release the texts that another auditor proposed.

    Raises:
        NotFound: there is no such incident.
        Conflict: it is closed, none waits, the same auditor proposed one, or they are not those meant.
    """
    async with database.writing(grant) as connection:
        await require_open(connection, number)
        found = await _proposed(connection, number)
        if not found:
            raise Conflict("No texts of this incident wait for an agreement.")
        if grant.caller.subject in {each.by for each in found}:
            raise Conflict("Another auditor than who proposed the texts agrees to them.")
        if not is_meant(found):
            raise Conflict("The texts have changed since; read them again (GET .../release).")
        await connection.execute(_AGREE, number, grant.opened_at, grant.caller.subject)
        body = f"The texts in {', '.join(each.language for each in found)}."
        await write_down(grant, connection, number, "released", "persons", body)


async def _proposed(connection: Connection, number: int) -> list[Proposed]:
    rows = await connection.fetch(_PROPOSED, number)
    return [Proposed(row["language"], row["said"].decode("utf-8"), row["proposed_by"]) for row in rows]


async def tell_people(
    grant: Grant, database: Database, number: int, node: str, people: Sequence[Told]
) -> list[str]:
    """Give each of these people the notice of an incident and its leaf, once; return who had not been told.

    Args:
        grant: over the whole node.
        database: the node's.
        number: of the incident.
        node: its name: who tells.
        people: at most a page of them.
    """
    assert grant.patients is None
    columns = (
        [one.patient for one in people],
        [one.language for one in people],
        [",".join(sorted(one.categories)) for one in people],
    )
    async with database.writing(grant) as connection:
        rows = await connection.fetch(_KEEP, number, grant.opened_at, *columns)
        new = [row["patient"] for row in rows]
        key, at, request = f"incident/{number}", grant.opened_at, grant.request
        await tell(connection, [Telling(patient, at, BREACH, key, "", node, "", request) for patient in new])
        what, served = f"{key} told", Outcome.SERVED
        leaves = [leaf_of(grant, patient, what=what, resources=1, outcome=served) for patient in new]
        await append(connection, leaves)
    return new


async def words_of_incidents(grant: Grant, database: Database) -> dict[str, Words]:
    """Return what the person of the grant was told of incidents, by the notice's key."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OWN, sorted(grant.patients or ()))
    return {
        f"incident/{row['incident']}": Words(
            row["language"], row["said"].decode("utf-8"), tuple(row["categories"])
        )
        for row in rows
    }
