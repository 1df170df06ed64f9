"""Snapshots out of differentials; the oracle is the core package's own snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salus.standards.fhir.packages.archive import members
from salus.standards.fhir.packages.definitions import Library, definition_of_json
from salus.standards.fhir.profiles.snapshot import Snapshots
from salus.standards.fhir.profiles.tree import ids_of, rows

_FACTS = ("min", "max", "type", "binding", "mustSupport")

# Where the R4 publisher's snapshots are odd; ours says what the differential says.
EXPLAINED_OF_CORE = {
    "bp": "value[x] of a component laid open without its slice, which 11 sister profiles have",
    "cholesterol": "the constraints of SimpleQuantity are left out at referenceRange",
    "hdlcholesterol": "the same",
    "ldlcholesterol": "the same",
    "provenance-relevant-history": "a slice keeps the binding that the profile has just changed",
    "catalog": "Composition.date is dropped beside its only slice",
    "elementdefinition-de": "two extensions are laid open of which the differential says nothing below",
    "familymemberhistory-genetic": "elements of the base are lost after a sliced one",
}


def library_of(folder: Path, *names: str) -> Library:
    library = Library()
    for path in sorted(folder.glob("*.tgz")):
        if not names or path.name.startswith(names):
            with path.open("rb") as archive:
                for member in members(archive):
                    found = definition_of_json(member.body, path.stem)
                    if found is not None and "/example/" not in member.path:
                        library.add(found)
    return library


def differences(library: Library, content: dict[str, Any]) -> list[str]:
    """Return the elements that differ between a definition's own snapshot and the one made of its
    differential.
    """
    own = dict(ids_of(content["snapshot"]))
    made = {element["id"]: element for element in Snapshots(library).snapshot(content)}
    found = list(own.keys() ^ made.keys())
    found += [
        f"{identity} {key}"
        for identity in own.keys() & made.keys()
        for key in (*_FACTS, "slicing", "constraint", "value")
        if facts_of(own[identity], key) != facts_of(made[identity], key)
    ]
    return found


def facts_of(element: dict[str, Any], key: str) -> object:
    if key == "constraint":
        return {row["key"] for row in element.get("constraint", ())}
    if key == "value":
        return {name: one for name, one in element.items() if name.startswith(("fixed", "pattern"))}
    if key == "slicing":
        row = element.get("slicing")
        return row and (row.get("rules"), row.get("discriminator"))
    return element.get(key)


def constraints_of(library: Library, *packages: str) -> list[dict[str, Any]]:
    found = [
        one for one in library.all("StructureDefinition") if not packages or one.package.startswith(packages)
    ]
    contents = [one.content() for one in found]
    return [
        one
        for one in contents
        if one.get("derivation") == "constraint" and "snapshot" in one and "differential" in one
    ]


@pytest.fixture(scope="module")
def core() -> Library:
    folder = Path(__file__).resolve().parents[6] / "shared" / "fhir-packages"
    if not folder.is_dir():
        pytest.skip("needs ../shared (real data and public suites), which is not here")
    return library_of(folder, "hl7.fhir.r4.core")


def test_the_core_packages_own_snapshots_are_made_again(core):
    contents = constraints_of(core)
    differ = {one["url"].rpartition("/")[2] for one in contents if differences(core, one)}
    assert len(contents) == 439
    assert differ == set(EXPLAINED_OF_CORE)


def test_a_type_can_be_taken_from_the_shipped_tables(core):
    """Without the core package the snapshot of a type has the same elements."""
    for name in ("Patient", "Observation", "Composition", "Bundle", "HumanName", "Timing"):
        url = f"http://hl7.org/fhir/StructureDefinition/{name}"
        definition = core.find("StructureDefinition", url)
        assert definition is not None
        own = [identity for identity, _ in ids_of(definition.content()["snapshot"])]
        shipped = Snapshots(Library()).tree(url)
        assert [row["id"] for row in rows(shipped, name)] == own


# The European packages' snapshots are SUSHI's, no oracle. None of these differences changes a verdict.
EXPLAINED_OF_EUROPE = {
    "Address-eu": "its extensions of a primitive (line) are laid open though nothing is said below",
    "composition-eu-core": "the same of the extension diagnosticReport",
    "service-request-order-obligation-eu-imaging": "value[x] spelled with its type, not as a slice",
    "DocumentReferenceKeyImageEuImaging": "an extension that is a slice is sliced again without saying how",
}


def test_the_snapshots_of_the_european_packages_are_made_again(core):
    library = library_of(Path(__file__).resolve().parents[6] / "shared" / "fhir-packages")
    contents = constraints_of(library, "hl7.fhir.eu.", "hl7.fhir.uv.ips")
    differ = {one["url"].rpartition("/")[2]: differences(library, one) for one in contents}
    assert len(contents) >= 170
    assert {name for name, found in differ.items() if found} == set(EXPLAINED_OF_EUROPE)
