"""The conformance resources of packages, reduced to their facts and held as compact JSON (R4, conformance
module).

Texts for people (descriptions, narratives, comments) are left out: rules need none of them, and our
messages are in
our own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

import msgspec

from salus.standards.fhir.packages.versions import newest

Json = dict[str, Any]  # Any: FHIR JSON
Kind = Literal["StructureDefinition", "ValueSet", "CodeSystem"]

_STRUCTURE = ("url", "version", "name", "kind", "abstract", "type", "baseDefinition", "derivation", "context")
_ELEMENT = frozenset(
    [
        "id",
        "path",
        "sliceName",
        "min",
        "max",
        "base",
        "contentReference",
        "mustSupport",
        "isModifier",
        "maxLength",
        "slicing",
    ]
)
_SLICING = frozenset({"discriminator", "ordered", "rules"})
_VALUED = ("fixed", "pattern", "minValue", "maxValue")
_MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
_MIN_LENGTH = "http://hl7.org/fhir/StructureDefinition/minLength"
_LANGUAGE_CONTROL = "http://hl7.org/fhir/StructureDefinition/narrative-language-control"
_PROFILE_ELEMENT = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element"
_IMPOSES = "http://hl7.org/fhir/StructureDefinition/structuredefinition-imposeProfile"
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


class Definition(msgspec.Struct, frozen=True):
    """A conformance resource.

    Args:
        package: name#version of the package that holds it, "" for one that was given alone.
        body: its facts as JSON.
    """

    kind: Kind
    url: str
    version: str
    package: str
    body: bytes

    def content(self) -> Json:
        """Return the facts, parsed anew."""
        return cast("Json", msgspec.json.decode(self.body))


def definition_of(resource: Json, package: str = "") -> Definition | None:
    """Return the definition that a resource is, None for resources of other kinds and those without
    address.
    """
    kind, url = resource.get("resourceType"), resource.get("url")
    reduce = _REDUCERS.get(kind) if isinstance(kind, str) else None
    if reduce is None or not isinstance(url, str):
        return None
    body = msgspec.json.encode(reduce(resource))
    return Definition(cast("Kind", kind), url, str(resource.get("version", "")), package, body)


def definition_of_json(body: bytes, package: str = "") -> Definition | None:
    """Return the definition in a package's file, None where there is none."""
    if not any(kind in body for kind in (b"StructureDefinition", b"ValueSet", b"CodeSystem")):
        return None
    try:
        resource = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return definition_of(resource, package) if isinstance(resource, dict) else None


def _structure(resource: Json) -> Json:
    facts: Json = {key: resource[key] for key in _STRUCTURE if key in resource}
    imposed = [row["valueCanonical"] for row in _extensions(resource, _IMPOSES) if "valueCanonical" in row]
    if imposed:
        facts["imposes"] = imposed
    for form in ("snapshot", "differential"):
        elements = resource.get(form, {}).get("element")
        if isinstance(elements, list) and elements:
            facts[form] = [element_facts(element) for element in elements]
    return facts


def element_facts(element: Json) -> Json:
    """Return the facts of an ElementDefinition."""
    facts = {key: value for key, value in element.items() if key in _ELEMENT or key.startswith(_VALUED)}
    controls = [row["valueCode"] for row in _extensions(element, _LANGUAGE_CONTROL) if "valueCode" in row]
    if controls:
        facts["languageControl"] = controls
    shortest = [row["valueInteger"] for row in _extensions(element, _MIN_LENGTH) if "valueInteger" in row]
    if shortest:
        facts["minLength"] = shortest[0]
    if "type" in element:
        facts["type"] = [_type_facts(row) for row in element["type"]]
    if "constraint" in element:
        keys = ("key", "severity", "expression", "source")
        facts["constraint"] = [{key: row[key] for key in keys if key in row} for row in element["constraint"]]
    if "binding" in element:
        facts["binding"] = _binding_facts(element["binding"])
    if "slicing" in element:
        facts["slicing"] = {key: value for key, value in element["slicing"].items() if key in _SLICING}
    return facts


def _type_facts(row: Json) -> Json:
    facts: Json = {
        key: row[key] for key in ("profile", "targetProfile", "aggregation", "versioning") if key in row
    }
    if "_profile" in row and "profile" in row:
        facts["profile"] = [_at_element(*pair) for pair in zip(row["profile"], row["_profile"], strict=False)]
    named = [one.get("valueUrl") or one.get("valueUri") for one in _extensions(row, _FHIR_TYPE)]
    code = str(named[0] if named and named[0] else row.get("code", ""))
    return {"code": code.removeprefix("http://hl7.org/fhirpath/System."), **facts}


def _at_element(profile: str, sibling: Json | None) -> str:
    """Return a profile, with #element where only the rules of one of its elements are meant."""
    found = [
        one["valueString"] for one in _extensions(sibling or {}, _PROFILE_ELEMENT) if "valueString" in one
    ]
    return f"{profile}#{found[0]}" if found else profile


def _binding_facts(binding: Json) -> Json:
    facts: Json = {"strength": binding.get("strength")}
    value_set = binding.get("valueSet") or binding.get("valueSetUri")
    if value_set:
        facts["valueSet"] = value_set
    largest = [
        row.get("valueCanonical") or row.get("valueUri") for row in _extensions(binding, _MAX_VALUE_SET)
    ]
    if largest and largest[0]:
        facts["maxValueSet"] = largest[0]
    return facts


def _extensions(element: Json, url: str) -> Iterator[Json]:
    for row in element.get("extension", ()):
        if isinstance(row, dict) and row.get("url") == url:
            yield row


def _value_set(resource: Json) -> Json:
    facts: Json = {key: resource[key] for key in ("url", "version") if key in resource}
    compose = resource.get("compose")
    if isinstance(compose, dict):
        facts["compose"] = {
            part: [_include(row) for row in compose[part]]
            for part in ("include", "exclude")
            if part in compose
        }
    contains = resource.get("expansion", {}).get("contains")
    if contains and not facts.get("compose"):
        facts["contains"] = sorted({(row.get("system", ""), row["code"]) for row in _flat(contains)})
    return facts


def _include(row: Json) -> Json:
    facts: Json = {key: row[key] for key in ("system", "version", "valueSet", "filter") if key in row}
    if "concept" in row:
        facts["codes"] = [concept["code"] for concept in row["concept"] if "code" in concept]
    return facts


def _flat(contains: Iterable[Json]) -> Iterator[Json]:
    for row in contains:
        if "code" in row and not row.get("abstract"):
            yield row
        yield from _flat(row.get("contains", ()))


def _code_system(resource: Json) -> Json:
    facts: Json = {
        key: resource[key]
        for key in ("url", "version", "content", "caseSensitive", "language")
        if key in resource
    }
    kinds = {row["code"]: row.get("uri", "") for row in resource.get("property", ()) if "code" in row}
    rows: list[Json] = []
    _concepts(resource.get("concept", ()), None, rows, kinds)
    return facts | ({"concepts": rows} if rows else {})


def _concepts(
    concepts: Iterable[Json], parent: str | None, rows: list[Json], kinds: Mapping[str, str]
) -> None:
    for concept in concepts:
        row: Json = {"code": concept["code"]} | _names(concept)
        above = [parent] if parent else []
        for item in concept.get("property", ()):
            value = next((value for key, value in item.items() if key.startswith("value")), None)
            if isinstance(value, dict):
                value = value.get("code")
            if item.get("code") in ("subsumedBy", "parent"):
                above.append(str(value))
            elif value is not None:
                row.setdefault("properties", {}).setdefault(item.get("code", ""), []).append(value)
        if above:
            row["parents"] = above
        rows.append(row)
        _concepts(concept.get("concept", ()), concept["code"], rows, kinds)


def _names(concept: Json) -> Json:
    """Return what a concept is called: `display`, and `names` as pairs of language ("" for none) and text."""
    found: Json = {"display": concept["display"]} if isinstance(concept.get("display"), str) else {}
    rows = [row for row in concept.get("designation", ()) if isinstance(row.get("value"), str)]
    names = [(str(row.get("language", "")), row["value"]) for row in rows]
    return found | ({"names": names} if names else {})


_REDUCERS = {"StructureDefinition": _structure, "ValueSet": _value_set, "CodeSystem": _code_system}


class Library:
    """Definitions by kind, address and version; an address without "|version" means the newest.

    Args:
        below: where to look for what is not found here.
    """

    def __init__(self, below: Library | None = None) -> None:
        self._below = below
        self._rows: dict[tuple[Kind, str], dict[str, Definition]] = {}

    def add(self, definition: Definition) -> None:
        """Take a definition in; one of the same address and version that was there is replaced."""
        self._rows.setdefault((definition.kind, definition.url), {})[definition.version] = definition

    def find(self, kind: Kind, canonical: str) -> Definition | None:
        """Return what an address or address|version stands for.

        Where the named version is not at hand, the newest takes its place: guides pin versions more often
        than the
        meaning changes, and a verdict by a near version helps more than none.
        """
        url, _, version = canonical.partition("|")
        versions = self._rows.get((kind, url.partition("#")[0]))
        if not versions:
            return self._below.find(kind, canonical) if self._below is not None else None
        found = newest(versions, version) or newest(versions)
        return versions[found] if found is not None else None

    def editions(self, kind: Kind, url: str) -> Iterator[Definition]:
        """Yield every version of one address, those below last."""
        yield from self._rows.get((kind, url), {}).values()
        if self._below is not None:
            yield from self._below.editions(kind, url)

    def all(self, kind: Kind) -> Iterator[Definition]:
        """Yield the newest definition of each address, sorted by address, without those below."""
        for (one, url), versions in sorted(self._rows.items()):
            if one == kind:
                found = newest(versions)
                assert found is not None, url
                yield versions[found]

    def every(self, kind: Kind) -> Iterator[Definition]:
        """Yield each version of each address, sorted, without those below."""
        for (one, _), versions in sorted(self._rows.items()):
            if one == kind:
                yield from (versions[version] for version in sorted(versions))
