"""JSON to XML and back gives the same resource, on every example of the shared packages."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml, write_xml
from salus.standards.fhir.model import resource_types

PACKAGES = Path(__file__).resolve().parents[6] / "shared" / "fhir-packages"
pytestmark = pytest.mark.skipif(
    not PACKAGES.is_dir(), reason=f"needs ../shared ({PACKAGES.parent.name}/{PACKAGES.name})"
)
BYTES_MAX = 60_000


def examples(archive: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with tarfile.open(archive) as members:
        for member in members:
            stream = members.extractfile(member) if member.name.endswith(".json") else None
            if stream is None or member.size > BYTES_MAX:
                continue
            try:
                resource = parse_json(stream.read(), Limits())
            except MalformedContent:
                continue
            if resource.get("resourceType") in resource_types():
                yield member.name, resource


def without_markup(value: Any) -> Any:
    """Narratives come back with other quotes and entities; what they say is compared in the unit tests."""
    if isinstance(value, dict):
        return {key: "" if key == "div" else without_markup(member) for key, member in value.items()}
    return [without_markup(member) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize("guide", ["hl7.fhir.eu.*.tgz", "hl7.fhir.uv.ip*.tgz", "ihe.*.tgz"])
def test_resources_come_back_as_they_were(guide):
    count = 0
    for archive in sorted(PACKAGES.glob(guide)):
        for name, resource in examples(archive):
            again = parse_xml(write_xml(resource), Limits())
            assert without_markup(again) == without_markup(resource), name
            assert write_xml(again) == write_xml(resource), name
            count += 1
    assert count
