"""ATC with defined daily doses (WHO Collaborating Centre for Drug Statistics Methodology): XML or CSV.

The classification has five levels; a code of 1, 3, 4 or 5 characters stands above those that begin with it.
The ClaML edition is read by the loader of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Fact, Files, Loader, Release, Row, Wish
from salus.standards.terminology.releases.tables import has_columns, rows
from salus.standards.terminology.releases.xml import elements, first_tag

URL = "http://www.whocc.no/atc"
_CODE = re.compile(r"[A-Z](?:\d{2}(?:[A-Z](?:[A-Z](?:\d{2})?)?)?)?").fullmatch
_ABOVE = {3: 1, 4: 3, 5: 4, 7: 5}
_YEAR = re.compile(r"(?:19|20)\d{2}")
_COLUMNS = ("ATC code|ATCCode|atc_code", "ATC level name|Name|atc_name")
_DOSES = ("DDD|ddd", "U|Unit|uom|UnitType", "Adm.R|AdmRoute|adm_r|AdmCode")


def _tables(files: Files) -> list[tuple[str, str]]:
    """Return the tables with codes and names, each with its delimiter."""
    found = []
    for name in files.names():
        if name.lower().endswith((".csv", ".txt", ".tsv")):
            found += [(name, mark) for mark in ",;\t" if has_columns(files, name, *_COLUMNS, delimiter=mark)][
                :1
            ]
    return found


def _xml(files: Files) -> list[str]:
    names = [
        one
        for one in files.names()
        if one.lower().endswith(".xml") and "ddd" not in one.lower().rsplit("/", 1)[-1]
    ]
    return [one for one in names if first_tag(files, one) in ("xml", "rowset", "root", "data")]


def _recognises(files: Files) -> bool:
    if _tables(files):
        return True
    return any(
        next((True for row in elements(files, one, "row") if row.get("ATCCode")), False)
        for one in _xml(files)
    )


def _rows(files: Files) -> Iterator[tuple[str, str]]:
    for name, mark in _tables(files):
        yield from ((code, title) for code, title in rows(files, name, *_COLUMNS, delimiter=mark))
    for name in _xml(files):
        for row in elements(files, name, "row"):
            yield str(row.get("ATCCode", "")).strip(), str(row.get("Name", "")).strip()


def _doses(files: Files) -> Iterator[Fact]:
    """Yield the defined daily doses, as amount, unit and route."""
    for name, mark in _tables(files):
        if has_columns(files, name, *_DOSES, delimiter=mark):
            for code, dose, unit, route in rows(files, name, _COLUMNS[0], *_DOSES, delimiter=mark):
                if dose:
                    yield Fact(code, "ddd", " ".join(one for one in (dose, unit, route) if one))
    for name in (
        one
        for one in files.names()
        if one.lower().endswith(".xml") and "ddd" in one.lower().rsplit("/", 1)[-1]
    ):
        for row in elements(files, name, "row"):
            parts = (row.get("DDD"), row.get("UnitType"), row.get("AdmCode"))
            if row.get("ATCCode") and row.get("DDD"):
                yield Fact(
                    str(row.get("ATCCode")).strip(), "ddd", " ".join(str(one).strip() for one in parts if one)
                )


def _read(files: Files, wish: Wish) -> Release:
    names: dict[str, str] = {}
    for code, title in _rows(files):
        if _CODE(code) and title:
            names.setdefault(code, title)
    if not names:
        raise MalformedContent("The files hold no ATC codes; load the ATC index as published.")
    year = next((found[0] for one in files.names() if (found := _YEAR.search(one))), "unknown")

    def edges() -> Iterator[tuple[str, str]]:
        for code in names:
            above = code[: _ABOVE.get(len(code), 0)]
            if above in names:
                yield code, above

    return Release(
        wish.url or URL,
        wish.version or year,
        "ATC",
        "WHO Collaborating Centre for Drug Statistics Methodology",
        lambda: (Row(code, title) for code, title in names.items()),
        language=wish.language or "en",
        edges=edges,
        properties={"ddd": ""},
        facts=lambda: (one for one in _doses(files) if one.code in names),
    )


LOADER = Loader("atc", "ATC/DDD of the WHO, XML or CSV", _recognises, _read)
