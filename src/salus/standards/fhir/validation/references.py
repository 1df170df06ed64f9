"""Where references lead: to a type that the element allows, and inside the resource to what is there.

R4, references.html: literal references, contained resources (ref-1); bundle.html#references for entries.
"""

from __future__ import annotations

import re
from typing import Any

from salus.standards.fhir.model import resource_types
from salus.standards.fhir.validation.issue import Findings, Where, quote
from salus.standards.fhir.validation.values import Rule

_ID = r"[A-Za-z0-9\-.]{1,64}"
_RELATIVE = re.compile(rf"([A-Za-z]+)/{_ID}(?:/_history/{_ID})?(?:#.*)?").fullmatch
_CONDITIONAL = re.compile(r"([A-Za-z]+)\?.*").fullmatch
_RESTFUL = re.compile(rf"https?://[^?#]+/([A-Za-z]+)/{_ID}(?:/_history/{_ID})?(?:#.*)?").fullmatch
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.").match
_PATH = re.compile(r"[^\s/?#]+(?:/[^\s/?#]+){2,}").fullmatch
_BASE = "http://hl7.org/fhir/StructureDefinition/"


def reference_rule(target_profiles: tuple[str, ...]) -> Rule:
    """Return the rule for a Reference that has a literal `reference`; without targets any may follow."""
    targets = frozenset(target_profiles)
    known = targets or resource_types()
    allowed = ", ".join(target_profiles)

    def rule(node: dict[str, Any], where: Where, run: Findings) -> None:
        text = node["reference"]
        if type(text) is not str or not text:
            return
        match = _RELATIVE(text)
        if match is not None and match[1] in known:
            return
        if text[0] == "#" and len(text) > 1 and text[1:] not in run.contained_types():
            message = f"No contained resource has the id {quote(text[1:])}; add it or correct the reference."
            run.error("invariant", "ref-1", where, message)
            return
        found = _target_type(text, run)
        if found is None:
            if text[0] != "#" and _ABSOLUTE(text) is None:
                message = (
                    f"{quote(text)} refers to nothing; write Type/id, an absolute address, a urn:, "
                    "or #id of a contained resource."
                )
                # A server that is no FHIR server may have such addresses; a Bundle has none.
                is_possible = _PATH(text) is not None and not run.entries
                run.add("warning" if is_possible else "error", "value", "reference-form", where, message)
        elif found not in resource_types():
            message = f"{quote(found)} is not a resource type of FHIR R4; correct the reference."
            run.error("value", "reference-type-unknown", where, message)
        elif targets and found not in targets:
            message = f"A reference to {quote(found)} is not allowed here; refer to one of: {allowed}."
            run.error("value", "reference-target", where, message)

    return rule


def stated_type_rule(target_profiles: tuple[str, ...]) -> Rule:
    """Return the rule for a Reference that states the `type` of its target."""
    targets = frozenset(target_profiles)
    allowed = ", ".join(target_profiles)

    def rule(node: dict[str, Any], where: Where, run: Findings) -> None:
        stated, text = node["type"], node.get("reference")
        if type(stated) is not str or (stated := stated.removeprefix(_BASE)) not in resource_types():
            return
        if targets and stated not in targets:
            message = f"A reference to {stated} is not allowed here; refer to one of: {allowed}."
            run.error("value", "reference-target", where, message)
        found = _target_type(text, run) if type(text) is str and text else None
        if found in resource_types() and found != stated:
            message = f"type says {stated}, the reference leads to a {found}; make them agree."
            run.error("value", "reference-type-mismatch", where, message)

    return rule


def _target_type(text: str, run: Findings) -> str | None:
    """Return the type that a reference names, None where it names none."""
    if text == "#":
        return str(run.container.get("resourceType"))
    if text[:1] == "#":
        return run.contained_types().get(text[1:])
    if text in run.entries:
        return run.entries[text]
    match = _RELATIVE(text) or _CONDITIONAL(text)
    if match is not None:
        return match[1]
    match = _RESTFUL(text)
    return match[1] if match is not None and match[1] in resource_types() else None
