"""ICD-11 for mortality and morbidity statistics, the simple tabulation of the WHO (tab separated).

Chapters and blocks have no code of their own: a chapter has its number, a block its BlockId. The title of a
row begins with "- " for each level it lies beneath a chapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from salus.standards.terminology.releases.release import Fact, Files, Loader, Release, Row, Wish
from salus.standards.terminology.releases.tables import has_columns, one_of, rows

URL = "http://id.who.int/icd/release/11/mms"
_COLUMNS = (
    "Linearization URI|Linearization (release) URI|Linearization (release) Uri",
    "Code",
    "BlockId",
    "Title",
    "ClassKind",
    "DepthInKind",
    "IsResidual",
    "ChapterNo",
)
_RELEASE = re.compile(r"/release/11/(?:mms/)?([^/]+)/")
_DASHES = re.compile(r"^(?:- ?)*")


def _file_of(files: Files) -> str:
    return next(
        (
            one
            for one in files.names()
            if one.lower().endswith((".txt", ".tsv", ".csv"))
            and has_columns(files, one, "Code", "BlockId", "ClassKind", delimiter="\t")
        ),
        "",
    )


def _recognises(files: Files) -> bool:
    return bool(_file_of(files))


def _read(files: Files, wish: Wish) -> Release:
    name = _file_of(files) or one_of(files, "*SimpleTabulation*.txt", "the simple tabulation")
    first = next(rows(files, name, *_COLUMNS, delimiter="\t"), ["", "", "", "", "", "", "", ""])
    found = _RELEASE.search(first[0])

    def walk() -> Iterator[tuple[str, str, str, str, bool, str]]:
        """Yield code, title, class kind, parent, whether residual, and address of every row."""
        above: list[tuple[int, str]] = []
        for uri, code, block, title, kind, _, residual, chapter in rows(
            files, name, *_COLUMNS, delimiter="\t"
        ):
            dashes = _DASHES.match(title)
            depth = dashes[0].count("-") if dashes else 0
            own = code or block or chapter
            if not own:
                continue
            while above and above[-1][0] >= depth:
                above.pop()
            yield (
                own,
                title[dashes.end() if dashes else 0 :].strip(),
                kind,
                above[-1][1] if above else "",
                residual == "True",
                uri,
            )
            above.append((depth, own))

    def concepts() -> Iterator[Row]:
        for code, title, kind, _, _, _ in walk():
            yield Row(code, title, is_abstract=kind in ("chapter", "block"))

    def edges() -> Iterator[tuple[str, str]]:
        return ((code, parent) for code, _, _, parent, _, _ in walk() if parent)

    def facts() -> Iterator[Fact]:
        for code, _, kind, _, is_residual, uri in walk():
            yield Fact(code, "classKind", kind, "code")
            if uri:
                yield Fact(code, "source", uri)
            if is_residual:
                yield Fact(code, "residual", "true", "boolean")

    return Release(
        wish.url or URL,
        wish.version or (found[1] if found else "unknown"),
        "ICD-11 MMS",
        "World Health Organization",
        concepts,
        language=wish.language or "en",
        edges=edges,
        facts=facts,
        properties={"classKind": "", "source": "", "residual": ""},
    )


LOADER = Loader("icd11", "ICD-11 MMS, simple tabulation", _recognises, _read)
