"""ValueSet/$validate-code and CodeSystem/$validate-code (R4; rules of the tx-ecosystem)."""

from __future__ import annotations

from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import CodeSystem, ValueSet, all_codes
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.displays import check_display
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import TerminologyRefused, Unanswerable
from salus.standards.terminology.membership import Checker
from salus.standards.terminology.outside import look_outside
from salus.standards.terminology.question import (
    PATHS,
    Question,
    named_system,
    named_value_set,
    question_of,
    supplements_of,
)
from salus.standards.terminology.report import refusal, report


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
        return refusal(error, question, inquiry)


def validate_in_system(inquiry: Inquiry, system: CodeSystem | None = None) -> Json:
    """Answer CodeSystem/$validate-code; arguments and errors as `validate_in_value_set`."""
    question = question_of(inquiry.asked, of_system=True)
    try:
        found = system or named_system(question, inquiry)
        inquiry.refuse_missing_supplements()
        return _answer(question, Checker(all_codes(found.about), inquiry), inquiry, is_own=True)
    except Unanswerable:
        raise
    except TerminologyRefused as error:
        return refusal(error, question, inquiry)


def _answer(question: Question, checker: Checker, inquiry: Inquiry, *, is_own: bool) -> Json:
    findings = Findings()
    if not is_own:
        checker.say_own_standing(findings)
    answers: list[tuple[Coded, bool | None]] = []
    has_nothing = False
    for position, row in enumerate(question.codings):
        path = PATHS[question.mode] + (f".coding[{position}]" if question.mode == "codeableConcept" else "")
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
            look_outside(coded, answer, question, checker, inquiry, findings, is_own=is_own)
        answers.append((coded, answer))
    return report(question, checker, inquiry, findings, answers, is_own=is_own, has_nothing=has_nothing)


def _say_no_code(coded: Coded, findings: Findings) -> None:
    message_id = "Coding_has_no_code" if coded.system else "Coding_has_no_system_or_code__cannot_validate"
    findings.add("warning", "invalid", "invalid-data", coded.path, message_id, system=coded.system)
