"""Rules of R4's text that no StructureDefinition states, for elements wherever they stand.

R4: datatypes.html#Coding, bundle.html (search sets), searchparameter.html, questionnaireresponse.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from salus.standards.fhir.answers.questions import check_questionnaire
from salus.standards.fhir.answers.response import check_response
from salus.standards.fhir.model import properties, search_parameters
from salus.standards.fhir.profiles.bundles import check_bundle
from salus.standards.fhir.profiles.displays import check_display
from salus.standards.fhir.profiles.policy import Policy
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.profiles.structure_definitions import check_structure_definition
from salus.standards.fhir.validation.issue import Severity, Where, quote

NodeCheck = Callable[[dict[str, Any], Where, Run], None]  # Any: FHIR JSON
ValueCheck = Callable[[dict[str, Any], str, Where, Run], None]  # Any: FHIR JSON

_ADDRESSES = re.compile(r"https?://(?:[^/]+\.)?example\.(?:org|com)(?:[:/]|$)").match
_NAMES_AS_LINKS = re.compile(r"""\bhref\s*=\s*["']urn:""").search
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}").fullmatch
_TAG = re.compile(r"<[A-Za-z][^<>]*>").search
_MARKUP = re.compile(r"<[A-Za-z/!?]").search


def _coding(node: dict[str, Any], where: Where, run: Run) -> None:
    """A code system is named by an absolute address, and is no value set."""
    system = node.get("system")
    if type(system) is not str or not system:
        return
    if ":" not in system:
        message = f"A code system is named by an absolute address, not {quote(system)}; write it in full."
        run.add("error", "value", "coding-system", (where, "system", None), message)
    elif system.startswith(("http://hl7.org/fhir/ValueSet/", "http://terminology.hl7.org/ValueSet/")):
        message = f"{quote(system)} is a value set; name the code system that the code is from."
        run.add("error", "value", "coding-system", (where, "system", None), message)
    elif "display" in node:
        check_display(node, system, where, run)


def _reference(node: dict[str, Any], where: Where, run: Run) -> None:
    """A reference inside a Bundle by urn:uuid or urn:oid names an entry; nobody else knows what it means.

    Those of a document's Composition are checked with the document.
    """
    text = node.get("reference")
    if type(text) is not str or not run.around.is_bundle:
        return
    found = run.resolve(text)
    if found is not None:
        if text[:1] != "#":
            run.links.setdefault(id(run.container), set()).add(id(found[0]))
        return
    if run.around.is_document and run.resource.get("resourceType") == "Composition":
        return
    if text.startswith(("urn:uuid:", "urn:oid:")):
        is_document = run.around.is_document
        message = (
            f"No entry of the Bundle has the fullUrl {quote(text)}; add the entry or correct the reference."
        )
        severity: Severity = "error" if is_document else "warning"
        run.add(severity, "not-found", "reference-nowhere", where, message)
    elif run.around.is_document and _RELATIVE(text):
        message = f"{quote(text)} is not in the document; a reader cannot follow it. Add the entry."
        run.add("warning", "not-found", "reference-outside", where, message)


def _search_parameter(node: dict[str, Any], where: Where, run: Run) -> None:
    """A composite has components, at least two."""
    components = node.get("component")
    count = len(components) if type(components) is list else 0
    if node.get("type") == "composite" and count < 2:
        message = f"A composite search parameter has two components or more, this one {count}; add them."
        run.add("error", "structure", "composite-components", where, message)
    origin = next((one for one in search_parameters() if one.url == node.get("derivedFrom")), None)
    if origin is not None and node.get("type") != origin.type:
        message = f"{origin.url}, from which it is derived, is of type {origin.type}; give it the same type."
        run.add("error", "structure", "derived-type", (where, "type", None), message)


def _narrative(node: dict[str, Any], where: Where, run: Run) -> None:
    """A link of a narrative can be followed by a reader, which no urn: can."""
    text = node.get("div")
    if type(text) is str and "urn:" in text and _NAMES_AS_LINKS(text):
        message = "The narrative links to a urn:, which nobody can follow; link to #id or to an address."
        run.add("error", "value", "narrative-link", (where, "div", None), message)


def _response(node: dict[str, Any], where: Where, run: Run) -> None:
    """A response answers its questionnaire, if that is at hand."""
    canonical = node.get("questionnaire")
    found = run.resolve(canonical) if type(canonical) is str else None
    if found is not None and found[2] == "Questionnaire":
        check_response(node, found[0], where, run)


def asked_of_values(policy: Policy) -> ValueCheck | None:
    """Return the check of what a policy asks of every object's own values, None where it asks nothing."""
    if policy.example_addresses and policy.markup_in_markdown and policy.markup_in_strings:
        return None
    ask = _ADDRESSES, _MARKUP, _TAG

    def check(node: dict[str, Any], type_name: str, where: Where, run: Run) -> None:
        for key, prop in properties(type_name).items():
            value = node.get(key)
            code = prop.type.code
            if type(value) is not str:
                continue
            if not policy.example_addresses and code in ("uri", "url", "canonical") and ask[0](value):
                message = f"{quote(value)} is an address for examples; use a real one."
                run.add("error", "value", "example-address", (where, key, None), message)
            if not policy.markup_in_markdown and code == "markdown" and ask[1](value):
                message = "The markdown holds what looks like HTML; write it without, or escape the <."
                run.add("error", "value", "markup-in-markdown", (where, key, None), message)
            if not policy.markup_in_strings and code == "string" and ask[2](value):
                message = "The text holds HTML, which a reader might run; write it without."
                run.add("error", "value", "markup-in-string", (where, key, None), message)

    return check


EVERYWHERE: Mapping[str, NodeCheck] = {
    "Coding": _coding,
    "Reference": _reference,
    "Narrative": _narrative,
    "Bundle": check_bundle,
    "SearchParameter": _search_parameter,
    "Questionnaire": check_questionnaire,
    "QuestionnaireResponse": _response,
    "StructureDefinition": check_structure_definition,
}
"""What is checked of every node of a type."""
