"""fhir-validator-r4: is there an error or not, as the reference validator recorded it (FHIR/fhir-test-cases)?

A case is a file, judged by R4 and, where it names a profile, by that. It passes when every outcome that the
reference validator recorded agrees with ours on error or no error. Not counted are module tx and tx-advanced
(a terminology server), cases with packages that are not here, and those without an outcome. Besides, apart,
the same against the outcomes of the second implementation, where it has recorded any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from conformance.scoreboard.suite import Case, Suite
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json, without_comments
from salus.standards.fhir.codec.xml import parse_xml
from salus.standards.fhir.packages.archive import members
from salus.standards.fhir.packages.definitions import Library, definition_of, definition_of_json
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.policy import Policy
from salus.standards.fhir.profiles.shelf import LibraryShelf
from salus.standards.fhir.profiles.validator import check_resource
from salus.standards.fhir.validation.issue import Issue

Json = dict[str, Any]  # Any: FHIR JSON
_PACKAGES = ("hl7.fhir.r4.core", "hl7.fhir.uv.extensions.r4", "hl7.terminology.r4")
_SHARED = Path(__file__).resolve().parents[4] / "shared" / "fhir-packages"
_APART = frozenset({"tx", "tx-advanced"})
_REFERENCE = ("java",)
_SECOND = ("firely-sdk-current", "firely-sdk-wip")
_LIMITS = Limits()
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _recognises(folder: Path) -> bool:
    return folder.name == "fhir-validator-r4" and (folder / "manifest.json").is_file()


@cache
def _core(folder: Path) -> Library:
    """Return the definitions of the packages beside the suites, else of those in ../shared."""
    library = Library()
    beside = folder.parent.parent / "fhir-packages"
    for path in sorted((beside if beside.is_dir() else _SHARED).glob("*.tgz")):
        if path.name.startswith(_PACKAGES):
            with path.open("rb") as archive:
                for member in members(archive):
                    found = definition_of_json(member.body, path.stem)
                    if found is not None:
                        library.add(found)
    return library


def read_resource(path: Path, *, comments: bool = False) -> Json:
    """Return the resource in a file of either form, `comments` in JSON let through; errors as the codecs."""
    body = without_comments(path.read_bytes()) if comments else path.read_bytes()
    is_xml = path.suffix == ".xml" or body.lstrip()[:1] == b"<"
    return parse_xml(body, _LIMITS) if is_xml else parse_json(body, _LIMITS)


def _library(folder: Path, names: list[str]) -> tuple[Library, list[Json]]:
    """Return the definitions of a case's own files over those of the packages, and the files' resources."""
    library = Library(_core(folder))
    resources = []
    for name in names:
        try:
            resource = read_resource(folder / name)
        except (SalusError, OSError):
            continue
        for one in _inside(resource):
            resources.append(one)
            found = definition_of(one)
            if found is not None:
                library.add(found)
    return library, resources


def _inside(resource: Json) -> Iterator[Json]:
    yield resource
    if resource.get("resourceType") == "Bundle":
        for entry in resource.get("entry", ()):
            if isinstance(entry.get("resource"), dict):
                yield entry["resource"]


def has_error(folder: Path, recorded: object) -> bool | None:
    """Return whether a recorded outcome has an error, None where there is none."""
    if isinstance(recorded, str):
        path = folder / "outcomes" / recorded
        if not path.is_file():
            return None
        recorded = json.loads(path.read_bytes())
    if isinstance(recorded, list):  # lines of the second implementation
        return any(str(line).startswith(("[ERROR]", "[FATAL]")) for line in recorded)
    if not isinstance(recorded, dict):
        return None
    if "errorCount" in recorded:
        return bool(recorded["errorCount"]) or bool(recorded.get("fatalCount"))
    outcome = recorded.get("outcome", recorded)
    if not isinstance(outcome, dict) or "issue" not in outcome:
        return False if "output" not in recorded else None
    return any(one.get("severity") in ("error", "fatal") for one in outcome["issue"])


def errors_of(folder: Path, case: Json, profile: Json | None) -> list[str]:
    """Return our errors on a case's file, by R4 alone or by a profile too."""
    names = [*case.get("supporting", ()), *case.get("profiles", ())]
    canonicals: list[str] = []
    if profile is not None:
        names += [*profile.get("supporting", ()), profile["source"]]
    try:
        resource = read_resource(folder / case["file"], comments=case.get("allow-comments") is True)
    except SalusError as error:
        return [f"unreadable: {error.message}"]
    library, beside = _library(folder, names)
    rule = case.get("bundle-param") or {}
    inner = {str(rule["rule"]).partition(":")[0]: str(rule["profile"])} if rule else {}
    if profile is not None:
        source = profile["source"]
        canonicals.append(
            source if source.startswith("http") else str(read_resource(folder / source).get("url"))
        )
    book = Book(LibraryShelf(library))
    found = check_resource(resource, book, canonicals, inner, beside=beside, policy=_policy(case), now=_NOW)
    return [_shown(one) for one in found if one.severity == "error"]


def _policy(case: Json) -> Policy:
    """Return what a case asks beyond the standard."""
    return Policy(
        unknown_extensions=False,
        example_addresses=case.get("examples", True) is not False,
        markup_in_markdown=not case.get("noHtmlInMarkdown"),
        markup_in_strings=not case.get("security-checks"),
        wrong_display="warning" if case.get("wrong-displays") == "warning" else "error",
    )


def _shown(issue: Issue) -> str:
    return f"{issue.message_id} at {issue.expression}: {issue.message}"


def verdict(folder: Path, case: Json, recorders: tuple[str, ...]) -> tuple[str, bool]:
    """Return why a case fails ("" if it passes) against recorded outcomes, and whether there was any.

    Of several recorders the first that has an outcome counts.
    """
    said = False
    for part in (case, case.get("profile")):
        recorded = (part.get(name) for name in recorders) if isinstance(part, dict) else ()
        wanted = next((one for one in (has_error(folder, row) for row in recorded) if one is not None), None)
        if wanted is None:
            continue
        said = True
        errors = errors_of(folder, case, None if part is case else part)
        if bool(errors) != wanted:
            by = "" if part is case else " by its profile"
            return f"{'an error' if wanted else 'no error'}{by} recorded; ours: {errors[:3]}", True
    return "", said


def _judged(folder: Path, case: Json, recorders: tuple[str, ...]) -> tuple[str, bool]:
    try:
        return verdict(folder, case, recorders)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        return f"broke: {error!r}", True


def _play(folder: Path) -> Iterator[Case]:
    for case in json.loads((folder / "manifest.json").read_bytes())["test-cases"]:
        apart = ""
        if case.get("module") in _APART:
            apart = "needs a terminology server"
        elif case.get("packages"):
            apart = "needs packages that are not here"
        failure, said = _judged(folder, case, _REFERENCE)
        yield Case(case["name"], failure, apart or ("" if said else "no outcome recorded"))
        failure, said = _judged(folder, case, _SECOND)
        if said and not apart:
            yield Case(f"{case['name']} (second)", failure, "by the second implementation")


SUITE = Suite("fhir-validator-r4", _recognises, _play)
