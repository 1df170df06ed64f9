"""ValueSet/$validate-code and CodeSystem/$validate-code (R4; rules of the tx-ecosystem)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from salus.standards.terminology.asked import Asked, parameter, parameters
from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import About, CodeSystem, ValueSet, all_codes
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.defined import DefinedSystem
from salus.standards.terminology.designations import preferred
from salus.standards.terminology.displays import check_display, check_display_outside
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Issue, TerminologyRefused, Unanswerable, issue, outcome
from salus.standards.terminology.library import Definitions, Layers
from salus.standards.terminology.membership import Checker
from salus.standards.terminology.standing import standing_of, standing_of_system, warning
from salus.standards.terminology.versioning import report_unknown_system
from salus.standards.terminology.versions import join, newest

Mode = Literal["code", "coding", "codeableConcept"]
_PATHS: Mapping[Mode, str] = {"code": "", "coding": "Coding", "codeableConcept": "CodeableConcept"}
_NOT_TOLD = frozenset(
    {
        "CONCEPT_DEPRECATED_IN_VALUESET",
        "UNKNOWN_CODE_IN_FRAGMENT",
        "VALUESET_VALUE_MISMATCH_DEFAULT",
        "INACTIVE_DISPLAY_FOUND",
        "CODE_CASE_DIFFERENCE",
    }
)
_NOT_FOUND = frozenset(
    {"UNKNOWN_CODESYSTEM", "UNKNOWN_CODESYSTEM_VERSION", "UNKNOWN_CODESYSTEM_VERSION_NONE"}
)
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


def validate_in_value_set(inquiry: Inquiry, value_set: ValueSet | None = None) -> Json:
    """Answer ValueSet/$validate-code.

    Args:
        inquiry: the request.
        value_set: that of an instance; otherwise the request names or sends it.

    Raises:
        Unanswerable: an OperationOutcome is the answer.
    """
    asked = inquiry.asked
    chosen = value_set or named_value_set(inquiry)
    question = question_of(asked, of_system=False)
    inquiry.need(supplements_of(chosen))
    try:
        checker = Checker(chosen, inquiry)
        return _answer(question, checker, inquiry, is_own=False)
    except Unanswerable:
        raise
    except TerminologyRefused as error:
        return _refusal(error, question, inquiry)


def validate_in_system(inquiry: Inquiry, system: CodeSystem | None = None) -> Json:
    """Answer CodeSystem/$validate-code; arguments and errors as `validate_in_value_set`."""
    question = question_of(inquiry.asked, of_system=True)
    try:
        found = system or _named_system(question, inquiry)
        inquiry.refuse_missing_supplements()
        return _answer(question, Checker(all_codes(found.about), inquiry), inquiry, is_own=True)
    except Unanswerable:
        raise
    except TerminologyRefused as error:
        return _refusal(error, question, inquiry)


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


def _named_system(question: Question, inquiry: Inquiry) -> CodeSystem:
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


def _answer(question: Question, checker: Checker, inquiry: Inquiry, *, is_own: bool) -> Json:
    findings = Findings()
    if not is_own:
        checker.say_own_standing(findings)
    answers: list[tuple[Coded, bool | None]] = []
    has_nothing = False
    for position, row in enumerate(question.codings):
        path = _PATHS[question.mode] + (f".coding[{position}]" if question.mode == "codeableConcept" else "")
        coded = Coded(path, *(str(row.get(key, "")) for key in ("system", "version", "code", "display")))
        if not coded.code:
            _say_no_code(coded, findings)
            has_nothing = True
            break
        answer = checker.check(coded, findings)
        if answer:
            if coded.display and coded.names:
                check_display(coded, inquiry, findings)
        else:
            _look_outside(coded, answer, question, checker, inquiry, findings, is_own=is_own)
        answers.append((coded, answer))
    return _report(question, checker, inquiry, findings, answers, is_own=is_own, has_nothing=has_nothing)


def _say_no_code(coded: Coded, findings: Findings) -> None:
    message_id = "Coding_has_no_code" if coded.system else "Coding_has_no_system_or_code__cannot_validate"
    findings.add("warning", "invalid", "invalid-data", coded.path, message_id, system=coded.system)


def _look_outside(
    coded: Coded,
    answer: bool | None,
    question: Question,
    checker: Checker,
    inquiry: Inquiry,
    findings: Findings,
    *,
    is_own: bool,
) -> None:
    """Find out what is wrong with a coding that is not in the value set, by its code system."""
    if answer is False and question.mode == "codeableConcept" and not is_own:
        findings.add(
            "information",
            "code-invalid",
            "this-code-not-in-vs",
            coded.at("code"),
            "None_of_the_provided_codes_are_in_the_value_set_one",
            coded=coded.canonical,
            value_set=checker.value_set.canonical,
        )
    url = coded.inferred_system or coded.system
    if inquiry.asked.is_true("valueset-membership-only") or not url:
        return
    if not is_absolute(url):
        findings.add(
            "error",
            "invalid",
            "invalid-data",
            coded.at("system"),
            "Terminology_TX_System_Relative",
            system=url,
        )
    version = coded.version or _version_in(checker.value_set, url)
    system = inquiry.code_system(url, version)
    if system is None:
        _say_no_system(coded, url, version, inquiry, findings)
        return
    about = system.about
    _say_standing(about, checker, findings)
    concept = system.find(coded.code)
    if concept is None:
        _say_no_concept(coded, about, findings)
        return
    coded.language = coded.language or about.language
    coded.know(concept)
    coded.found_version = about.version
    if concept.is_inactive and not findings.is_inactive:
        findings.is_inactive = True
        findings.inactive_path, findings.inactive_code = coded.path, coded.code
        findings.status = concept.status
    if coded.display and coded.names:
        check_display_outside(coded, inquiry, findings)


def _version_in(value_set: ValueSet, url: str) -> str:
    """Return the newest version of a system that a value set names, "" for none."""
    stated = {
        str(one["version"])
        for one in value_set.compose.get("include", ())
        if one.get("system") == url and "version" in one
    }
    return newest(stated) or "" if stated else ""


def _say_no_system(coded: Coded, url: str, version: str, inquiry: Inquiry, findings: Findings) -> None:
    if inquiry.value_set(url) is not None:
        findings.add(
            "error",
            "invalid",
            "invalid-data",
            coded.at("system"),
            "Terminology_TX_System_ValueSet2",
            system=url,
        )
    elif inquiry.library.is_supplement(url):
        findings.add(
            "error", "invalid", "invalid-data", coded.at("system"), "CODESYSTEM_CS_NO_SUPPLEMENT", system=url
        )
    else:
        report_unknown_system(coded, url, inquiry.version_for(url, version), inquiry, findings)


def _say_no_concept(coded: Coded, about: About, findings: Findings) -> None:
    if about.content == "complete":
        message_id = "Unknown_Code_in_Version" if about.version else "Unknown_Code_in"
        findings.add(
            "error",
            "code-invalid",
            "invalid-code",
            coded.at("code"),
            message_id,
            code=coded.code,
            system=about.url,
            version=about.version,
        )
    else:
        findings.add(
            "warning",
            "code-invalid",
            "invalid-code",
            coded.at("code"),
            "UNKNOWN_CODE_IN_FRAGMENT",
            system=about.canonical,
            code=coded.code,
        )


def _say_standing(about: About, checker: Checker, findings: Findings) -> None:
    of = standing_of_system(about)
    word = warning(of, standing_of(checker.value_set.resource))
    if word:
        findings.add(
            "information",
            "business-rule",
            "status-check",
            "",
            f"MSG_{word.upper()}",
            canonical=of.canonical,
            kind=of.kind,
        )


def _report(
    question: Question,
    checker: Checker,
    inquiry: Inquiry,
    findings: Findings,
    answers: list[tuple[Coded, bool | None]],
    *,
    is_own: bool,
    has_nothing: bool,
) -> Json:
    is_concept = question.mode == "codeableConcept"
    matched = next((coded for coded, answer in answers if answer), None)
    ok: bool | None = True if matched else (None if any(answer is None for _, answer in answers) else False)
    if is_concept and matched:
        _soften(answers, findings)
    quiet = (has_nothing and (not is_concept or is_own)) or (is_own and findings.has_errors())
    if ok is False and not quiet:
        _say_not_in_set(question, checker, findings, answers)
    is_valid = ok is True and not findings.has_errors()
    shown = matched or (answers[0][0] if answers and not is_concept else None)
    rows = [parameter("result", "valueBoolean", is_valid)]
    rows += [
        parameter("x-unknown-system" if ok is False else "x-caused-by-unknown-system", "valueCanonical", one)
        for one in findings.unknown
        if not is_valid
    ]
    if findings.normal_code:
        rows.append(parameter("normalized-code", "valueCode", findings.normal_code))
    if shown is not None:
        rows += _about_code(shown, inquiry, is_matched=matched is not None)
    elif has_nothing and not is_concept and question.codings:
        rows += [
            parameter(key, f"value{kind}", question.codings[0][key])
            for key, kind in (("system", "Uri"),)
            if question.codings[0].get(key)
        ]
    rows += _about_status(question, findings, shown)
    told = [one.text for one in findings.issues if _is_told(one)]
    if told:
        rows.append(parameter("message", "valueString", "; ".join(sorted(set(told)))))
    if is_concept:
        rows.append(parameter("codeableConcept", "valueCodeableConcept", question.concept))
    if findings.issues:
        rows.append({"name": "issues", "resource": outcome(findings.issues)})
    return parameters(rows)


def _soften(answers: list[tuple[Coded, bool | None]], findings: Findings) -> None:
    """Make a warning of an unknown system, where another coding is in the value set."""
    places = {coded.at("system"): coded for coded, answer in answers if not answer}
    for position, one in enumerate(findings.issues):
        if one.severity == "error" and one.message_id in _NOT_FOUND and one.where in places:
            findings.issues[position] = issue(
                "warning",
                one.code,
                one.kind,
                one.where,
                "UNKNOWN_CODESYSTEM_CODING_NOT_CHECKED",
                system=join(places[one.where].system, places[one.where].version),
            )


def _say_not_in_set(
    question: Question, checker: Checker, findings: Findings, answers: list[tuple[Coded, bool | None]]
) -> None:
    name = checker.value_set.canonical
    if question.mode == "codeableConcept":
        findings.add("error", "code-invalid", "not-in-vs", "", "TX_GENERAL_CC_ERROR_MESSAGE", value_set=name)
        return
    where = answers[0][0].at("code") if answers else "code"
    coded = ", ".join(one.canonical for one, _ in answers)
    findings.add(
        "error",
        "code-invalid",
        "not-in-vs",
        where,
        "None_of_the_provided_codes_are_in_the_value_set_one",
        coded=coded,
        value_set=name,
    )


def _is_told(one: Issue) -> bool:
    """Return whether a finding is part of the message; what is only to be known is not."""
    if one.severity == "error":
        return True
    return (
        one.kind in ("invalid-display", "invalid-data", "code-comment", "not-found")
        and one.message_id not in _NOT_TOLD
    )


def _about_code(coded: Coded, inquiry: Inquiry, *, is_matched: bool) -> list[Json]:
    rows = [parameter("code", "valueCode", coded.code)]
    system = coded.system or (coded.inferred_system if is_matched else "")
    if system:
        rows.append(parameter("system", "valueUri", system))
    version = coded.found_version or ("" if is_matched else coded.version)
    if version:
        rows.append(parameter("version", "valueString", version))
    best = preferred(coded.names, inquiry.asked.languages()) or preferred(coded.names, ())
    if best is not None:
        rows.append(parameter("display", "valueString", best.value))
    return rows


def _about_status(question: Question, findings: Findings, shown: Coded | None) -> list[Json]:
    rows: list[Json] = []
    if findings.is_inactive:
        if question.mode != "codeableConcept" or (shown is not None and shown.path == findings.inactive_path):
            rows.append(parameter("inactive", "valueBoolean", True))
            if findings.status and findings.status != "inactive":
                rows.append(parameter("status", "valueCode", findings.status))
        findings.add(
            "warning",
            "business-rule",
            "code-comment",
            findings.inactive_path or "code",
            "INACTIVE_CONCEPT_FOUND",
            code=findings.inactive_code,
            status=findings.status or "inactive",
        )
    elif findings.status.lower() == "deprecated":
        rows.append(parameter("status", "valueCode", "deprecated"))
        findings.add(
            "warning",
            "business-rule",
            "code-comment",
            _PATHS[question.mode] or "code",
            "DEPRECATED_CONCEPT_FOUND",
            code=findings.inactive_code,
        )
    return rows


def _refusal(error: TerminologyRefused, question: Question, inquiry: Inquiry) -> Json:
    """Answer that nothing could be checked, and why."""
    issues = [error.finding, *error.more]
    rows = [
        {"name": "issues", "resource": outcome(issues)},
        parameter("result", "valueBoolean", False),
        parameter("message", "valueString", error.message),
    ]
    if question.mode == "codeableConcept":
        rows.append(parameter("codeableConcept", "valueCodeableConcept", question.concept))
    else:
        coding = question.codings[0]
        system = inquiry.code_system(str(coding.get("system", "")), "", ruled=False)
        known = {"version": system.about.version} if system and system.about.version else {}
        for key, kind in (("system", "valueUri"), ("version", "valueString"), ("code", "valueCode")):
            if {**known, **coding}.get(key):
                rows.append(parameter(key, kind, {**known, **coding}[key]))
    if error.unknown:
        rows.append(parameter("x-caused-by-unknown-system", "valueCanonical", error.unknown))
    return parameters(rows)
