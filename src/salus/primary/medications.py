"""The Medications that prescriptions and hand-overs refer to, in the version that each of them means.

A Medication is shared and may be changed by anyone who writes Medications: what was prescribed is the version
referred to, else the one that stood when the prescription was written (EHDS Art. 14(1)(b)).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.core.identifiers import is_fhir_id
from salus.primary.products import medication_of
from salus.primary.references import split_version
from salus.standards.fhir.codec.json import parse_json
from salus.store.conditions import Here, current_of
from salus.store.rows import StoredResource
from salus.store.versions_at import version_at, version_of, versions_of

KIND = "Medication"
VERSION_DIGITS_MAX = 9
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
        version = split_version(link)[1]
        if not version.isdecimal() or len(version) > VERSION_DIGITS_MAX or _identity(link) not in names:
            continue
        kept = await version_of(here.grant, here.connection, KIND, _identity(link), int(version))
        if kept is not None and not kept.deleted:
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
    since = stored.updated
    for each in await versions_of(here.grant, here.connection, stored.type, stored.id):
        if each.deleted or _link(parse_json(each.content, here.rules.limits)) != link:
            break
        since = each.updated
    then = await version_at(here.grant, here.connection, KIND, _identity(link), since)
    return {} if then is None or then.deleted else {link: _read(here, then)}


def _link(resource: Resource) -> str:
    return str(resource.get("medicationReference", {}).get("reference", ""))


def _identity(link: str) -> str:
    return split_version(link)[0].partition("/")[2]


def _read(here: Here, stored: StoredResource) -> Resource:
    resource = parse_json(stored.content, here.rules.limits)
    return {**resource, "meta": {**resource.get("meta", {}), "versionId": str(stored.version)}}
