"""Test reports at the command line: written, signed with a node's key, and verified."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from salus.cli.package_folder import cache_folder
from salus.cli.terminal import say
from salus.core.clock import utc_now
from salus.core.errors import MalformedContent, NotFound, SalusError, StorageUnavailable
from salus.node import load_node_keys
from salus.settings import FILE_NAME, read_settings
from salus.standards.fhir.checking.report import (
    SIZE_MAX,
    Checked,
    Signer,
    Source,
    TestReport,
    report_of,
    sign_report,
    verify_report,
    write_report,
)
from salus.standards.fhir.checking.sources import shipped_sources
from salus.standards.fhir.checking.verdict import Verdict
from salus.standards.fhir.profiles.book import Book
from salus.store.packages import hashes_in
from salus.trust.keys import public_jwks

NOT_VERIFIED = 2
OTHER_FILE = 1


def write(out: Path, verdicts: Sequence[Verdict], book: Book, *, packages: Path | None, data: Path) -> None:
    """Write a report, signed where `data` is a node's folder; say which it is."""
    rules = [*shipped_sources(), *(Source(*one) for one in hashes_in(packages or cache_folder()))]
    if (data / FILE_NAME).is_file():
        settings = read_settings(data)
        signer = Signer(settings.node, settings.name, settings.base_url)
        report = report_of(verdicts, book, rules, when=utc_now(), signer=signer)
        body = f"{sign_report(report, load_node_keys(data).federation)}\n".encode()
        told = f"a report signed by {signer.node}"
    else:
        body = write_report(report_of(verdicts, book, rules, when=utc_now(), signer=None))
        told = "a report that nobody signed; name a node's folder with --data to have it signed"
    try:
        out.write_bytes(body)
    except OSError as error:
        raise StorageUnavailable(f"{out} cannot be written: {error.strerror}.") from error
    say(f"{out}: {told}", file=sys.stderr)


def verify(file: Path, *, keys: Path | None, data: Path, beside: Sequence[Path]) -> int:
    """Say whether a report is genuine and whether files beside are those that it is about.

    Returns:
        0 if so, 1 if a file is another one, 2 if the report is not verified.
    """
    try:
        report = verify_report(_text(file), _keys(keys, data))
    except SalusError as error:
        say(f"{file}: NOT VERIFIED: {error.message}")
        return NOT_VERIFIED
    _say_report(file, report)
    return max((_compare(path, report.files) for path in beside), default=0)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > SIZE_MAX:
            raise MalformedContent("the file is too large for a report")
        return file.read_text("ascii")
    except UnicodeDecodeError as error:
        raise MalformedContent("the file is no signed report") from error
    except OSError as error:
        raise StorageUnavailable(f"the file cannot be read: {error.strerror}") from error


def _keys(keys: Path | None, data: Path) -> list[dict[str, Any]]:  # Any: JWK members (RFC 7517)
    """Return the keys of the node that a report is to be from: of a file, else of a node's own folder."""
    if keys is None:
        if not (data / FILE_NAME).is_file():
            raise NotFound(
                "whose report is it? Name the node's keys with --keys FILE (its /.well-known/jwks.json), "
                "or the node's own folder with --data"
            )
        return list(public_jwks(load_node_keys(data))["keys"])
    try:
        found = msgspec.json.decode(keys.read_bytes())
        return [one for one in found["keys"] if isinstance(one, dict)]
    except OSError as error:
        raise StorageUnavailable(f"{keys} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise MalformedContent(f"{keys} is no JWK Set (RFC 7517)") from error


def _say_report(file: Path, report: TestReport) -> None:
    signer = report.signer
    by = f"{signer.name} ({signer.node}, {signer.base_url})" if signer is not None else "a node"
    say(f"{file}: VERIFIED: signed by {by}, checked {report.when.isoformat()} by {report.tool.version}")
    for source in report.rules:
        say(f"  rules\t{source.name}\tsha256 {source.sha256}")
    for one in report.files:
        verdict = "valid" if one.valid else "not valid" if one.readable else "not readable"
        say(f"  {one.file}\t{verdict}\t{one.errors} errors, {one.warnings} warnings\tsha256 {one.sha256}")


def _compare(path: Path, files: Sequence[Checked]) -> int:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        say(f"  {path}: cannot be read: {error.strerror}")
        return NOT_VERIFIED
    if any(one.sha256 == digest for one in files):
        say(f"  {path}: is in the report")
        return 0
    say(f"  {path}: IS NOT in the report: no file in it has the sha256 {digest}")
    return OTHER_FILE
