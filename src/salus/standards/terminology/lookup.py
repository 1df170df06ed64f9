"""CodeSystem/$lookup (R4): what is known of a code; the unknown one is reported, never guessed."""

from __future__ import annotations

from collections.abc import Iterator

from salus.standards.terminology.asked import parameter
from salus.standards.terminology.codesystem import CodeSystem
from salus.standards.terminology.concepts import Concept, Designation, Json
from salus.standards.terminology.contains import DISPLAY_USE
from salus.standards.terminology.designations import preferred
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Unanswerable, issue

CHILDREN_MAX = 500
"""Most codes beneath one that are listed."""


def lookup(inquiry: Inquiry, system: CodeSystem | None = None) -> Json:
    """Answer $lookup.

    Args:
        inquiry: the request.
        system: that of an instance; otherwise the request names it.

    Raises:
        Unanswerable: code or system are not known here, or not stated.
    """
    asked = inquiry.asked
    coding = asked.part("coding") or {}
    url = asked.text("system") or str(coding.get("system", ""))
    code = asked.text("code") or str(coding.get("code", ""))
    if not code or not (url or system):
        raise Unanswerable(issue("error", "invalid", "", "", "NOT_STATED"), status=400)
    version = asked.text("version") or str(coding.get("version", ""))
    found = system or known_system(inquiry, url, version)
    inquiry.refuse_missing_supplements()
    concept = found.find(code)
    if concept is None:
        raise Unanswerable(
            issue(
                "error",
                "not-found",
                "invalid-code",
                "code",
                "Unknown_Code_in_Version" if found.about.version else "Unknown_Code_in",
                code=code,
                system=found.about.url,
                version=found.about.version,
            ),
            status=404,
        )
    return {"resourceType": "Parameters", "parameter": list(_rows(inquiry, found, concept))}


def known_system(inquiry: Inquiry, url: str, version: str) -> CodeSystem:
    """Return a code system that a request names.

    Raises:
        Unanswerable: it, or this version, is not at hand.
    """
    found = inquiry.code_system(url, version)
    if found is None:
        known = sorted(one for one in inquiry.library.versions(url) if one)
        message_id = "UNKNOWN_CODESYSTEM"
        if version:
            message_id = "UNKNOWN_CODESYSTEM_VERSION" if known else "UNKNOWN_CODESYSTEM_VERSION_NONE"
        finding = issue(
            "error",
            "not-found",
            "not-found",
            "system",
            message_id,
            system=url,
            version=version,
            known=", ".join(known),
        )
        raise Unanswerable(finding, status=404 if not known else 422)
    return found


def _rows(inquiry: Inquiry, system: CodeSystem, concept: Concept) -> Iterator[Json]:
    about, asked = system.about, inquiry.asked
    wanted = {str(one) for one in asked.all("property")}
    languages = asked.languages()
    best = preferred(concept.designations, languages) or preferred(concept.designations, ())

    def is_asked(name: str) -> bool:
        return not wanted or "*" in wanted or name in wanted

    yield parameter("name", "valueString", about.name or about.title or about.url)
    yield parameter("code", "valueCode", concept.code)
    yield parameter("system", "valueUri", about.url)
    if about.version:
        yield parameter("version", "valueString", about.version)
    if best is not None or concept.display:
        yield parameter("display", "valueString", best.value if best else concept.display)
    if concept.definition:
        yield parameter("definition", "valueString", concept.definition)
    yield parameter("abstract", "valueBoolean", concept.is_abstract)
    if is_asked("designation"):
        yield from map(_designation, concept.designations)
    yield from _properties(system, concept, is_asked, inquiry)
    for one in sorted({one.source for one in concept.designations if one.source} | set(about.supplements)):
        yield parameter("used-supplement", "valueCanonical", one)


def _designation(name: Designation) -> Json:
    parts = []
    if name.language:
        parts.append(parameter("language", "valueCode", name.language))
    use = DISPLAY_USE if name.is_display else name.use
    if use is not None:
        parts.append(parameter("use", "valueCoding", use))
    if name.source:
        parts.append(parameter("source", "valueCanonical", name.source))
    parts.append(parameter("value", "valueString", name.value))
    return {"name": "designation", "part": parts}


def _properties(system: CodeSystem, concept: Concept, is_asked: object, inquiry: Inquiry) -> Iterator[Json]:
    assert callable(is_asked)
    if is_asked("inactive") and not any(one.code == "inactive" for one in concept.properties):
        yield _property("inactive", "valueBoolean", concept.is_inactive)
    for one in concept.properties:
        if is_asked(one.code):
            yield _property(one.code, one.kind, one.value)
    for name, codes in (("parent", concept.parents), ("child", system.children(concept.code)[:CHILDREN_MAX])):
        if not is_asked(name) or any(one.code == name for one in concept.properties):
            continue
        for code in codes:
            inquiry.step()
            other = system.find(code)
            yield _property(name, "valueCode", code, other.display if other else "")


def _property(code: str, kind: str, value: object, description: str = "") -> Json:
    parts = [parameter("code", "valueCode", code), parameter("value", kind, value)]
    if description:
        parts.append(parameter("description", "valueString", description))
    return {"name": "property", "part": parts}
