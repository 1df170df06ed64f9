"""Verdicts as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import msgspec

from salus.standards.fhir.checking.verdict import Verdict

_LINE_OF_NDJSON = re.compile(r"(?<=\.ndjson):[0-9]+$|(?<=\.ndjson\.gz):[0-9]+$").sub
_LEVELS = {"error": "error", "warning": "warning", "information": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(verdicts: Sequence[Verdict]) -> bytes:
    """Return the report."""
    results = [_result(one, issue) for one in verdicts for issue in one.issues]
    rules = [{"id": name} for name in sorted({str(row["ruleId"]) for row in results})]
    driver = {"name": "salus check", "version": version("salus"), "rules": rules}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return msgspec.json.format(msgspec.json.encode({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}))


def _result(verdict: Verdict, issue: Any) -> dict[str, Any]:  # Any: an Issue, and open JSON
    line, column = verdict.place(issue)
    region = {"startLine": line, "startColumn": column} if column else {"startLine": line}
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": address_of(verdict.file)},
            "region": region,
        }
    }
    if issue.expression:
        place["logicalLocations"] = [{"fullyQualifiedName": issue.expression, "kind": "element"}]
    return {
        "ruleId": issue.message_id,
        "level": _LEVELS[issue.severity],
        "message": {"text": issue.message},
        "locations": [place],
    }


def address_of(file: str) -> str:
    """Return the address of a file relative to where the check ran, without the number of an NDJSON line."""
    return quote(_LINE_OF_NDJSON("", file).replace("\\", "/"))
