"""Verdicts as a JUnit XML report: a test case a file, a failure with every error in it."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from salus.core.plain import plain
from salus.standards.fhir.checking.verdict import Verdict


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """Return the report."""
    suite = etree.Element("testsuite", name="salus check")
    suite.set("tests", str(len(verdicts)))
    suite.set("failures", str(sum(one.is_readable and one.count("error") > 0 for one in verdicts)))
    suite.set("errors", str(sum(not one.is_readable for one in verdicts)))
    suite.set("time", f"{sum(one.milliseconds for one in verdicts) / 1000:.3f}")
    for one in verdicts:
        case = etree.SubElement(suite, "testcase", name=plain(one.file), classname=one.category or "fhir")
        case.set("time", f"{one.milliseconds / 1000:.4f}")
        errors = [issue for issue in one.issues if issue.severity == "error"]
        if errors:
            part = etree.SubElement(
                case, "failure" if one.is_readable else "error", type=errors[0].message_id
            )
            part.set("message", plain(errors[0].message))
            part.text = "\n".join(
                plain(f"line {one.place(issue)[0]}: {issue.expression}: {issue.message}") for issue in errors
            )
    return etree.tostring(suite, xml_declaration=True, encoding="UTF-8", pretty_print=True)
