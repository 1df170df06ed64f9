"""Classifications in ClaML (EN 14463 / ISO 13120): ICD-10 and its modifications, ATC, ICF.

Modifiers are made into codes where a class names them (ModifiedBy): the code and each modifier's ending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from lxml import etree

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Fact, Files, Loader, Name, Release, Row, Wish
from salus.standards.terminology.releases.xml import children, elements, first_tag, text_of

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_URLS: Mapping[str, str] = {
    "ICD-10": "http://hl7.org/fhir/sid/icd-10",
    "ICD-10-GM": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "ICF": "http://hl7.org/fhir/sid/icf",
    "ATC": "http://www.whocc.no/atc",
    "ICD-O-3": "http://terminology.hl7.org/CodeSystem/icd-o-3",
}
_ABSTRACT = frozenset({"chapter", "block"})
CLASSES_MAX = 500_000


class _Class(msgspec.Struct, gc=False):
    """What is read of a class or a modifier's class."""

    code: str
    kind: str
    parents: list[str]
    labels: list[tuple[str, str, str]]
    modified_by: list[str]


def _file(files: Files) -> str:
    xml = [one for one in files.names() if one.lower().endswith((".xml", ".claml"))]
    found = next((one for one in xml if first_tag(files, one) == "ClaML"), "")
    if not found:
        raise MalformedContent("The release holds no ClaML file; name the .xml file itself.")
    return found


def _recognises(files: Files) -> bool:
    xml = [one for one in files.names() if one.lower().endswith((".xml", ".claml"))]
    return any(first_tag(files, one) == "ClaML" for one in xml)


def _title(files: Files, name: str) -> tuple[str, str, str]:
    for element in elements(files, name, "Title"):
        return str(element.get("name", "")), str(element.get("version", "")), text_of(element)
    return "", "", ""


def _labels(element: etree._Element) -> list[tuple[str, str, str]]:
    """Return (kind, language, text) of the rubrics."""
    found = []
    for rubric in children(element, "Rubric"):
        kind = str(rubric.get("kind", ""))
        found += [(kind, str(one.get(_LANG, "")), text_of(one)) for one in children(rubric, "Label")]
    return found


def _classes(files: Files, name: str) -> tuple[list[_Class], dict[str, list[_Class]]]:
    """Return the classes, and the classes of each modifier."""
    classes: list[_Class] = []
    modifiers: dict[str, list[_Class]] = {}
    for element in elements(files, name, "Class", "ModifierClass"):
        one = _Class(
            str(element.get("code", "")),
            str(element.get("kind", "")),
            [str(above.get("code", "")) for above in children(element, "SuperClass")],
            _labels(element),
            [str(by.get("code", "")) for by in children(element, "ModifiedBy")],
        )
        if element.get("modifier") is not None:
            modifiers.setdefault(str(element.get("modifier")), []).append(one)
        else:
            classes.append(one)
        if len(classes) > CLASSES_MAX:
            raise MalformedContent("The file holds more classes than a classification has; check it.")
    return classes, modifiers


def _preferred(labels: list[tuple[str, str, str]]) -> str:
    kinds = ("preferredLong", "preferred")
    return next(
        (text for kind in kinds for found, _, text in labels if found == kind), labels[0][2] if labels else ""
    )


def _modified(one: _Class, modifiers: Mapping[str, list[_Class]]) -> Iterator[_Class]:
    """Yield the codes that modifiers make of a class."""
    bases = [one]
    for name in one.modified_by:
        made = []
        for base in bases:
            for ending in modifiers.get(name, ()):
                label = f"{_preferred(base.labels)}: {_preferred(ending.labels)}"
                language = base.labels[0][1] if base.labels else ""
                made.append(
                    _Class(
                        base.code + ending.code, "category", [base.code], [("preferred", language, label)], []
                    )
                )
        yield from made
        bases = made or bases


def _read(files: Files, wish: Wish) -> Release:
    name = _file(files)
    title, version, shown = _title(files, name)
    classes, modifiers = _classes(files, name)
    stated = {one.code for one in classes}
    classes += [
        made for one in list(classes) for made in _modified(one, modifiers) if made.code not in stated
    ]
    url = wish.url or next(
        (_URLS[one] for one in sorted(_URLS, key=len, reverse=True) if title.upper().startswith(one)), ""
    )
    if not url:
        raise MalformedContent(
            f"The file calls itself {title[:40]!a}; say which code system it is (--system URL)."
        )
    language = wish.language or next((tag for one in classes for _, tag, _ in one.labels if tag), "")

    def concepts() -> Iterator[Row]:
        for one in classes:
            yield Row(one.code, _preferred(one.labels), is_abstract=one.kind in _ABSTRACT)

    def names() -> Iterator[Name]:
        for one in classes:
            best = _preferred(one.labels)
            for kind, tag, text in one.labels:
                if kind in ("preferred", "preferredLong", "inclusion") and text and text != best:
                    yield Name(one.code, text, tag, f"{url}|{kind}")

    def facts() -> Iterator[Fact]:
        return (Fact(one.code, "kind", one.kind, "code") for one in classes if one.kind)

    return Release(
        url,
        wish.version or version or "unknown",
        shown or title,
        "as the file says",
        concepts,
        language=language,
        edges=lambda: ((one.code, above) for one in classes for above in one.parents),
        names=names,
        facts=facts,
        properties={"kind": ""},
    )


LOADER = Loader("claml", "ICD-10, ICF or ATC in ClaML", _recognises, _read)
