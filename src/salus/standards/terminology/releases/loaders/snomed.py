"""SNOMED CT, RF2 snapshot (SNOMED International, Release File Specifications).

Read are concepts, descriptions, language reference sets, is-a relationships and the members of reference
sets. The version is that of the edition: http://snomed.info/sct/MODULE/version/YYYYMMDD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Fact, Files, Loader, Name, Release, Row, Wish
from salus.standards.terminology.releases.tables import find, one_of

URL = "http://snomed.info/sct"
_IS_A = "116680003"
_FSN, _SYNONYM = "900000000000003001", "900000000000013009"
_PREFERRED = "900000000000548007"
_INTERNATIONAL = "900000000000207008"
_DEFINED = "900000000000073002"
_DIALECTS = {"900000000000509007": (2, "en-US"), "900000000000508004": (4, "en-GB")}
_DATE = re.compile(r"_(\d{8})\.txt$")


def _recognises(files: Files) -> bool:
    return bool(find(files, "*sct2_Concept_*Snapshot*.txt"))


def _active(files: Files, name: str) -> Iterator[Sequence[str]]:
    """Yield the fields of the active rows of a tab separated file; RF2 quotes nothing."""
    lines = files.lines(name)
    next(lines, None)
    for line in lines:
        fields = line.split("\t")
        if len(fields) > 2 and fields[2] == "1":
            yield fields


def _snapshot(files: Files, pattern: str) -> list[str]:
    return [one for one in find(files, pattern) if "snapshot" in one.lower()]


def _edition(files: Files) -> str:
    """Return the module that no other depends on; the international core where that is not said."""
    modules: dict[str, int] = {}
    needed: set[str] = set()
    for name in _snapshot(files, "*der2_ssRefset_ModuleDependency*.txt"):
        for fields in _active(files, name):
            modules[fields[3]] = modules.get(fields[3], 0) + 1
            if fields[5] != fields[3]:
                needed.add(fields[5])
    top = {one: count for one, count in modules.items() if one not in needed}
    if _INTERNATIONAL in top or not top:
        return _INTERNATIONAL
    return max(top, key=lambda one: (top[one], one))


class _Languages:
    """Which descriptions are preferred, and in which dialects: a bit for each, 1 for any other language."""

    def __init__(self, files: Files) -> None:
        self._bits: dict[int, int] = {}
        for name in _snapshot(files, "*der2_cRefset_Language*.txt"):
            for fields in _active(files, name):
                if fields[6].strip() == _PREFERRED:
                    description = int(fields[5])
                    self._bits[description] = (
                        self._bits.get(description, 0) | _DIALECTS.get(fields[4], (1, ""))[0]
                    )

    def tag(self, description: str, language: str) -> tuple[str, bool]:
        """Return the language tag of a description, and whether it is preferred in it."""
        bits = self._bits.get(int(description), 0)
        alone = next(
            (tag for bit, tag in _DIALECTS.values() if bit == bits and tag.startswith(language)), language
        )
        return alone, bits > 0


def _rank(language: str, kind: str, is_preferred: bool) -> int:
    """Return how well a description serves as display: US or general English first, the full name last."""
    if kind == _FSN:
        return 4 if language.startswith("en") else 5
    if not is_preferred:
        return 6
    return {"en": 0, "en-US": 0, "en-GB": 1}.get(language, 3)


def _read(files: Files, wish: Wish) -> Release:
    concept_file = one_of(files, "*sct2_Concept_*Snapshot*.txt", "the concepts")
    descriptions = _snapshot(files, "*sct2_Description_*.txt")
    if not descriptions:
        raise MalformedContent(
            "The release lacks descriptions (sct2_Description_Snapshot); load the whole release."
        )
    dated = _DATE.search(concept_file)
    version = wish.version or f"{URL}/{_edition(files)}/version/{dated[1] if dated else 'unknown'}"
    languages = _Languages(files)

    def described() -> Iterator[tuple[str, str, str, str, bool]]:
        for name in descriptions:
            for fields in _active(files, name):
                tag, is_preferred = languages.tag(fields[0], fields[5])
                yield fields[4], tag, fields[6], fields[7], is_preferred

    def concepts() -> Iterator[Row]:
        best: dict[str, tuple[int, str]] = {}
        for code, tag, kind, term, is_preferred in described():
            rank = _rank(tag, kind, is_preferred)
            if code not in best or rank < best[code][0]:
                best[code] = (rank, term)
        lines = files.lines(concept_file)
        next(lines, None)
        for line in lines:
            fields = line.split("\t")
            is_inactive = fields[2] != "1"
            yield Row(
                fields[0],
                best.get(fields[0], (0, ""))[1],
                is_inactive=is_inactive,
                status="inactive" if is_inactive else "",
            )

    def edges() -> Iterator[tuple[str, str]]:
        for name in _snapshot(files, "*sct2_Relationship_*.txt"):
            for fields in _active(files, name):
                if fields[7] == _IS_A:
                    yield fields[4], fields[5]

    def more_names() -> Iterator[Name]:
        for code, tag, kind, term, is_preferred in described():
            yield Name(code, term, tag, f"{URL}|{kind}", is_preferred and kind == _SYNONYM)

    def facts() -> Iterator[Fact]:
        lines = files.lines(concept_file)
        next(lines, None)
        for line in lines:
            fields = line.rstrip().split("\t")
            yield Fact(fields[0], "moduleId", fields[3], "code")
            yield Fact(
                fields[0], "sufficientlyDefined", "true" if fields[4] == _DEFINED else "false", "boolean"
            )

    def members() -> Iterator[tuple[str, str]]:
        for name in _snapshot(files, "*der2_*refset*.txt"):
            if "language" in name.lower() or "moduledependency" in name.lower():
                continue
            for fields in _active(files, name):
                yield fields[4], fields[5].strip()

    return Release(
        wish.url or URL,
        version,
        "SNOMED CT",
        "SNOMED International and its members",
        concepts,
        language=wish.language or "en",
        edges=edges,
        names=more_names,
        facts=facts,
        members=members,
        properties={"moduleId": f"{URL}#moduleId", "sufficientlyDefined": f"{URL}#sufficientlyDefined"},
    )


LOADER = Loader("snomed", "SNOMED CT, RF2 snapshot", _recognises, _read)
