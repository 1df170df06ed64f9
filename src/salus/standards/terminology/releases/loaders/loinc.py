"""LOINC, the CSV release (Regenstrief Institute): table, parts, hierarchy and linguistic variants."""

from __future__ import annotations

import re
from collections.abc import Iterator

from salus.standards.terminology.releases.release import Fact, Files, Loader, Name, Release, Row, Wish
from salus.standards.terminology.releases.tables import find, one_of, rows

URL = "http://loinc.org"
_AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
_MORE = ("CLASS", "CLASSTYPE", "ORDER_OBS", "VersionLastChanged")
_PROPERTIES = (*_AXES, *_MORE, "STATUS")
_GONE = frozenset({"DEPRECATED", "DISCOURAGED"})
_LANGUAGES = re.compile(r"([a-z]{2})([A-Z]{2})\d+LinguisticVariant\.csv$")
_FOLDER = re.compile(r"loinc[_-]?v?(\d+\.\d+)", re.IGNORECASE)


def _recognises(files: Files) -> bool:
    return bool(find(files, "*LoincTable/Loinc.csv") or find(files, "*Loinc.csv"))


def _version(files: Files, table: str) -> str:
    """Return the version in a folder's or file's name, else the newest change in the table."""
    named = next((found[1] for one in files.names() if (found := _FOLDER.search(one))), "")
    if named:
        return named
    changed = {row[0] for row in rows(files, table, "VersionLastChanged")}
    numbered = [one for one in changed if re.fullmatch(r"\d+\.\d+\w*", one)]
    return max(numbered, key=lambda one: [int(part) for part in re.findall(r"\d+", one)], default="unknown")


def _read(files: Files, wish: Wish) -> Release:
    found = find(files, "*LoincTable/Loinc.csv")
    table = found[0] if found else one_of(files, "*Loinc.csv", "the table of codes")
    parts = find(files, "*PartFile/Part.csv")
    links = find(files, "*PartFile/LoincPartLink_Primary.csv")
    hierarchy = find(files, "*ComponentHierarchyBySystem.csv")
    variants = [one for one in find(files, "*LinguisticVariant.csv") if _LANGUAGES.search(one)]

    def concepts() -> Iterator[Row]:
        columns = ("LOINC_NUM", "LONG_COMMON_NAME", "SHORTNAME", "DefinitionDescription", "STATUS")
        seen = set()
        for code, long, short, definition, status in rows(files, table, *columns):
            seen.add(code)
            yield Row(
                code, long or short, definition, status in _GONE, status="" if status == "ACTIVE" else status
            )
        for one in parts:
            for code, name, shown, status in rows(
                files, one, "PartNumber", "PartName", "PartDisplayName", "Status"
            ):
                seen.add(code)
                yield Row(
                    code,
                    shown or name,
                    is_inactive=status in _GONE,
                    status="" if status == "ACTIVE" else status,
                )
        for one in hierarchy:
            for code, text in rows(files, one, "CODE", "CODE_TEXT"):
                if code not in seen:
                    seen.add(code)
                    yield Row(code, text)

    def edges() -> Iterator[tuple[str, str]]:
        for one in hierarchy:
            for code, parent in rows(files, one, "CODE", "IMMEDIATE_PARENT"):
                if parent:
                    yield code, parent

    def names() -> Iterator[Name]:
        for code, short, shown, consumer in rows(
            files, table, "LOINC_NUM", "SHORTNAME", "DisplayName|LONG_COMMON_NAME", "CONSUMER_NAME"
        ):
            for value, use in ((short, "SHORTNAME"), (shown, "DisplayName"), (consumer, "ConsumerName")):
                if value:
                    yield Name(code, value, "en", f"{URL}|{use}")
        for one in variants:
            language = "-".join(_LANGUAGES.search(one).groups())  # type: ignore[union-attr]  # filtered above
            columns = ("LOINC_NUM", "LONG_COMMON_NAME", "SHORTNAME", "LinguisticVariantDisplayName")
            for code, long, short, shown in rows(files, one, *columns):
                best = shown or long
                if best:
                    yield Name(code, best, language, is_display=True)
                for value in {long, short} - {best, ""}:
                    yield Name(
                        code,
                        value,
                        language,
                        f"{URL}|LONG_COMMON_NAME" if value == long else f"{URL}|SHORTNAME",
                    )

    def facts() -> Iterator[Fact]:
        linked = set()
        for one in links:
            for code, part, axis in rows(files, one, "LoincNumber", "PartNumber", "PartTypeName"):
                name = {"TIME": "TIME_ASPCT", "SCALE": "SCALE_TYP", "METHOD": "METHOD_TYP"}.get(axis, axis)
                linked.add((code, name))
                yield Fact(code, name, part, "code")
        for code, status, *values in rows(files, table, "LOINC_NUM", "STATUS", *_AXES, *_MORE):
            yield Fact(code, "STATUS", status)
            for name, value in zip((*_AXES, *_MORE), values, strict=True):
                if value and (code, name) not in linked:
                    yield Fact(code, name, value)

    return Release(
        wish.url or URL,
        wish.version or _version(files, table),
        "LOINC",
        "Regenstrief Institute",
        concepts,
        language=wish.language or "en",
        is_case_sensitive=False,
        edges=edges,
        names=names,
        facts=facts,
        properties={one: f"{URL}/property/{one}" for one in _PROPERTIES},
    )


LOADER = Loader("loinc", "LOINC, CSV release", _recognises, _read)
