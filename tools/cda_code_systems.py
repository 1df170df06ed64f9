"""Derive the table of HL7's code systems by OID (CDA names them so, FHIR by URI) from CC0 packages.

`python tools/cda_code_systems.py PACKAGE.tgz...` with hl7.terminology.r4 and hl7.fhir.r4.core; the same
packages give the same bytes. An OID that two code systems claim is left out: which is meant is not known.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

OUT = Path(__file__).parent.parent / "src/salus/standards/cda/tables/hl7_code_systems.tsv"
_OID = "urn:oid:"


def _systems(package: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with tarfile.open(package) as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            content = archive.extractfile(member)
            if content is None or not (name.startswith("CodeSystem") and name.endswith(".json")):
                continue
            system = json.load(content)
            for identifier in system.get("identifier", ()):
                value = str(identifier.get("value", ""))
                if value.startswith(_OID) and "|" not in system["url"]:
                    found.setdefault(value.removeprefix(_OID), set()).add(system["url"])
    return found


def main(packages: list[str]) -> None:
    """Write the table."""
    merged: dict[str, set[str]] = {}
    for package in packages:
        for oid, urls in _systems(Path(package)).items():
            merged.setdefault(oid, set()).update(urls)
    rows = sorted((oid, *urls) for oid, urls in merged.items() if len(urls) == 1)
    OUT.write_text("".join(f"{oid}\t{url}\n" for oid, url in rows), encoding="utf-8")
    sys.stdout.write(f"{len(rows)} code systems\n")


if __name__ == "__main__":
    main(sys.argv[1:])
