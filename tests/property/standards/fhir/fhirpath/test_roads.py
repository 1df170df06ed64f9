"""On real examples, each rule and search parameter of R4 gives one answer on both roads."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.fhirpath.navigate import children
from salus.standards.fhir.fhirpath.values import Node
from salus.standards.fhir.model import ancestors, invariants_of, resource_types, search_parameters

PACKAGES = Path(__file__).resolve().parents[6] / "shared" / "fhir-packages"
pytestmark = pytest.mark.skipif(
    not PACKAGES.is_dir(), reason=f"needs ../shared ({PACKAGES.parent.name}/{PACKAGES.name})"
)
EXAMPLES_MAX = 120


def examples() -> Iterator[dict[str, Any]]:
    for path in sorted(PACKAGES.glob("hl7.fhir.uv.ips*.tgz")) + sorted(PACKAGES.glob("hl7.fhir.eu.lab*.tgz")):
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.name.endswith(".json") else None
                if stream is None or member.size > 100_000:
                    continue
                try:
                    resource = parse_json(stream.read(), Limits())
                except MalformedContent:
                    continue
                if resource.get("resourceType") in resource_types():
                    yield resource


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from nodes(child)


def answers(text: str, type_name: str, value: dict[str, Any], environment: Environment) -> tuple[Any, Any]:
    expression = compile_expression(text, type_name, filtering_as=True)
    general = msgspec.structs.replace(expression, direct=None)
    return expression.typed(value, environment), general.typed(value, environment)


def test_invariants_and_search_parameters_agree():
    compared = 0
    for _, resource in zip(range(EXAMPLES_MAX), examples(), strict=False):
        root = Node(resource, resource["resourceType"])
        environment = Environment(resource=resource, root=resource)
        for node in nodes(root):
            for rule in invariants_of(node.type) if isinstance(node.value, dict) else ():
                if rule.key != "dom-3":
                    fast, slow = answers(rule.expression, node.type, node.value, environment)
                    assert fast == slow, (rule.key, node.location)
                    compared += 1
        for parameter in search_parameters():
            if parameter.expression and set(ancestors(root.type)) & set(parameter.base):
                stubs = Environment(reference_stubs=True)
                fast, slow = answers(parameter.expression, root.type, resource, stubs)
                assert fast == slow, parameter.url
                compared += 1
    assert compared > 5_000
