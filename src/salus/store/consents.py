"""A person's FHIR Consents and whom they name, as stored: what a decision or a veil is worked out from.

They are facts of a decision and so read before it, without a grant; nothing of them leaves the node by this
way. Consents of records that are one person's are all of that person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from salus.store.postgres import Connection, Database

Json = Mapping[str, Any]
"""A resource: JSON."""

_CONSENTS = "SELECT id, content FROM consents_of_person($1, $2)"
_OPTED_OUT = "SELECT EXISTS (SELECT FROM opted_out_of_exchange(records_of_person($1)))"
_NAMED = "SELECT name, content FROM named_by_person($1, $2, $3)"
CONSENTS_MAX = 2_000
"""Most Consents of a person that are heard, ended ones too; no more are stored (`trust.consent.hanging`)."""
_NAMED_MAX = 1_000
_HOLDERS = (("participant", "member"), ("member", "entity"))
_LINKS = ("practitioner", "organization")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Consents(msgspec.Struct, frozen=True):
    """What a person has said, active or not.

    Args:
        found: the Consents in the order of their ids, each with its id.
        named: the resources that their actors name, by "Type/id"; of a team or group its members as well.
        opted_out: whether they opted out of exchange (EHDS 10), which is a denial of all.
    """

    found: tuple[Json, ...] = ()
    named: Mapping[str, Json] = {}
    opted_out: bool = False


NOTHING_SAID = Consents()


async def consents_of(database: Database, patient: str) -> Consents:
    """Return the Consents of the person whose record this is, by its logical id."""
    async with database.system() as connection:
        return await consents_within(connection, patient)


async def consents_within(connection: Connection, patient: str) -> Consents:
    """Do so in the caller's transaction, whatever of the record the connection's grant shows.

    A Consent too many is there too, for who refuses it.
    """
    opted_out = bool(await connection.fetchval(_OPTED_OUT, patient))
    rows = await connection.fetch(_CONSENTS, patient, CONSENTS_MAX + 1)
    if not rows:
        return Consents(opted_out=True) if opted_out else NOTHING_SAID
    found = tuple({**_decode(row["content"]), "id": row["id"]} for row in rows)
    named: dict[str, Json] = {}
    wanted = {link for consent in found for link in _actors(consent.get("provision"))}
    for _ in range(2):  # a team or a role, then who is in it
        missing = sorted(wanted - named.keys())[:_NAMED_MAX]
        resources = await _read(connection, patient, missing)
        named |= resources
        wanted = {link for each in resources.values() for link in _members(each)}
        if not wanted:
            break
    return Consents(found, named, opted_out)


async def _read(connection: Connection, patient: str, names: Iterable[str]) -> dict[str, Json]:
    pairs = [pair for pair in (name.split("/") for name in names) if len(pair) == 2]
    if not pairs:
        return {}
    columns = [kind for kind, _ in pairs], [identity for _, identity in pairs]
    rows = await connection.fetch(_NAMED, patient, *columns)
    return {row["name"]: _decode(row["content"]) for row in rows}


def _actors(provision: Any) -> Iterator[str]:  # Any: JSON
    """Yield the literal references of the actors of a provision and of those nested in it."""
    if not isinstance(provision, dict):
        return
    for actor in provision.get("actor", ()):
        yield from _literal(actor.get("reference"))
    for nested in provision.get("provision", ()):
        yield from _actors(nested)


def _members(resource: Json) -> Iterator[str]:
    for name in _LINKS:
        if resource.get("resourceType") == "PractitionerRole":
            yield from _literal(resource.get(name))
    for held, element in _HOLDERS:
        for each in resource.get(held, ()):
            if isinstance(each, dict):
                yield from _literal(each.get(element))


def _literal(reference: Any) -> Iterator[str]:  # Any: JSON
    if isinstance(reference, dict) and isinstance(reference.get("reference"), str):
        yield reference["reference"].partition("/_history/")[0]
