"""What a $validate-code request wants checked, and against what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from salus.standards.terminology.asked import Asked
from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.defined import DefinedSystem
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import TerminologyRefused, Unanswerable, issue
from salus.standards.terminology.library import Definitions, Layers
from salus.standards.terminology.versioning import report_unknown_system
from salus.standards.terminology.versions import join

Mode = Literal["code", "coding", "codeableConcept"]
PATHS: Mapping[Mode, str] = {"code": "", "coding": "Coding", "codeableConcept": "CodeableConcept"}
CODINGS_MAX = 100


class Question(msgspec.Struct, frozen=True):
    """What is to be checked: the codings, and how they were given."""

    mode: Mode
    codings: tuple[Json, ...]
    concept: Json


def question_of(asked: Asked, *, of_system: bool) -> Question:
    """Return what a request wants checked.

    Raises:
        Unanswerable: it names no code, or none with a system.
    """
    concept, coding = asked.part("codeableConcept"), asked.part("coding")
    if concept is not None:
        return Question("codeableConcept", tuple(concept.get("coding", ())[:CODINGS_MAX]), concept)
    if coding is not None:
        return Question("coding", (coding,), {})
    code = asked.text("code")
    system = (asked.text("url") or asked.text("system")) if of_system else asked.text("system")
    version = asked.text("version" if of_system else "systemVersion")
    if not code or not (system or asked.is_true("inferSystem") or (of_system and asked.has("codeSystem"))):
        raise Unanswerable(issue("error", "invalid", "", "", "NOT_STATED"), status=400 if of_system else 422)
    row = {"system": system, "version": version, "code": code, "display": asked.text("display")}
    return Question("code", ({key: value for key, value in row.items() if value},), {})


def supplements_of(value_set: ValueSet) -> list[str]:
    """Return the supplements that a value set needs."""
    rows = (*value_set.resource.get("extension", ()), *value_set.compose.get("extension", ()))
    found = [one for one in rows if str(one.get("url", "")).endswith("/valueset-supplement")]
    return [str(one.get("valueCanonical") or one.get("valueUri") or one.get("valueString")) for one in found]


def named_value_set(inquiry: Inquiry) -> ValueSet:
    """Return the value set that a request sends or names.

    Raises:
        Unanswerable: it names none, or one that is not at hand.
    """
    asked = inquiry.asked
    sent = asked.part("valueSet")
    if sent is not None:
        return ValueSet(sent)
    url = asked.text("url")
    if not url:
        raise Unanswerable(issue("error", "invalid", "", "", "NOT_STATED"), status=400)
    stated = asked.text("valueSetVersion")
    wanted = inquiry.pinned(join(url, stated) if "|" not in url else url)
    found = inquiry.value_set(wanted)
    if found is None:
        raise Unanswerable(
            issue("error", "not-found", "not-found", "", "Unable_to_resolve_value_Set_", value_set=wanted)
        )
    return found


def named_system(question: Question, inquiry: Inquiry) -> CodeSystem:
    """Return the code system that a request sends or names.

    Raises:
        TerminologyRefused: it names none, or one that is not at hand; the answer says so.
    """
    asked = inquiry.asked
    sent = asked.part("codeSystem")
    if sent is not None:
        inquiry.library = Layers([Definitions([sent]), inquiry.library])
        return DefinedSystem(sent)
    coding = question.codings[0] if question.codings else {}
    url = asked.text("url") or str(coding.get("system", ""))
    path = {"code": "", "coding": "Coding", "codeableConcept": "CodeableConcept.coding[0]"}[question.mode]
    where = f"{path}.system" if path else "system"
    if not url:
        raise TerminologyRefused(
            issue("warning", "invalid", "invalid-data", path, "Coding_has_no_system__cannot_validate")
        )
    version = asked.text("version") or ("" if asked.text("url") else str(coding.get("version", "")))
    found = inquiry.code_system(url, version)
    if found is not None:
        return found
    if inquiry.value_set(url) is not None:
        raise TerminologyRefused(
            issue("error", "invalid", "invalid-data", where, "Terminology_TX_System_ValueSet2", system=url)
        )
    if inquiry.library.is_supplement(url):
        raise TerminologyRefused(
            issue("error", "invalid", "invalid-data", where, "CODESYSTEM_CS_NO_SUPPLEMENT", system=url)
        )
    findings = Findings()
    coded = Coded(path, url, version, "", "")
    report_unknown_system(coded, url, inquiry.version_for(url, version), inquiry, findings)
    if not is_absolute(url):
        findings.add("error", "invalid", "invalid-data", where, "Terminology_TX_System_Relative", system=url)
    raise TerminologyRefused(
        findings.issues[0], unknown=next(iter(findings.unknown), ""), more=findings.issues[1:]
    )


def is_absolute(url: str) -> bool:
    """Return whether a system is an absolute address."""
    return url.startswith(("urn:", "http://", "https://", "file:", "oid:")) or "://" in url
