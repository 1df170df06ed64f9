"""What refers to a restricted resource is hidden with it, also when it is written later (EHDS article 8)."""

from __future__ import annotations

from collections.abc import Iterable

from salus.store.postgres import Connection

_FOLLOW = """
WITH written AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS w (compartment, type, id)
), hit AS (
    SELECT DISTINCT ON (r.compartment, r.type, r.id)
        r.compartment, r.type, r.id, n.since, n.type || '/' || n.id AS cause
    FROM restriction n
    JOIN written w ON w.compartment = n.patient
    JOIN resource r ON (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id)
    WHERE n.cause = '' AND n.type <> 'Patient' AND r.type <> 'Patient' AND (r.type, r.id) <> (n.type, n.id)
        AND salus_refers(r.content, n.type || '/' || n.id)
), noted AS (
    INSERT INTO restriction (patient, type, id, since, cause)
    SELECT compartment, type, id, since, cause FROM hit ON CONFLICT DO NOTHING
), versions AS (
    UPDATE resource_version v SET hidden = true FROM hit
    WHERE (v.compartment, v.type, v.id) = (hit.compartment, hit.type, hit.id)
)
UPDATE resource r SET hidden = true FROM hit
WHERE (r.compartment, r.type, r.id) = (hit.compartment, hit.type, hit.id)
"""


async def follow(connection: Connection, keys: Iterable[tuple[str, str, str]]) -> None:
    """Hide those of the resources (compartment, type, id) that refer to one their patient restricts."""
    inside = [key for key in keys if "/" not in key[0]]
    if inside:
        await connection.execute(_FOLLOW, *[list(column) for column in zip(*inside, strict=True)])
