"""The Medications that prescriptions and hand-overs refer to, in the version that each of them means.

A Medication is shared and may be changed by anyone who writes Medications: what was prescribed is the version
referred to, else the one that stood when the prescription was written (EHDS Art. 14(1)(b)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.identifiers import derived_id, is_fhir_id
from salus.core.limits import Limits
from salus.primary.products import medication_of, refer_to_version
from salus.primary.references import split_version
from salus.standards.fhir.codec.json import parse_json
from salus.store.conditions import Here, current_of
from salus.store.postgres import Connection, Database
from salus.store.readable import is_readable
from salus.store.rows import StoredResource
from salus.store.versions_at import version_at, version_of, versions_of

KIND, ORDER = "Medication", "MedicationRequest"
VERSION_DIGITS_MAX = 9
OWN_IDS = "urn:salus:version"
REFERRING = b'"medicationReference"'
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


async def medications_of(here: Here, *referring: Resource) -> dict[str, Resource]:
    """Return the Medications kept here that the resources refer to, as they are now, or in a version named.

    By "Medication/id", and by "Medication/id/_history/version" where that is referred to; each has its
    meta.versionId.
    """
    links = {_link(each) for each in referring if medication_of(each)}
    names = sorted({_identity(link) for link in links if is_fhir_id(_identity(link))})
    found = await current_of(here, [(KIND, name) for name in names]) if names else {}
    held = {f"{KIND}/{each.id}": _read(here, each) for each in found.values() if not each.deleted}
    for link in sorted(links):
        kept = await _version_named(here.grant, here.connection, link)
        if kept is not None:
            held[link] = _read(here, kept)
    return held


async def prescribed_medications(
    here: Here, stored: StoredResource, prescription: Resource
) -> dict[str, Resource]:
    """Return the Medication that a stored prescription refers to, by "Medication/id", as it was prescribed.

    Without a version in the reference it is as it stood when the prescription began to refer to it; where it
    came after its prescription, as it came.
    """
    held, link = await medications_of(here, prescription), _link(prescription)
    current = held.get(link, {})
    if split_version(link)[1] or current.get("meta", {}).get("versionId") in (None, "1"):
        return held
    limits = here.rules.limits
    since = await _referring_since(here.grant, here.connection, stored.id, link, limits) or stored.updated
    then = await version_at(here.grant, here.connection, KIND, _identity(link), since)
    return {} if then is None or then.deleted else {link: _read(here, then)}


class AsPrescribed(msgspec.Struct, frozen=True):
    """Resources as they are shown, and the Medications that they mean in another version than the current.

    Args:
        resources: in the order given; a prescription whose Medication was changed since refers to the version
            that it means.
        versions: by "Medication/id/_history/version"; None where there is no such version to see.
    """

    resources: list[dict[str, Any]]  # parsed FHIR resources
    versions: dict[str, StoredResource | None]

    @property
    def found(self) -> dict[str, StoredResource]:
        """Return the versions that there are."""
        return {link: each for link, each in self.versions.items() if each is not None}


async def as_prescribed(
    grant: Grant,
    database: Database,
    resources: Sequence[dict[str, Any]],  # parsed FHIR resources
    current: Iterable[StoredResource],
    limits: Limits,
) -> AsPrescribed:
    """Return resources with the version that each means of its Medication, as every reader shows it.

    By the rule of `prescribed_medications`; what is no prescription and names no version means the Medication
    as it is now.

    Args:
        grant: who asks.
        database: where to look.
        resources: each with its type and id.
        current: what they refer to, as it is now.
        limits: of parsing.
    """
    numbers = {f"{each.type}/{each.id}": each.version for each in current}
    shown, versions = list(resources), dict[str, StoredResource | None]()
    referring = [place for place, each in enumerate(shown) if _is_open_link(each, numbers)]
    if not referring or not is_readable(grant, KIND):
        return AsPrescribed(shown, {})
    async with database.reading(grant) as connection:
        for place in referring:
            link = _link(shown[place])
            address, version = split_version(link)
            if version:
                meant = await _version_named(grant, connection, link)
            else:
                since = await _referring_since(grant, connection, str(shown[place]["id"]), link, limits)
                if since is None:
                    continue
                meant = await version_at(grant, connection, KIND, _identity(link), since)
                if meant is None or meant.deleted or meant.version == numbers[address]:
                    continue
                link = f"{address}/_history/{meant.version}"
                shown[place] = refer_to_version(shown[place], str(meant.version))
            versions[link] = meant
    return AsPrescribed(shown, versions)


async def sent_along(
    grant: Grant,
    database: Database,
    resources: Iterable[StoredResource],
    found: Sequence[StoredResource],
    limits: Limits,
) -> list[StoredResource]:
    """Return what goes along with resources: of the Medications among it, the versions that they mean.

    The current version goes along as well where one of them means that.
    """
    current = [each for each in found if each.type == KIND]
    if not current:
        return list(found)
    referring = [
        {**parse_json(each.content, limits), "id": each.id} for each in resources if REFERRING in each.content
    ]
    shown = await as_prescribed(grant, database, referring, current, limits)
    links = [_link(each) for each in shown.resources]
    meant = {split_version(link)[0] for link in links if link not in shown.versions}
    replaced = {split_version(link)[0] for link in shown.versions} - meant
    kept = [each for each in found if f"{each.type}/{each.id}" not in replaced]
    return [*kept, *shown.found.values()]


def with_own_ids(
    shown: AsPrescribed, versions: Mapping[str, Resource]
) -> list[dict[str, Any]]:  # parsed FHIR resources
    """Return the resources and the versions that they mean, each version under an id of its own.

    So a document, in which a reference is an address without a version, holds two versions side by side.

    Args:
        shown: the resources, and which versions they mean.
        versions: these, parsed, by reference.
    """
    ids = {link: derived_id(OWN_IDS, link) for link in shown.versions}
    resources = [
        {
            **each,
            "medicationReference": {
                **each["medicationReference"],
                "reference": f"{KIND}/{ids[_link(each)]}",
            },
        }
        if _link(each) in ids
        else each
        for each in shown.resources
    ]
    return [*resources, *({**each, "id": ids[link]} for link, each in versions.items())]


def _is_open_link(resource: Resource, numbers: Mapping[str, int]) -> bool:
    """Return whether a resource may mean another version of its Medication than the current (`numbers`)."""
    address, version = split_version(_link(resource))
    if not medication_of(resource) or not is_fhir_id(_identity(address)):
        return False
    now = numbers.get(address)
    if version:
        return version != str(now)
    return resource.get("resourceType") == ORDER and now not in (None, 1)


async def _version_named(grant: Grant, connection: Connection, link: str) -> StoredResource | None:
    """Return the version that a reference names; None where it names none, or none that is to be seen."""
    version, identity = split_version(link)[1], _identity(link)
    if not version.isdecimal() or len(version) > VERSION_DIGITS_MAX or not is_fhir_id(identity):
        return None
    found = await version_of(grant, connection, KIND, identity, int(version))
    return None if found is None or found.deleted else found


async def _referring_since(
    grant: Grant, connection: Connection, prescription: str, link: str, limits: Limits
) -> datetime | None:
    """Return since when a prescription refers to a Medication without a break; None when it does not."""
    since = None
    for each in await versions_of(grant, connection, ORDER, prescription):
        if each.deleted or _link(parse_json(each.content, limits)) != link:
            break
        since = each.updated
    return since


def _link(resource: Resource) -> str:
    return str(resource.get("medicationReference", {}).get("reference", ""))


def _identity(link: str) -> str:
    return split_version(link)[0].partition("/")[2]


def _read(here: Here, stored: StoredResource) -> Resource:
    resource = parse_json(stored.content, here.rules.limits)
    meta = {**resource.get("meta", {}), "versionId": str(stored.version)}
    return {**resource, "id": stored.id, "meta": meta}
