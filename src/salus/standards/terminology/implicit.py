"""Value sets that an address alone defines (R4 snomedct.html#implicit, loinc.html#implicit)."""

from __future__ import annotations

from urllib.parse import unquote

from salus.standards.terminology.codesystem import About, ValueSet, all_codes
from salus.standards.terminology.concepts import Json

_LOINC = "http://loinc.org"


def implicit_value_set(url: str, about: About) -> ValueSet | None:
    """Return the value set that an address of a code system means, None where it means none."""
    address, _, query = url.partition("?")
    if query == "fhir_vs":
        return all_codes_at(url, about)
    if query.startswith("fhir_vs="):
        return _snomed(url, unquote(query.removeprefix("fhir_vs=")), about)
    if address.startswith(_LOINC + "/vs/LP") and about.url == _LOINC:
        return _filtered(url, about, "ancestor", "=", address.rpartition("/")[2])
    return None


def all_codes_at(url: str, about: About) -> ValueSet:
    """Return the value set of all codes under an address."""
    return ValueSet(all_codes(about).resource | {"url": url})


def _snomed(url: str, meaning: str, about: About) -> ValueSet | None:
    kind, _, code = meaning.partition("/")
    match kind:
        case "isa" if code:
            return _filtered(url, about, "concept", "is-a", code)
        case "refset" if code:
            return _filtered(url, about, "concept", "in", code)
        case "ecl" if code:
            return _filtered(url, about, "constraint", "=", code)
    return None


def _filtered(url: str, about: About, name: str, operator: str, value: str) -> ValueSet:
    include: Json = {"system": about.url, "filter": [{"property": name, "op": operator, "value": value}]}
    if about.version:
        include["version"] = about.version
    return ValueSet(
        {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
    )
