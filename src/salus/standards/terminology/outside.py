"""What is wrong with a coding that is not in its value set, as its code system tells."""

from __future__ import annotations

from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import About, ValueSet
from salus.standards.terminology.displays import check_display_outside
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.membership import Checker
from salus.standards.terminology.question import Question, is_absolute
from salus.standards.terminology.standing import standing_of, standing_of_system, warning
from salus.standards.terminology.versioning import report_unknown_system
from salus.standards.terminology.versions import newest


def look_outside(
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
