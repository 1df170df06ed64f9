"""The answer to $validate-code, put together from what was found out."""

from __future__ import annotations

from salus.standards.terminology.asked import parameter, parameters
from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.designations import preferred
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Issue, TerminologyRefused, issue, outcome
from salus.standards.terminology.membership import Checker
from salus.standards.terminology.question import PATHS, Question
from salus.standards.terminology.versions import join

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


def report(
    question: Question,
    checker: Checker,
    inquiry: Inquiry,
    findings: Findings,
    answers: list[tuple[Coded, bool | None]],
    *,
    is_own: bool,
    has_nothing: bool,
) -> Json:
    """Return the answer: what holds of the coding found right, else of the first, and all findings."""
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
            PATHS[question.mode] or "code",
            "DEPRECATED_CONCEPT_FOUND",
            code=findings.inactive_code,
        )
    return rows


def refusal(error: TerminologyRefused, question: Question, inquiry: Inquiry) -> Json:
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
