"""TerminologyCapabilities (R4): which code systems are at hand, and which parameters an expansion takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from salus.standards.terminology.concepts import Json
from salus.standards.terminology.versions import order

EXPANSION_PARAMETERS = (
    "activeOnly", "check-system-version", "check-valueset-version", "count", "default-valueset-version",
    "designation", "displayLanguage", "exclude-system", "excludeNested", "excludeNotForUI", "filter",
    "force-system-version", "force-valueset-version", "includeDefinition", "includeDesignations", "offset",
    "property", "system-version", "tx-resource", "useSupplement",
)  # fmt: skip
INSTANTIATES = "http://hl7.org/fhir/CapabilityStatement/terminology-server"
FEATURES: Sequence[Json] = (
    {
        "url": "http://hl7.org/fhir/uv/application-feature/StructureDefinition/feature",
        "extension": [
            {
                "url": "definition",
                "valueCanonical": "http://hl7.org/fhir/uv/tx-ecosystem/FeatureDefinition/CodeSystemAsParameter",
            },
            {"url": "value", "valueBoolean": True},
        ],
    },
)
"""What the ecosystem asks a server to say of itself: a code system may come along as tx-resource."""


def terminology_capabilities(
    systems: Iterable[tuple[str, str]], *, url: str, base: str, title: str, date: str, software: Sequence[str]
) -> Json:
    """Return the statement.

    Args:
        systems: (url, version) of every code system whose codes are at hand.
        url: address of the statement.
        base: address of the server.
        title: of the server.
        date: since when it is so.
        software: name and version.
    """
    versions: dict[str, set[str]] = {}
    for system, version in systems:
        versions.setdefault(system, set()).add(version)
    return {
        "resourceType": "TerminologyCapabilities",
        "url": url,
        "name": "SalusTerminology",
        "title": title,
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": software[0], "version": software[1]},
        "implementation": {"description": title, "url": base},
        "codeSystem": [_system(one, versions[one]) for one in sorted(versions) if one],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": one} for one in EXPANSION_PARAMETERS],
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": True},
        "closure": {"translation": False},
    }


def _system(url: str, versions: set[str]) -> Json:
    row: Json = {"uri": url, "subsumption": True}
    known = sorted(versions - {""}, key=order)
    if known:
        row["version"] = [{"code": one, "isDefault": one == known[-1]} for one in known]
    return row
