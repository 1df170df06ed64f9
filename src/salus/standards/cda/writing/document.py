"""A FHIR patient summary as CDA of MyHealth@EU, level 3, for countries that still need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from lxml import etree

from salus.core.errors import MalformedContent
from salus.core.quality import Quality
from salus.standards.cda.body import FURTHER
from salus.standards.cda.sections import Section, sections
from salus.standards.cda.writing.elements import coded, put
from salus.standards.cda.writing.entry import Page
from salus.standards.cda.writing.findings import device_use, observation, procedure
from salus.standards.cda.writing.header import root_element, write_header
from salus.standards.cda.writing.medicines import medication
from salus.standards.cda.writing.narrative import Block
from salus.standards.cda.writing.people import People
from salus.standards.cda.writing.problems import allergy, condition
from salus.standards.cda.writing.source import Resource, Source
from salus.standards.cda.writing.vaccinations import immunization

_WRITERS: dict[str, Callable[[Resource, Page], None]] = {
    "Condition": condition,
    "AllergyIntolerance": allergy,
    "MedicationStatement": medication,
    "MedicationRequest": medication,
    "Immunization": immunization,
    "Observation": observation,
    "Procedure": procedure,
    "DeviceUseStatement": device_use,
}
_MEDICINES = "10160-0"
_LOINC = "2.16.840.1.113883.6.1"


class Written(msgspec.Struct, frozen=True):
    """A document in CDA.

    Args:
        body: the XML, UTF-8.
        quality: what became of what the summary says.
    """

    body: bytes
    quality: Quality


def to_cda(bundle: dict[str, Any]) -> Written:  # Any: FHIR JSON
    """Return a patient summary (a document Bundle whose Composition comes first) as CDA.

    Raises:
        MalformedContent: it is no such document, or holds values of a wrong kind.
    """
    composition = _composition(bundle)
    try:
        return _write(bundle, composition)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedContent("The Bundle is no valid FHIR; `salus check` says why.") from error


def _composition(bundle: dict[str, Any]) -> Resource:  # Any: FHIR JSON
    entries = bundle.get("entry")
    first = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    found = first.get("resource")
    if (
        bundle.get("type") != "document"
        or not isinstance(found, dict)
        or found.get("resourceType") != "Composition"
    ):
        raise MalformedContent("Only a document Bundle, its Composition first, can be written as CDA.")
    codes = {
        each.get("code") for each in (found.get("type") or {}).get("coding") or () if isinstance(each, dict)
    }
    if "60591-5" not in codes:
        raise MalformedContent("Only a patient summary (LOINC 60591-5) can be written as CDA.")
    return found


def _write(bundle: dict[str, Any], composition: Resource) -> Written:  # Any: FHIR JSON
    source = Source(bundle)
    people = People(source)
    people.written.add(id(composition))
    root = root_element()
    write_header(root, composition, source, people)
    source.text(composition, "status")
    source.take(source.get(composition, "text"))
    body = put(put(root, "component"), "structuredBody")
    known = {each.code: each for each in sections().values()}
    for number, section in enumerate(_joined(source.parts(composition, "section"), source), start=1):
        _section(put(put(body, "component"), "section"), section, number, known, source, people)
    source.finish(people.written)
    etree.cleanup_namespaces(root, keep_ns_prefixes=["xsi", "pharm"])
    body_bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Written(body_bytes, source.account.quality())


def _joined(found: list[Resource], source: Source) -> list[tuple[Resource, list[Resource]]]:
    """Return sections with their entries, those that stand behind one (`body.parted`) taken back into it."""
    made: list[tuple[Resource, list[Resource]]] = []
    for section in found:
        entries = source.resolve_all(section, "entry")
        code = (section.get("code") or {}).get("coding") or [{}]
        if made and code[0].get("system") == FURTHER and str(code[0].get("code", "")).startswith("further-"):
            source.take(section)
            made[-1][1].extend(entries)
        else:
            made.append((section, entries))
    return made


def _is_taken(resource: Resource, section: str) -> bool:
    """Return whether a medicine belongs on the list of those taken: no plan or proposal may look like one."""
    return section == _MEDICINES and resource.get("intent", "order") not in ("plan", "proposal", "option")


def _section(
    element: etree._Element,
    found: tuple[Resource, list[Resource]],
    number: int,
    known: dict[str, Section],
    source: Source,
    people: People,
) -> None:
    section, entries = found
    code = source.part(section, "code")
    loinc = next(
        (str(each.get("code")) for each in code.get("coding") or () if each.get("code") in known), ""
    )
    templates = known[loinc].templates if loinc else ()
    for template in [each for each in templates if each.startswith("1.3.6.1.4.1.12559.")]:
        put(element, "templateId", root=template)
    if loinc:
        display = next((each.get("display", "") for each in code["coding"] if each.get("code") == loinc), "")
        put(element, "code", code=loinc, codeSystem=_LOINC, codeSystemName="LOINC", displayName=display)
        source.take(code)
    else:
        coded(element, "code", code, source)
    put(element, "title", source.text(section, "title") or "-")
    block = Block(element, f"s{number}-")
    text = source.part(section, "text")
    source.text(text, "status")
    block.write(source.text(text, "div"))
    source.take(source.get(section, "emptyReason"))
    page = Page(element, loinc, block, source, people)
    for resource in entries:
        writer = _WRITERS.get(str(resource.get("resourceType")))
        if (
            writer is None
            or resource.get("focus")
            or (writer is medication and not _is_taken(resource, loinc))
        ):
            continue  # what is about a fetus or a donor (focus) has no way to say so here
        people.written.add(id(resource))
        source.resolve(resource, "subject")
        source.resolve(resource, "patient")
        drug = source.resolve(resource, "medicationReference")
        if drug:
            people.written.add(id(drug))
        source.take(source.get(resource, "text"))
        writer(resource, page)
    block.finish()
