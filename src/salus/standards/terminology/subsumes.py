"""CodeSystem/$subsumes (R4): is one code beneath another?"""

from __future__ import annotations

from typing import Literal

from salus.standards.terminology.asked import parameter
from salus.standards.terminology.codesystem import CodeSystem
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Unanswerable, issue
from salus.standards.terminology.lookup import known_system

Relation = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]


def relation(system: CodeSystem, left: str, right: str) -> Relation:
    """Return how a code stands to another.

    Raises:
        Unanswerable: the system does not know one of them.
    """
    codes = []
    for code in (left, right):
        found = system.find(code)
        if found is None:
            finding = issue(
                "error",
                "not-found",
                "invalid-code",
                "",
                "Unknown_Code_in",
                code=code,
                system=system.about.url,
            )
            raise Unanswerable(finding, status=404)
        codes.append(found.code)
    if codes[0] == codes[1]:
        return "equivalent"
    if system.is_below(codes[1], codes[0]):
        return "subsumes"
    return "subsumed-by" if system.is_below(codes[0], codes[1]) else "not-subsumed"


def subsumes(inquiry: Inquiry, system: CodeSystem | None = None) -> Json:
    """Answer $subsumes; arguments and errors as `lookup`."""
    asked = inquiry.asked
    left, right = asked.part("codingA") or {}, asked.part("codingB") or {}
    url = asked.text("system") or str(left.get("system", ""))
    codes = [
        asked.text("codeA") or str(left.get("code", "")),
        asked.text("codeB") or str(right.get("code", "")),
    ]
    if not all(codes) or not (url or system) or (right and right.get("system", url) != url):
        raise Unanswerable(issue("error", "invalid", "", "", "NOT_STATED"), status=400)
    found = system or known_system(inquiry, url, asked.text("version") or str(left.get("version", "")))
    row = parameter("outcome", "valueCode", relation(found, *codes))
    return {"resourceType": "Parameters", "parameter": [row]}
