"""EDQM Standard Terms (European Directorate for the Quality of Medicines): the export as JSON or CSV.

JSON: `content`, a list of terms with code, class, english, status and translations (the form of their web
service). CSV: code, class, english and status as columns, with a column a language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Fact, Files, Loader, Name, Release, Row, Wish
from salus.standards.terminology.releases.tables import has_columns, rows

URL = "http://standardterms.edqm.eu"
_CODE, _ENGLISH, _CLASS, _STATUS = (
    "code|Code|Term code",
    "english|English|Term",
    "class|Class|Concept class",
    "status|Status",
)
_CURRENT = frozenset({"", "current", "active"})
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_LANGUAGE = re.compile(r"[a-z]{2}(?:-[A-Z]{2})?").fullmatch
BYTES_MAX = 256 * 1024 * 1024


def _tables(files: Files) -> list[str]:
    return [
        one
        for one in files.names()
        if one.lower().endswith(".csv") and has_columns(files, one, _CODE, _ENGLISH, _CLASS)
    ]


def _documents(files: Files) -> Iterator[dict[str, Any]]:
    for name in files.names():
        if name.lower().endswith(".json"):
            with files.stream(name) as stream:
                body = stream.read(BYTES_MAX + 1)
            if len(body) > BYTES_MAX:
                raise MalformedContent(f"{name} is larger than an export is; load the parts of it.")
            try:
                found = msgspec.json.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if isinstance(found, dict) and isinstance(found.get("content"), list):
                yield found


def _recognises(files: Files) -> bool:
    if _tables(files):
        return True
    terms = (one for found in _documents(files) for one in found["content"][:1])
    return any(isinstance(one, dict) and {"code", "english"} <= set(one) for one in terms)


class _Term(msgspec.Struct, frozen=True, gc=False):
    code: str
    english: str
    kind: str
    status: str
    definition: str
    names: tuple[tuple[str, str], ...]


def _terms(files: Files) -> Iterator[_Term]:
    for found in _documents(files):
        for one in found["content"]:
            if isinstance(one, dict) and one.get("code"):
                translations = tuple(
                    (str(row.get("language", "")), str(row.get("term") or row.get("translation") or ""))
                    for row in one.get("translations", ())
                )
                yield _Term(
                    str(one["code"]),
                    str(one.get("english", "")),
                    str(one.get("class", "")),
                    str(one.get("status", "")).lower(),
                    str(one.get("definition") or ""),
                    translations,
                )
    for name in _tables(files):
        header = next(files.lines(name), "").replace('"', "").split(",")
        languages = [one.strip() for one in header if _LANGUAGE(one.strip())]
        has_status = has_columns(files, name, _STATUS)
        columns = (_CODE, _ENGLISH, _CLASS, *((_STATUS,) if has_status else ()), *languages)
        for code, english, kind, *rest in rows(files, name, *columns):
            status = rest.pop(0).lower() if has_status else ""
            yield _Term(code, english, kind, status, "", tuple(zip(languages, rest, strict=True)))


def _read(files: Files, wish: Wish) -> Release:
    terms = {one.code: one for one in _terms(files) if one.code}
    if not terms:
        raise MalformedContent("The export holds no terms; load it as JSON or CSV as the EDQM gives it out.")
    dated = next((found[0] for one in files.names() if (found := _DATE.search(one))), "unknown")

    def concepts() -> Iterator[Row]:
        for one in terms.values():
            is_gone = one.status not in _CURRENT
            yield Row(one.code, one.english, one.definition, is_gone, status=one.status if is_gone else "")

    def names() -> Iterator[Name]:
        for one in terms.values():
            for language, value in one.names:
                if value and language != "en":
                    yield Name(one.code, value, language, is_display=True)

    return Release(
        wish.url or URL,
        wish.version or dated,
        "EDQM Standard Terms",
        "European Directorate for the Quality of Medicines & HealthCare",
        concepts,
        language="en",
        names=names,
        properties={"class": ""},
        facts=lambda: (Fact(one.code, "class", one.kind, "code") for one in terms.values() if one.kind),
    )


LOADER = Loader("edqm", "EDQM Standard Terms, JSON or CSV", _recognises, _read)
