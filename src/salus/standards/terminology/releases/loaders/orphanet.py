"""ORPHAcodes of Orphanet (INSERM): the nomenclature as XML, a file a language, and the classifications.

Nomenclature: JDBOR/DisorderList/Disorder with OrphaCode, Name, SynonymList, DisorderType, Totalstatus.
Classification: ClassificationNode with a Disorder and its ClassificationNodeChildList.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from lxml import etree

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Fact, Files, Loader, Name, Release, Row, Wish
from salus.standards.terminology.releases.xml import child, children, elements, first_tag, text_of

URL = "http://www.orpha.net"
DISORDERS_MAX = 200_000
_ICD10, _OMIM = "ICD-10", "OMIM"


class _Disorder(msgspec.Struct, frozen=True, gc=False):
    code: str
    name: str
    language: str
    synonyms: tuple[str, ...]
    kind: str
    status: str
    references: tuple[tuple[str, str], ...]


def _xml(files: Files) -> list[str]:
    return [one for one in files.names() if one.lower().endswith(".xml") and first_tag(files, one) == "JDBOR"]


def _recognises(files: Files) -> bool:
    return bool(_xml(files))


def _disorder(element: etree._Element, language: str) -> _Disorder:
    name = child(element, "Name")
    synonyms = child(element, "SynonymList")
    kind, status = child(element, "DisorderType"), child(element, "Totalstatus")
    references = child(element, "ExternalReferenceList")
    return _Disorder(
        text_of(child(element, "OrphaCode")),
        text_of(name),
        str(name.get("lang", language)) if name is not None else language,
        tuple(text_of(one) for one in children(synonyms, "Synonym")) if synonyms is not None else (),
        text_of(child(kind, "Name")) if kind is not None else "",
        text_of(status),
        tuple(
            (text_of(child(one, "Source")), text_of(child(one, "Reference")))
            for one in children(references, "ExternalReference")
        )
        if references is not None
        else (),
    )


def _lists(files: Files, name: str) -> Iterator[_Disorder]:
    """Yield the disorders of a nomenclature; those within classifications are only named."""
    language = name.lower().removesuffix(".xml")[-2:]
    for element in elements(files, name, "Disorder"):
        above = element.getparent()
        if above is not None and str(etree.QName(above).localname) == "DisorderList":
            yield _disorder(element, language)


def _edges(files: Files, name: str) -> Iterator[tuple[str, str]]:
    """Yield (child, parent) of a classification."""
    with files.stream(name) as stream:
        above: list[str] = []
        for event, element in etree.iterparse(
            stream,
            events=("start", "end"),
            tag=("ClassificationNode", "OrphaCode"),
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
        ):
            if element.tag == "ClassificationNode":
                if event == "start":
                    above.append("")
                else:
                    above.pop()
                    element.clear()
            elif event == "end" and above and not above[-1]:
                above[-1] = text_of(element)
                if len(above) > 1 and above[-2]:
                    yield above[-1], above[-2]


def _version(files: Files, names: list[str]) -> str:
    for name in names:
        with files.stream(name) as stream:
            for _, element in etree.iterparse(
                stream, events=("start",), resolve_entities=False, load_dtd=False, no_network=True
            ):
                return str(element.get("version") or element.get("date") or "unknown").split(" /")[0]
    return "unknown"


def _read(files: Files, wish: Wish) -> Release:
    names = _xml(files)
    found: dict[str, list[_Disorder]] = {}
    for name in names:
        for one in _lists(files, name):
            if one.code:
                found.setdefault(one.code, []).append(one)
        if len(found) > DISORDERS_MAX:
            raise MalformedContent("The files hold more disorders than Orphanet has; check them.")
    if not found:
        raise MalformedContent("The files hold no disorder; load the nomenclature (ORPHAnomenclature) too.")
    for rows in found.values():
        rows.sort(key=lambda one: one.language != (wish.language or "en"))

    def concepts() -> Iterator[Row]:
        for code, rows in found.items():
            is_gone = rows[0].status.startswith(("Inactive", "Obsolete", "Historical"))
            yield Row(code, rows[0].name, is_inactive=is_gone, status="inactive" if is_gone else "")

    def more_names() -> Iterator[Name]:
        for code, rows in found.items():
            for position, one in enumerate(rows):
                if position:
                    yield Name(code, one.name, one.language, is_display=True)
                for synonym in one.synonyms:
                    yield Name(code, synonym, one.language, "http://snomed.info/sct|900000000000013009")

    def facts() -> Iterator[Fact]:
        for code, rows in found.items():
            if rows[0].kind:
                yield Fact(code, "type", rows[0].kind)
            for source, reference in rows[0].references:
                if source and reference:
                    yield Fact(code, source, reference)

    sources = sorted({source for rows in found.values() for source, _ in rows[0].references if source})
    return Release(
        wish.url or URL,
        wish.version or _version(files, names),
        "ORPHAcodes",
        "INSERM, Orphanet",
        concepts,
        language=wish.language or next(iter(found.values()))[0].language,
        edges=lambda: (pair for one in names for pair in _edges(files, one)),
        names=more_names,
        facts=facts,
        properties=dict.fromkeys(("type", *sources), ""),
    )


LOADER = Loader("orphanet", "ORPHAcodes of Orphanet, XML", _recognises, _read)
