"""By which version of a code system a coding is judged, and what is wrong where versions disagree."""

from __future__ import annotations

from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.versions import is_more_detailed, join, matches


def settle_version(coded: Coded, url: str, of_set: str, inquiry: Inquiry, findings: Findings) -> str:
    """Return the version to judge a coding by.

    Args:
        coded: the coding.
        url: of the code system.
        of_set: version that the value set states, "" for none.
        inquiry: the request.
        findings: are added to.
    """
    version = inquiry.version_for(url, of_set)
    stated = coded.version
    if not stated:
        return version
    if version and is_more_detailed(version, stated):
        version = stated
    if not version and any(matches(stated, one) for one in inquiry.library.versions(url) if one):
        version = stated
    system = inquiry.code_system(url, version)
    if system is None:
        if version != stated:
            findings.add(
                "error",
                "invalid",
                "vs-invalid",
                coded.at("version"),
                "VALUESET_VALUE_MISMATCH",
                system=url,
                version=version,
                stated=stated,
            )
        return version
    about = system.about
    if about.version == stated or matches(stated, about.version):
        return version
    if not version:
        findings.add(
            "error" if about.version_needed else "warning",
            "invalid",
            "vs-invalid",
            coded.at("version"),
            "VALUESET_VALUE_MISMATCH_DEFAULT",
            system=url,
            version=about.version,
            stated=stated,
        )
    elif version != of_set:
        findings.add(
            "error",
            "invalid",
            "vs-invalid",
            coded.at("version"),
            "VALUESET_VALUE_MISMATCH_CHANGED",
            system=url,
            version=version,
            stated=stated,
        )
    else:
        findings.add(
            "error",
            "invalid",
            "vs-invalid",
            coded.at("version"),
            "VALUESET_VALUE_MISMATCH",
            system=url,
            version=version,
            stated=stated,
        )
    if inquiry.code_system(url, stated, ruled=False) is None:
        findings.unknown[join(url, stated)] = None
        _say_unknown(coded, url, stated, inquiry, findings)
    return version


def report_unknown_system(coded: Coded, url: str, version: str, inquiry: Inquiry, findings: Findings) -> None:
    """Note that a code system, or a version of it, is not at hand; once for each."""
    known = [one for one in inquiry.library.versions(url) if one]
    name = join(url, version) if version and known else url
    if name not in findings.unknown:
        findings.unknown[name] = None
        _say_unknown(coded, url, version, inquiry, findings)


def _say_unknown(coded: Coded, url: str, version: str, inquiry: Inquiry, findings: Findings) -> None:
    known = sorted(one for one in inquiry.library.versions(url) if one)
    message_id = "UNKNOWN_CODESYSTEM"
    if version:
        message_id = "UNKNOWN_CODESYSTEM_VERSION" if known else "UNKNOWN_CODESYSTEM_VERSION_NONE"
    findings.add(
        "error",
        "not-found",
        "not-found",
        coded.at("system"),
        message_id,
        system=url,
        version=version,
        known=", ".join(known),
    )
