"""What a request asks, read from its Parameters (R4 operations of CodeSystem, ValueSet, ConceptMap, and the
parameters that the HL7 terminology ecosystem adds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.terminology.concepts import Json, extension_value, value_of
from salus.standards.terminology.issues import Unanswerable, issue
from salus.standards.terminology.languages import Wanted, parse_languages
from salus.standards.terminology.versions import split

Mode = Literal["default", "check", "force"]
_RULES: Mapping[str, Mode] = {
    "system-version": "default",
    "check-system-version": "check",
    "force-system-version": "force",
    "default-valueset-version": "default",
    "check-valueset-version": "check",
    "force-valueset-version": "force",
}
_EXPANSION_PARAMETER = "valueset-expansion-parameter"
REPEATED = frozenset({"designation", "property", "useSupplement", "exclude-system", "tx-resource", *_RULES})


class VersionRule(msgspec.Struct, frozen=True):
    """Which version of a code system or value set a request wants."""

    parameter: str
    mode: Mode
    url: str
    version: str


class Asked:
    """A request's parameters by name, with what a value set adds to them.

    Args:
        parameters: a Parameters resource; one of name profile adds its own.
        accepted: the Accept-Language header, "" for none.
    """

    def __init__(self, parameters: Mapping[str, Any], accepted: str = "") -> None:
        self._values: dict[str, list[Any]] = {}
        for name, value in _entries(parameters):
            self._values.setdefault(name, []).append(value)
        self._accepted = accepted
        self._languages_of_set = ""

    def see(self, value_set: Mapping[str, Any]) -> None:
        """Take what a value set itself asks of its expansion, where the request says nothing of it."""
        compose = value_set.get("compose") or {}
        for one in (*value_set.get("extension", ()), *compose.get("extension", ())):
            if str(one.get("url", "")).endswith(_EXPANSION_PARAMETER):
                name, value = extension_value(one, "name"), extension_value(one, "value")
                if (
                    isinstance(name, str)
                    and value is not None
                    and (name in REPEATED or name not in self._values)
                ):
                    self._values.setdefault(name, []).append(value)
        self._languages_of_set = self._languages_of_set or str(value_set.get("language", ""))

    def has(self, name: str) -> bool:
        """Return whether a parameter is there."""
        return name in self._values

    def all(self, name: str) -> list[Any]:
        """Return the values of a parameter."""
        return self._values.get(name, [])

    def text(self, name: str) -> str:
        """Return a parameter as text, "" where it is not there."""
        found = self._values.get(name)
        return str(found[0]) if found and not isinstance(found[0], dict) else ""

    def is_true(self, name: str, *, otherwise: bool = False) -> bool:
        """Return a boolean parameter."""
        found = self._values.get(name)
        return otherwise if not found else found[0] is True or found[0] == "true"

    def number(self, name: str) -> int | None:
        """Return an integer parameter that is not negative.

        Raises:
            MalformedContent: it is none.
        """
        found = self._values.get(name)
        if not found:
            return None
        if not str(found[0]).isdecimal() or len(str(found[0])) > 9:
            raise MalformedContent(f"{name} is {str(found[0])[:40]!a}; write a whole number from 0 on.")
        return int(found[0])

    def part(self, name: str) -> Json | None:
        """Return a parameter that is a resource or a complex value, None where it is not there."""
        found = self._values.get(name)
        return found[0] if found and isinstance(found[0], dict) else None

    def resources(self) -> list[Json]:
        """Return the definitions sent along."""
        return [one for one in self._values.get("tx-resource", ()) if isinstance(one, dict)]

    def rules(self, url: str) -> Iterator[VersionRule]:
        """Yield the rules on the version of a url.

        Raises:
            MalformedContent: a rule is no canonical with a version.
        """
        for name, mode in _RULES.items():
            for value in self._values.get(name, ()):
                of, version = split(str(value))
                if not version:
                    raise MalformedContent(f"{name} is {str(value)[:80]!a}; write url|version.")
                if of == url:
                    yield VersionRule(name, mode, of, version)

    def languages(self) -> tuple[Wanted, ...]:
        """Return the languages to show names in: the parameter's, else the header's, else the value set's.

        Raises:
            Unanswerable: the parameter is no list of languages.
        """
        stated = self.text("displayLanguage")
        if stated:
            try:
                return parse_languages(stated)
            except MalformedContent as error:
                found = issue(
                    "error", "processing", "invalid-display", "", "INVALID_DISPLAY_NAME", display=stated
                )
                raise Unanswerable(found, status=400) from error
        for text in (self._accepted, self._languages_of_set):
            try:
                found_there = parse_languages(text)
            except MalformedContent:
                continue
            if found_there and any(one.tag != "*" for one in found_there):
                return found_there
        return ()


def _entries(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for one in parameters.get("parameter", ()):
        name = one.get("name")
        if not isinstance(name, str):
            continue
        resource = one.get("resource")
        if name == "profile" and isinstance(resource, dict):
            yield from _entries(resource)
            continue
        value = value_of(one)
        if isinstance(resource, dict):
            yield name, resource
        elif value is not None:
            yield name, value[1]
        elif "part" in one:
            yield name, {"part": one["part"]}


def parameter(name: str, kind: str, value: object) -> Json:
    """Return one parameter of an answer."""
    return {"name": name, kind: value}


def parameters(rows: list[Json]) -> Json:
    """Return an answer, its parameters sorted by name."""
    return {"resourceType": "Parameters", "parameter": sorted(rows, key=lambda one: str(one["name"]))}
