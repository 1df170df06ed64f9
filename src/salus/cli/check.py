"""`salus check FILE...`: is it FHIR, does it follow its profiles, and what is wrong, on which line?

`salus check --verify-report FILE` says whether a signed report of such a check is genuine.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from salus.cli.checking.reading import files_in, read
from salus.cli.checking.reporting import verify, write
from salus.cli.command import Command
from salus.cli.package_folder import add_packages_option, cache_folder
from salus.cli.terminal import say, say_json
from salus.core.errors import NotFound, StorageUnavailable
from salus.core.limits import Limits
from salus.standards.fhir.checking.junit import junit
from salus.standards.fhir.checking.sarif import sarif
from salus.standards.fhir.checking.verdict import Verdict, judge
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.profiles.book import Book, Shelves
from salus.standards.fhir.profiles.must_support import Support
from salus.standards.fhir.profiles.tables import TableShelf, shipped_shelf
from salus.store.packages import tables_in
from salus.store.terminology import RELEASES
from salus.store.terminology_packages import terminology_of

UNREADABLE = 2
LONG_LINE = 200
"""Characters of a line beyond which its number alone helps nobody: the column is told too."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="JSON, XML, NDJSON, or a folder of them"
    )
    add_packages_option(parser)
    parser.add_argument(
        "--profile", action="append", default=[], metavar="URL", help="judge by this profile (repeatable)"
    )
    parser.add_argument(
        "--must-support", action="store_true", help="say which elements that must be supported are there"
    )
    parser.add_argument("--json", action="store_true", help="an object a file and line")
    parser.add_argument("--junit", type=Path, metavar="OUT", help="write a JUnit XML report")
    parser.add_argument("--sarif", type=Path, metavar="OUT", help="write a SARIF 2.1.0 report")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="OUT",
        help="write a test report, signed where --data is a node's folder",
    )
    parser.add_argument(
        "--verify-report",
        type=Path,
        metavar="REPORT",
        help="verify a signed report; FILEs are looked for in it",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="JWKS",
        help="the keys of the node that signed (its /.well-known/jwks.json)",
    )


def tables_folder() -> Path:
    """Return where tables of packages are kept between calls."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "salus"


def book_for(packages: Path | None, data: Path) -> Book:
    """Return the profiles at hand: those of a folder of packages, else of the usual cache, and the shipped
    ones.

    Of a profile that both have, the newer version counts, and the package's where they are the same. Bindings
    that definitions leave open are answered by the releases loaded in a node's folder, where there are any.
    """
    installed = TableShelf(tables_in(packages or cache_folder(), tables_folder()))
    shelves = Shelves([installed, shipped_shelf()])
    return Book(shelves, terminology_of(shelves, [], data / RELEASES))


def _run(options: argparse.Namespace) -> int:
    if options.verify_report:
        return verify(options.verify_report, keys=options.keys, data=options.data, beside=options.files)
    if not options.files:
        raise NotFound("Name what to check: salus check FILE...")
    return _check(options)


def _check(options: argparse.Namespace) -> int:
    book = book_for(options.packages, options.data)
    gc.freeze()  # What is read by now stays until the end: no need to look through it again for each file.
    code = 0
    kept: list[Verdict] = []
    keeps = options.junit or options.sarif or options.report
    for verdict in _verdicts(options, book):
        (_say_json if options.json else _say)(verdict)
        for one in verdict.support:
            _say_support(one, as_json=options.json)
        if keeps:
            kept.append(verdict)
        if not verdict.is_readable:
            code = UNREADABLE
        elif code != UNREADABLE and verdict.count("error"):
            code = 1
    if options.junit:
        _write(options.junit, junit(kept))
    if options.sarif:
        _write(options.sarif, sarif(kept))
    if options.report:
        write(options.report, kept, book, packages=options.packages, data=options.data)
    return code


def _write(out: Path, body: bytes) -> None:
    try:
        out.write_bytes(body)
    except OSError as error:
        raise StorageUnavailable(f"{out} cannot be written: {error.strerror}.") from error


def _verdicts(options: argparse.Namespace, book: Book) -> Iterator[Verdict]:
    limits = Limits()
    for named in options.files:
        for path in files_in(named):
            for given in read(path, limits):
                yield judge(
                    given,
                    book,
                    options.profile,
                    limits,
                    timer=time.perf_counter,
                    with_support=options.must_support,
                )


def _say_json(verdict: Verdict) -> None:
    row = {
        "file": verdict.file,
        "category": verdict.category or None,
        "profiles": list(verdict.profiles),
        "milliseconds": verdict.milliseconds,
        "outcome": verdict.outcome(),
    }
    say_json(write_json(row))


def _say(verdict: Verdict) -> None:
    counts = ", ".join(
        f"{verdict.count(severity)} {word}"
        for severity, word in (("error", "errors"), ("warning", "warnings"), ("information", "notes"))
    )
    what = verdict.category or "no priority category"
    say(f"{verdict.file}: {counts} ({what}, {verdict.milliseconds:.1f} ms)")
    for profile in verdict.profiles:
        say(f"  by {profile}")
    for issue in verdict.issues:
        line, column = verdict.place(issue)
        place = f"{line}:{column}" if column > LONG_LINE else str(line)
        say(f"  line {place}\t{issue.severity}\t{issue.expression}\t{issue.message}")


def _say_support(support: Support, *, as_json: bool) -> None:
    if as_json:
        say_json(msgspec.json.encode({"mustSupport": support}))
        return
    say(f"  must support\t{support.place}\tby {support.profile}: {len(support.present)} there")
    for path in support.absent:
        say(f"    not there\t{path}")


COMMAND = Command(
    "check", "Check FHIR files against R4 and their profiles; say what is wrong and where.", _arguments, _run
)
