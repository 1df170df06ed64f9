"""Seeded errors: copies of well-formed examples, each with one thing wrong, and where.

What is required, fixed or bound is read from the packages' own snapshots, not from the facts that the
validator
derives from them.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from salus.standards.fhir.packages.definitions import Library

Json = dict[str, Any]
Found = tuple[Json, str, str]
"""The object that holds an element, its key, and the expression of the element."""


@dataclass(frozen=True)
class Mutant:
    """A document with one error.

    Args:
        kind: what was done.
        place: expression of the element that is wrong or gone.
    """

    kind: str
    place: str
    document: Json


def resources(document: Json) -> Iterator[tuple[Json, str]]:
    """Yield each resource of a document with its expression."""
    yield document, str(document["resourceType"])
    for index, entry in enumerate(document.get("entry", ())):
        if "resource" in entry:
            yield entry["resource"], f"Bundle.entry[{index}].resource"


def at(node: Any, steps: list[str], place: str) -> Iterator[Found]:
    """Yield the occurrences of an element of a snapshot ("name", "value[x]") below a node."""
    if not isinstance(node, dict):
        return
    first, rest = steps[0], steps[1:]
    stem = first.removesuffix("[x]")
    for key in list(node):
        if first.endswith("[x]"):
            kind = key.removeprefix(stem)
            if not (key.startswith(stem) and kind[:1].isupper()):
                continue
            is_complex = kind in ("Quantity", "CodeableConcept", "Period")
            label = f"{stem}.ofType({kind if is_complex else kind[0].lower() + kind[1:]})"
        elif key == first:
            label = key
        else:
            continue
        if not rest:
            yield node, key, f"{place}.{label}"
        elif isinstance(node[key], list):
            for index, one in enumerate(node[key]):
                yield from at(one, rest, f"{place}.{label}[{index}]")
        else:
            yield from at(node[key], rest, f"{place}.{label}")


Edit = Callable[[Json, str], None]


def _delete(holder: Json, key: str) -> None:
    del holder[key]
    holder.pop("_" + key, None)
    if not holder:
        holder["extension"] = [{"url": "http://example.org/kept", "valueString": "kept"}]


def _alter(holder: Json, key: str) -> None:
    holder[key] = _altered(holder[key])


def _altered(value: Any) -> Any:
    if isinstance(value, list):
        return [_altered(one) for one in value]
    if isinstance(value, dict):
        if "coding" in value:
            return value | {"coding": [_altered(one) for one in value["coding"]]}
        if "system" in value or "code" in value:
            return value | {"system": "http://wrong.example.org/system", "code": "wrong"}
        return {key: _altered(one) for key, one in value.items()}
    return not value if isinstance(value, bool) else f"{value}x"


def _bogus(holder: Json, key: str) -> None:
    holder[key] = "bogus-code"


def _double(holder: Json, key: str) -> None:
    holder[key] = [*holder[key], copy.deepcopy(holder[key][0])]


def _by_snapshot(
    document: Json, library: Library, profiles: dict[str, str]
) -> Iterator[tuple[str, Found, Edit]]:
    for resource, place in resources(document):
        claimed = resource.get("meta", {}).get("profile") or [profiles.get(resource["resourceType"], "")]
        definition = library.find("StructureDefinition", claimed[0]) if claimed[0] else None
        if definition is None:
            continue
        for element in definition.content()["snapshot"]:
            steps = element["id"].split(".")[1:]
            if not steps or ":" in element["id"] or steps[-1] in ("id", "extension", "url"):
                continue
            for found in at(resource, steps, place):
                yield from _edits(element, found)


def _edits(element: Json, found: Found) -> Iterator[tuple[str, Found, Edit]]:
    holder, key, _ = found
    value = holder[key]
    if element.get("min", 0) >= 1 and not key.startswith("resource"):
        yield "required element removed", found, _delete
    if any(name.startswith(("fixed", "pattern")) for name in element):
        yield "fixed value or pattern changed", found, _alter
    if element.get("binding", {}).get("strength") == "required" and isinstance(value, str):
        yield "code of a required value set replaced", found, _bogus
    if element.get("max") == "1" and element.get("base", {}).get("max") == "*" and isinstance(value, list):
        yield "too many", found, _double
    codes = [row["code"] for row in element.get("type", ())]
    if codes == ["Reference"] and isinstance(value, dict) and "reference" in value:
        yield "reference to a wrong type", found, _misdirect
    if codes in (["date"], ["dateTime"]) and isinstance(value, str):
        yield "impossible date", found, _misdate
    if codes == ["CodeableConcept"] and isinstance(value, dict):
        yield "wrong type of JSON", found, _as_text


def _misdirect(holder: Json, key: str) -> None:
    holder[key] = {"reference": "Basic/wrong-target"}


def _misdate(holder: Json, key: str) -> None:
    holder[key] = "2024-02-31"


def _as_text(holder: Json, key: str) -> None:
    holder[key] = "text"


def _everywhere(document: Json) -> Iterator[tuple[str, Found, Edit]]:
    """Yield errors that fit every resource: extensions, unknown elements."""
    for resource, place in resources(document):
        key = "x"
        yield "illegal extension", (resource, key, f"{place}.extension"), _add_unknown_extension
        yield "extension in a wrong place", (resource, key, f"{place}.extension"), _add_misplaced_extension
        yield "unknown element", (resource, key, place), _add_element
        for found in at(resource, ["code"], place):
            if isinstance(found[0][found[1]], dict):
                yield "system that is no address", found, _bare_system


def _add_unknown_extension(holder: Json, key: str) -> None:
    url = "http://hl7.eu/fhir/base/StructureDefinition/no-such-extension"
    holder["extension"] = [*holder.get("extension", []), {"url": url, "valueString": "x"}]


def _add_misplaced_extension(holder: Json, key: str) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs"
    holder["extension"] = [*holder.get("extension", []), {"url": url, "valueInteger": 1}]


def _add_element(holder: Json, key: str) -> None:
    holder["noSuchElement"] = "x"


def _bare_system(holder: Json, key: str) -> None:
    holder[key] = {"coding": [{"system": "loinc", "code": "1"}]}


def _of_document(document: Json) -> Iterator[tuple[str, Found, Edit]]:
    if document.get("type") != "document":
        return
    composition = document["entry"][0]["resource"]
    place = "Bundle.entry[0].resource"
    for key in ("identifier", "timestamp"):
        yield "document without " + key, (document, key, "Bundle"), _delete
    yield "document whose Composition is not first", (document, "entry", "Bundle"), _turn
    for index, entry in enumerate(document["entry"][1:], start=1):
        yield "entry without fullUrl", (entry, "fullUrl", f"Bundle.entry[{index}].fullUrl"), _delete
    for index, section in enumerate(composition.get("section", ())):
        where = f"{place}.section[{index}]"
        yield "section of a wrong system", (section["code"]["coding"][0], "system", f"{where}.code"), _alter
        for number, entry in enumerate(section.get("entry", ())):
            yield "broken reference", (entry, "reference", f"{where}.entry[{number}]"), _break
    yield "broken reference", (composition["subject"], "reference", f"{place}.subject"), _break


def _turn(holder: Json, key: str) -> None:
    holder[key] = holder[key][::-1]


def _break(holder: Json, key: str) -> None:
    holder[key] = "urn:uuid:00000000-0000-4000-8000-000000000000"


def _sections(document: Json, library: Library) -> Iterator[tuple[str, Found, Edit]]:
    """Yield the removal of each section that the Composition's profile requires."""
    if document.get("type") != "document":
        return
    composition = document["entry"][0]["resource"]
    claimed = composition.get("meta", {}).get("profile", [""])[0]
    definition = library.find("StructureDefinition", claimed)
    if definition is None:
        return
    rows = {row["id"]: row for row in definition.content()["snapshot"]}
    for identity, row in rows.items():
        if (
            not identity.startswith("Composition.section:")
            or identity.count(".") > 1
            or row.get("min", 0) < 1
        ):
            continue
        pattern = rows.get(f"{identity}.code", {}).get("patternCodeableConcept", {}).get("coding", [{}])[0]
        for index, section in enumerate(composition.get("section", ())):
            if any(
                one.get("code") == pattern.get("code") for one in section.get("code", {}).get("coding", ())
            ):
                yield (
                    "required section removed",
                    (composition, str(index), "Bundle.entry[0].resource.section"),
                    _cut,
                )


def _cut(holder: Json, key: str) -> None:
    del holder["section"][int(key)]


def mutants(
    document: Json, library: Library, profiles: dict[str, str], seed: int, each_max: int
) -> Iterator[Mutant]:
    """Yield documents with one error each, at most so many of a kind."""
    offered: dict[str, list[tuple[int, str]]] = {}
    edits = list(_all(document, library, profiles))
    for number, (kind, found, _) in enumerate(edits):
        offered.setdefault(kind, []).append((number, found[2]))
    chosen = random.Random(seed)
    for kind, rows in sorted(offered.items()):
        for number, place in chosen.sample(rows, min(each_max, len(rows))):
            changed = copy.deepcopy(document)
            _, (holder, key, _), edit = list(_all(changed, library, profiles))[number]
            edit(holder, key)
            if changed != document:
                yield Mutant(kind, place, changed)


def _all(document: Json, library: Library, profiles: dict[str, str]) -> Iterator[tuple[str, Found, Edit]]:
    yield from _sections(document, library)
    yield from _by_snapshot(document, library, profiles)
    yield from _everywhere(document)
    yield from _of_document(document)


def is_at(expression: str, place: str) -> bool:
    """Return whether an issue is told at a place: the element, its parent, or something inside it."""
    bare, wanted = expression.removesuffix("]").rstrip("0123456789").removesuffix("["), place
    if (
        expression == wanted
        or bare == wanted
        or wanted.startswith(expression + "[")
        or expression.startswith((wanted + ".", wanted + "["))
    ):
        return True
    return wanted.rpartition(".")[0] == expression
