"""`salus check FILE...`: is it FHIR, does it follow its profiles, and what is wrong, on which line?"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from salus.cli.checking.junit import junit
from salus.cli.checking.reading import files_in, read
from salus.cli.checking.sarif import sarif
from salus.cli.checking.verdict import Verdict, judge
from salus.cli.command import Command
from salus.cli.package_folder import add_packages_option, cache_folder
from salus.cli.terminal import say, say_json
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.profiles.book import Book, Shelves
from salus.standards.fhir.profiles.must_support import Support
from salus.standards.fhir.profiles.tables import TableShelf, shipped_shelf
from salus.store.packages import tables_in

UNREADABLE = 2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="JSON, XML, NDJSON, or a folder of them"
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


def tables_folder() -> Path:
    """Return where tables of packages are kept between calls."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "salus"


def book_for(packages: Path | None) -> Book:
    """Return the profiles at hand: those of a folder of packages, else of the usual cache, and the shipped
    ones.

    Of a profile that both have, the newer version counts, and the package's where they are the same.
    """
    installed = TableShelf(tables_in(packages or cache_folder(), tables_folder()))
    return Book(Shelves([installed, shipped_shelf()]))


def _run(options: argparse.Namespace) -> int:
    book = book_for(options.packages)
    gc.freeze()  # What is read by now stays until the end: no need to look through it again for each file.
    code = 0
    kept = []
    for verdict in _verdicts(options, book):
        (_say_json if options.json else _say)(verdict)
        for one in verdict.support:
            _say_support(one, as_json=options.json)
        if options.junit or options.sarif:
            kept.append(verdict)
        if not verdict.is_readable:
            code = UNREADABLE
        elif code != UNREADABLE and verdict.count("error"):
            code = 1
    if options.junit:
        options.junit.write_bytes(junit(kept))
    if options.sarif:
        options.sarif.write_bytes(sarif(kept))
    return code


def _verdicts(options: argparse.Namespace, book: Book) -> Iterator[Verdict]:
    limits = Limits()
    for named in options.files:
        for path in files_in(named):
            for given in read(path, limits):
                yield judge(given, book, options.profile, limits, with_support=options.must_support)


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
        say(f"  line {verdict.place(issue)}\t{issue.severity}\t{issue.expression}\t{issue.message}")


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
