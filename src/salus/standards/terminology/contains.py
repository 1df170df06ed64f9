"""How a code of an expansion is shown: its name in the languages asked for, other names, properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from salus.standards.terminology.asked import Asked
from salus.standards.terminology.concepts import PROPERTIES, STANDARDS_STATUS, Designation, Json, value_of
from salus.standards.terminology.defined import designations_of
from salus.standards.terminology.designations import preferred
from salus.standards.terminology.entries import Entry
from salus.standards.terminology.languages import Wanted, allows_any

_HL7 = "http://hl7.org/fhir/StructureDefinition/"
DISPLAY_USE: Json = {
    "system": "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra",
    "code": "preferredForLanguage",
    "display": "Preferred For Language",
}
_OF_CONCEPT = frozenset(
    _HL7 + one for one in ("coding-sctdescid", "rendering-style", "rendering-xhtml", "codesystem-alternate")
)
_OF_SET = frozenset(
    _HL7 + one
    for one in (
        "valueset-supplement",
        "valueset-deprecated",
        "structuredefinition-standards-status",
        "valueset-concept-definition",
        "coding-sctdescid",
        "rendering-style",
        "rendering-xhtml",
    )
)
_OF_NAME = _OF_CONCEPT | {STANDARDS_STATUS}
_AS_PROPERTY: Mapping[str, tuple[str, str, str]] = {
    _HL7 + "codesystem-label": ("label", "label", "valueString"),
    _HL7 + "valueset-label": ("label", "label", "valueString"),
    _HL7 + "codesystem-conceptOrder": ("order", "order", "valueDecimal"),
    _HL7 + "valueset-conceptOrder": ("order", "order", "valueDecimal"),
    _HL7 + "itemWeight": ("weight", "itemWeight", "valueDecimal"),
}


class Shower:
    """Shows codes as a request wants them; notes the properties and supplements that were used."""

    def __init__(self, asked: Asked, shows_version: bool) -> None:
        languages = asked.languages()
        fallback = () if not languages or not allows_any(languages) else (Wanted("*", 0.01),)
        self._languages = (*languages, *fallback)
        self._with_names = asked.is_true("includeDesignations")
        self._names = [str(one).partition("|") for one in asked.all("designation")]
        self._wanted = [str(one) for one in asked.all("property")]
        self._shows_version = shows_version
        self.properties: dict[str, str] = {}
        self.used: set[str] = set()

    def row(self, entry: Entry) -> Json:
        """Return a code as `expansion.contains` has it."""
        concept = entry.concept
        row: Json = {}
        extensions = [one for one in concept.extensions if one.get("url") in _OF_CONCEPT]
        extensions += [one for one in entry.row.get("extension", ()) if one.get("url") in _OF_SET]
        if extensions:
            row["extension"] = extensions
        row["system"] = entry.url
        if concept.is_abstract:
            row["abstract"] = True
        if concept.is_inactive:
            row["inactive"] = True
        if self._shows_version and entry.version:
            row["version"] = entry.version
        row["code"] = concept.code
        names = _names_of(entry)
        best = preferred(names, self._languages)
        if best is not None:
            row["display"] = best.value
            self.used |= {best.source} - {""}
        if self._with_names:
            others = [self._designation(one) for one in names if one is not best and self._is_named(one)]
            others = [one for one in others if not _repeats(one, row.get("display", ""))]
            if others:
                row["designation"] = others
        properties = list(self._properties(entry))
        if properties:
            row["property"] = properties
        return row

    def _is_named(self, name: Designation) -> bool:
        """Return whether a name is among those asked for."""
        if not self._names:
            return True
        for system, _, code in self._names:
            if system == "urn:ietf:bcp:47" and name.language == code:
                return True
            if name.use and name.use.get("system") == system and name.use.get("code") == code:
                return True
        return False

    def _designation(self, name: Designation) -> Json:
        self.used |= {name.source} - {""}
        row: Json = {"language": name.language} if name.language else {}
        use = DISPLAY_USE if name.is_display else name.use
        if use is not None:
            row["use"] = use
        row["value"] = name.value
        kept = [one for one in name.extensions if one.get("url") in _OF_NAME]
        return row | ({"extension": kept} if kept else {})

    def _properties(self, entry: Entry) -> Iterator[Json]:
        """Yield properties: the status, what extensions say, and those asked for."""
        concept = entry.concept
        single: dict[str, Json] = {}

        def put(code: str, name: str, kind: str, value: object) -> None:
            self.properties.setdefault(code, PROPERTIES + name)
            single[code] = {"code": code, kind: value}

        if concept.status and concept.status.lower() != "active":
            put("status", "status", "valueCode", concept.status)
        elif concept.is_deprecated:
            put("status", "status", "valueCode", "deprecated")
        for one in (*concept.extensions, *entry.row.get("extension", ())):
            known = _AS_PROPERTY.get(str(one.get("url")))
            value = value_of(one)
            if known and value:
                put(known[0], known[1], known[2], value[1])
            if one.get("url") == STANDARDS_STATUS and one in concept.extensions and value:
                put("status", "status", "valueCode", value[1])
        if "definition" in self._wanted and concept.definition:
            put("definition", "definition", "valueString", concept.definition)
        rows = list(single.values())
        for found in concept.properties:
            if found.code in self._wanted or "*" in self._wanted:
                self.properties.setdefault(found.code, found.uri)
                row = {"code": found.code, found.kind: found.value}
                if row not in rows:
                    rows.append(row)
        yield from rows


def _names_of(entry: Entry) -> Sequence[Designation]:
    """Return the names of a code, those that the value set adds last."""
    names = list(entry.concept.designations)
    row: Mapping[str, Any] = entry.row
    if "display" in row:
        names.append(Designation(str(row["display"]), str(row.get("language", "")), is_display=True))
    names += designations_of(row)
    return names


def _repeats(name: Json, display: str) -> bool:
    """Return whether a name says no more than the display."""
    return "language" not in name and "use" not in name and name["value"] == display
