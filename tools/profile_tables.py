"""Derive the shipped rules of the six priority categories from the CC0 guides; `python -m
tools.profile_tables DIR`.

DIR holds the packages (.tgz). Kept are facts: elements, cardinalities, types, fixed and pattern values,
invariants,
and the codes of bound value sets whose code system may be passed on (`ALLOWED`); no text of the guides.
What is bound
to another code system says which package it needs. A second run writes the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from salus.standards.fhir.model import value_set_codes
from salus.standards.fhir.packages.archive import manifest_of, members
from salus.standards.fhir.packages.definitions import Definition, Library, definition_of_json
from salus.standards.fhir.packages.manifest import Manifest
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.facts import Profile, Rules
from salus.standards.fhir.profiles.shelf import complete_beginnings
from salus.standards.fhir.profiles.tables import LAYOUT, Tables, TableShelf, tables_of
from salus.standards.fhir.profiles.terminology import Content, DefinedTerminology
from salus.standards.fhir.profiles.vital_signs import implied_profiles

Json = dict[str, Any]  # Any: FHIR JSON
OUT = Path(__file__).resolve().parent.parent / "src/salus/standards/fhir/profiles"

GUIDES = (
    "hl7.fhir.eu.base",
    "hl7.fhir.eu.eps",
    "hl7.fhir.eu.extensions.r4",
    "hl7.fhir.eu.hdr",
    "hl7.fhir.eu.imaging",
    "hl7.fhir.eu.laboratory",
    "hl7.fhir.eu.mpd",
    "hl7.fhir.uv.ips",
)
"""Every profile of these is kept; all are CC0-1.0."""

REACHED = ("hl7.fhir.r4.core", "hl7.fhir.uv.extensions.r4", "hl7.terminology.r4", "hl7.fhir.uv.ipa")
"""Of these, CC0-1.0 too, only what those lead to."""

ALLOWED = (
    "http://loinc.org",
    "http://hl7.org/fhir/",
    "http://hl7.eu/fhir/",
    "http://terminology.hl7.org/",
    "http://unitsofmeasure.org",
)
"""Beginnings of code systems whose codes may be passed on: HL7's own (CC0), LOINC and UCUM (free, with
notice).
"""


def packages_in(folder: Path) -> Iterator[tuple[Manifest, Path]]:
    """Yield the packages that are used, sorted by name."""
    for path in sorted(folder.glob("*.tgz")):
        manifest = manifest_of(path.read_bytes())
        if manifest.name in GUIDES or manifest.name in REACHED:
            yield manifest, path


def library_of(found: Iterable[tuple[Manifest, Path]]) -> Library:
    """Return the definitions of packages."""
    library = Library()
    for manifest, path in found:
        with path.open("rb") as archive:
            for member in members(archive):
                definition = definition_of_json(member.body, manifest.label)
                if definition is not None and "/example/" not in member.path:
                    library.add(definition)
    return library


def kept_profiles(library: Library, book: Book) -> dict[str, Profile]:
    """Return the profiles of the guides, those of vital signs, and those that they lead to, by address."""
    open_ = [
        one.url for one in library.every("StructureDefinition") if one.package.partition("#")[0] in GUIDES
    ]
    open_ += implied_profiles()
    kept: dict[str, Profile] = {}
    while open_:
        canonical = open_.pop()
        url = canonical.partition("|")[0].partition("#")[0]
        profile = book.find(url) if url not in kept else None
        if profile is not None:
            kept[url] = profile
            open_ += [*profile.imposes, *_named(profile.rules)]
    return dict(sorted(kept.items()))


def _named(rules: Rules) -> Iterator[str]:
    for kind in rules.types:
        yield from kind.profiles
        yield from kind.targets
    for below in (*rules.children.values(), *rules.slices.values()):
        yield from _named(below)


def bound_value_sets(profiles: Iterable[Profile]) -> set[str]:
    """Return the value sets that errors and warnings depend on."""
    found: set[str] = set()
    for profile in profiles:
        _bound(profile.rules, found)
    return found


def _bound(rules: Rules, found: set[str]) -> None:
    if rules.binding is not None:
        if rules.binding.strength in ("required", "extensible"):
            found.add(rules.binding.value_set.partition("|")[0])
        found.add(rules.binding.largest.partition("|")[0])
    for below in (*rules.children.values(), *rules.slices.values()):
        _bound(below, found)


def value_set_row(definition: Definition, content: Content) -> Json:
    """Return a value set with the codes that may be passed on, and what is needed for the others."""
    needs = f"the package {definition.package}"
    include: list[Json] = []
    for system, codes in sorted(content.codes.items()):
        if system.startswith(ALLOWED):
            include.append({"system": system, "codes": sorted(codes)})
        else:
            include.append({"system": system, "needs": needs})
    include += [{"system": system, "needs": reason} for system, reason in sorted(content.open.items())]
    if content.whole:
        include.append({"needs": content.whole})
    return {"url": definition.url, "version": definition.version, "compose": {"include": include}}


def shipped(library: Library, labels: Iterable[str]) -> Tables:
    """Return the tables to ship."""
    shelf = TableShelf(tables_of(library))
    profiles = kept_profiles(library, Book(shelf))
    terminology = DefinedTerminology(shelf.value_set, shelf.code_system)
    value_sets: dict[str, dict[str, msgspec.Raw]] = {}
    for url in sorted(bound_value_sets(profiles.values())):
        definition = library.find("ValueSet", url) if url else None
        if definition is None or (definition.package.startswith("hl7.fhir.r4.core") and value_set_codes(url)):
            continue
        row = value_set_row(definition, terminology.content(url))
        value_sets[url] = {definition.version: msgspec.Raw(msgspec.json.encode(row))}
    guides = [one for one in library.every("StructureDefinition") if one.package.partition("#")[0] in GUIDES]
    return Tables(
        layout=LAYOUT,
        packages=tuple(labels),
        profiles={url: {one.version: msgspec.Raw(msgspec.json.encode(one))} for url, one in profiles.items()},
        value_sets=value_sets,
        code_systems={},
        complete=tuple(sorted(set(complete_beginnings(guides)))),
    )


def written(tables: Tables) -> bytes:
    """Return the tables as JSON, a row a line, so that a change of a guide shows in a diff."""
    dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    head = {"layout": tables.layout, "packages": tables.packages, "complete": tables.complete}
    parts = [dump(head)[1:-1]]
    for name in ("profiles", "value_sets", "code_systems"):
        rows = getattr(tables, name)
        lines = [
            f"{dump(url)}:{{"
            + ",".join(f"{dump(version)}:{bytes(raw).decode()}" for version, raw in versions.items())
            + "}"
            for url, versions in rows.items()
        ]
        parts.append(f"{dump(name)}:{{\n" + ",\n".join(lines) + "\n}")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def provenance(found: list[tuple[Manifest, Path]], tables: Tables, body: bytes) -> str:
    """Return PROVENANCE.md."""
    packages = "\n".join(
        f"| {manifest.label} | {manifest.license or 'CC0-1.0 (stated in the guide)'} | "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} |"
        for manifest, path in found
    )
    systems = sorted(
        {
            row["system"]
            for versions in tables.value_sets.values()
            for raw in versions.values()
            for row in msgspec.json.decode(raw)["compose"]["include"]
            if "codes" in row
        }
    )
    listed = "\n".join(f"- {system}" for system in systems)
    return f"""# Where shipped.json comes from
Written by `tools/profile_tables.py` (`make profile-tables PACKAGES=DIR`); a second run writes the same
bytes. Do not edit
by hand. Only facts are kept: elements, cardinalities, types, flags, fixed and pattern values, codes,
FHIRPath expressions
and addresses; no titles, descriptions, definitions or comments of the guides.

{len(tables.profiles)} profiles and extensions, {len(tables.value_sets)} value sets, {len(body)} bytes.

| package | licence | SHA-256 of the .tgz |
|---|---|---|
{packages}

The packages were compiled from the guides' sources with SUSHI 3.21.0; they are not the official publications.
Not taken: ihe.pharm.mpd.r4 (CC-BY-SA-4.0) and hl7.fhir.uv.xver-r5.r4 (a preview without a licence file);
what needs them
is told as "Not checked".

## Code systems
Codes of value sets are kept of these systems only: HL7's own (CC0-1.0), LOINC (LOINC codes are copyright of
Regenstrief
Institute, Inc. and used under the LOINC license, https://loinc.org/license) and UCUM (copyright of
Regenstrief Institute,
Inc., https://ucum.org/license). Sets of SNOMED CT, ISO, EDQM, ATC, DICOM and others name the package that
holds them.

{listed}
"""


def main() -> None:
    """Read the packages, derive the tables, write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", type=Path, help="folder with the packages (.tgz)")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    found = list(packages_in(arguments.packages))
    tables = shipped(library_of(found), [manifest.label for manifest, _ in found])
    body = written(tables)
    (arguments.out / "shipped.json").write_bytes(body)
    (arguments.out / "PROVENANCE.md").write_text(provenance(found, tables, body), encoding="utf-8")
    print(f"{len(tables.profiles)} profiles, {len(tables.value_sets)} value sets, {len(body)} bytes")


if __name__ == "__main__":
    main()
