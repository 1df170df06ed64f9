"""CDA elements from values: codes, quantities, times, identifiers, names (HL7 v3 data types R1)."""

from __future__ import annotations

import re
from functools import cache

from lxml import etree

from salus.standards.cda.absent import DATA_ABSENT
from salus.standards.cda.coded import systems
from salus.standards.cda.node import V3, XSI
from salus.standards.cda.writing.source import Resource, Source

PHARM = "urn:hl7-org:pharm"
SDTC = "urn:hl7-org:sdtc"
UCUM = "http://unitsofmeasure.org"
TYPE = f"{{{XSI}}}type"
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NULLS = {
    "unknown": "UNK", "asked-unknown": "ASKU", "not-asked": "NASK", "temp-unknown": "NAV", "masked": "MSK",
    "not-applicable": "NA", "unsupported": "OTH", "negative-infinity": "NINF", "positive-infinity": "PINF",
}  # fmt: skip
_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?", re.ASCII
)
Element = etree._Element


def clean(text: str) -> str:
    """Return a text without characters that XML cannot carry."""
    return _ILLEGAL.sub("", text)


def put(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    """Append an element of HL7 v3 (or "{namespace}name"); attributes that are "" are left out.

    `xsi_type` is xsi:type, a trailing underscore is cut off (`class_` is no attribute of CDA, `use` is).
    """
    tag = name if name.startswith("{") else f"{{{V3}}}{name}"
    made = etree.SubElement(parent, tag)
    for key, value in attributes.items():
        if value:
            made.set(TYPE if key == "xsi_type" else key, clean(value))
    if text:
        made.text = clean(text)
    return made


@cache
def _oids() -> dict[str, str]:
    """Return OIDs by the URI of their code system; of several the first that the tables name."""
    found: dict[str, str] = {}
    for oid, uri in systems().items():
        found.setdefault(uri, oid)
    # Of systems with several OIDs the one that MyHealth@EU writes.
    found["http://hl7.org/fhir/sid/icd-10"] = "1.3.6.1.4.1.12559.11.10.1.3.1.44.2"
    found["http://www.whocc.no/atc"] = "2.16.840.1.113883.6.73"
    return found


def oid_of(uri: str) -> str:
    """Return a system's OID (or UUID), "" where it has none that is known."""
    if uri.startswith(("urn:oid:", "urn:uuid:")):
        return uri.partition(":")[2].partition(":")[2]
    return _oids().get(uri, "")


def coded(parent: Element, name: str, concept: Resource, source: Source, **attributes: str) -> Element:
    """Append a CD: the first code, the others as its translations, the text as originalText."""
    codings = source.parts(concept, "coding")
    text = source.text(concept, "text")
    made = put(parent, name, **attributes)
    known = [each for each in codings if source.text(each, "code")]
    if known:
        _code(made, known[0], source)
    else:
        made.set("nullFlavor", "OTH" if text else null_of(concept, source))
    if text:
        put(made, "originalText", text)
    for other in known[1:]:
        _code(put(made, "translation"), other, source)
    return made


def _code(element: Element, coding: Resource, source: Source) -> None:
    system = source.text(coding, "system")
    oid = oid_of(system)
    element.set("code", clean(source.text(coding, "code")))
    if oid:
        element.set("codeSystem", oid)
    elif system:  # `coded.coding` takes it from there
        element.set("codeSystemName", clean(system))
        source.approximate("Coding.system", "a system without an OID is named in codeSystemName", system)
    for key, attribute in (("version", "codeSystemVersion"), ("display", "displayName")):
        if value := source.text(coding, key):
            element.set(attribute, clean(value))


def null_of(owner: Resource | None, source: Source) -> str:
    """Return the nullFlavor of a data-absent-reason, UNK where none is given."""
    for extension in source.parts(owner, "extension") if owner else ():
        if source.text(extension, "url") == DATA_ABSENT:
            return _NULLS.get(source.text(extension, "valueCode"), "UNK")
    return "UNK"


def moment(text: str) -> str:
    """Return a FHIR date, dateTime or instant as TS, "" where it is none."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return ""
    year, month, day, hour, minute, second, _, zone = match.groups()
    found = "".join(part for part in (year, month, day, hour, minute, second) if part)
    return found + ("" if not zone else "+0000" if zone == "Z" else zone.replace(":", ""))


def when(
    parent: Element, name: str, owner: Resource, stem: str, source: Source, *, typed: bool = False
) -> Element:
    """Append an effectiveTime from `{stem}DateTime` or `{stem}Period`, null with the reason for none."""
    made = put(parent, name)
    text = moment(source.text(owner, f"{stem}DateTime"))
    span = source.part(owner, f"{stem}Period")
    start, end = (moment(source.text(span, key)) for key in ("start", "end"))
    if text:
        made.set("value", text)
    elif start or end:
        if typed:
            made.set(TYPE, "IVL_TS")
        for each, value in (("low", start), ("high", end)):
            if value:
                put(made, each, value=value)
    else:
        stated = source.part(owner, f"_{stem}DateTime") or span
        made.set("nullFlavor", null_of(stated, source))
        if typed:
            made.set(TYPE, "IVL_TS")
    return made


def quantity(parent: Element, name: str, found: Resource, source: Source, **attributes: str) -> Element:
    """Append a PQ: the UCUM code is its unit; a unit in words only is one too, which is told."""
    value, code, unit = source.get(found, "value"), source.text(found, "code"), source.text(found, "unit")
    system, comparator = source.text(found, "system"), source.text(found, "comparator")
    if value is None:
        return put(parent, name, nullFlavor=null_of(found, source), **attributes)
    ucum = code if system == UCUM else unit or code
    if ucum and system != UCUM:
        source.approximate("Quantity.unit", "a unit that is no UCUM code stands as unit", ucum)
    if not comparator:
        made = put(parent, name, **attributes, value=str(value), unit=ucum)
        if unit and unit != ucum:
            put(put(made, "translation"), "originalText", unit)
        return made
    if attributes.get("xsi_type") == "PQ":
        attributes["xsi_type"] = "IVL_PQ"
    made = put(parent, name, **attributes)
    closed = "" if comparator.endswith("=") else "false"
    put(made, "low" if comparator.startswith(">") else "high", value=str(value), unit=ucum, inclusive=closed)
    return made


def span(parent: Element, name: str, found: Resource, source: Source, **attributes: str) -> Element:
    """Append an IVL_PQ from a Range."""
    made = put(parent, name, **attributes)
    for key in ("low", "high"):
        if bound := source.part(found, key):
            quantity(made, key, bound, source)
    return made


def identifiers(parent: Element, owner: Resource, source: Source, *, least: int = 0) -> None:
    """Append the ids of a resource; a null one where the template demands one and there is none."""
    written = 0
    for each in source.parts(owner, "identifier"):
        written += identifier(parent, each, source)
    if written < least:
        put(parent, "id", nullFlavor="UNK")


def identifier(parent: Element, each: Resource, source: Source, name: str = "id") -> int:
    """Append an II; return 1, or 0 where it says nothing."""
    system, value = source.text(each, "system"), source.text(each, "value")
    assigner = source.text(source.part(each, "assigner"), "display")
    root, whole = oid_of(system), oid_of(value) if system == "urn:ietf:rfc:3986" else ""
    if whole:
        put(parent, name, root=whole, assigningAuthorityName=assigner)
    elif value and root:
        put(parent, name, root=root, extension=value, assigningAuthorityName=assigner)
    elif value:
        put(
            parent,
            name,
            extension=value,
            assigningAuthorityName=system or assigner,
            nullFlavor="" if system else "UNK",
        )
        source.approximate("Identifier.system", "a system without an OID is named as the assigner", system)
    else:
        return 0
    return 1


def human_name(parent: Element, found: Resource, source: Source) -> None:
    """Append a PN."""
    use = {"usual": "L", "official": "C", "nickname": "P"}.get(source.text(found, "use"), "")
    made = put(parent, "name", use=use)
    text, family = source.text(found, "text"), source.text(found, "family")
    given = [str(each) for each in source.all(found, "given") if each]
    for key in ("prefix", "given", "family", "suffix"):
        values = [family] if key == "family" and family else given if key == "given" else []
        if key in ("prefix", "suffix"):
            values = [str(each) for each in source.all(found, key) if each]
        for value in values:
            put(made, key, value)
    if len(made) == 0:
        if text:
            made.text = clean(text)
        else:
            made.set("nullFlavor", null_of(found, source))


def address(parent: Element, found: Resource, source: Source) -> None:
    """Append an AD."""
    use = {"home": "H", "work": "WP", "temp": "TMP", "old": "BAD"}.get(source.text(found, "use"), "")
    kind = {"postal": "PST", "physical": "PHYS"}.get(source.text(found, "type"), "")
    made = put(parent, "addr", use=" ".join(filter(None, (use, kind))))
    for line in source.all(found, "line"):
        if line:
            put(made, "streetAddressLine", str(line))
    for key, name in (
        ("city", "city"),
        ("district", "county"),
        ("state", "state"),
        ("postalCode", "postalCode"),
        ("country", "country"),
    ):
        if value := source.text(found, key):
            put(made, name, value)
    text = source.text(found, "text")
    if len(made) == 0 and text:
        made.text = clean(text)


def telecom(parent: Element, found: Resource, source: Source) -> None:
    """Append a TEL."""
    scheme = {"phone": "tel:", "fax": "fax:", "email": "mailto:", "sms": "sms:"}.get(
        source.text(found, "system"), ""
    )
    use = {"home": "H", "work": "WP", "mobile": "MC", "temp": "TMP", "old": "BAD"}.get(
        source.text(found, "use"), ""
    )
    value = source.text(found, "value")
    if value:
        put(parent, "telecom", value=f"{scheme}{value}", use=use)


def contact(parent: Element, owner: Resource, source: Source, *, least: bool = True) -> None:
    """Append addresses and telecoms; null ones where a template demands one and there is none."""
    found = source.parts(owner, "address")
    for each in found:
        address(parent, each, source)
    if not found and least:
        put(parent, "addr", nullFlavor="NI")
    numbers = source.parts(owner, "telecom")
    for each in numbers:
        telecom(parent, each, source)
    if not numbers and least:
        put(parent, "telecom", nullFlavor="NI")


def value_of(parent: Element, owner: Resource, source: Source, name: str = "value") -> bool:
    """Append `value[x]` of an Observation; return whether there is one."""
    if concept := source.part(owner, "valueCodeableConcept"):
        coded(parent, name, concept, source, xsi_type="CD")
        return True
    if much := source.part(owner, "valueQuantity"):
        quantity(parent, name, much, source, xsi_type="PQ")
        return True
    if between := source.part(owner, "valueRange"):
        span(parent, name, between, source, xsi_type="IVL_PQ")
        return True
    if ratio := source.part(owner, "valueRatio"):
        made = put(parent, name, xsi_type="RTO_PQ_PQ")
        for side in ("numerator", "denominator"):
            quantity(made, side, source.part(ratio, side), source, xsi_type="PQ")
        return True
    for key, kind in (
        ("valueString", "ST"),
        ("valueInteger", "INT"),
        ("valueBoolean", "BL"),
        ("valueDateTime", "TS"),
    ):
        value = source.get(owner, key)
        if value is None:
            continue
        if kind == "ST":
            put(parent, name, str(value), xsi_type=kind)
        else:
            text = str(value).lower() if kind == "BL" else moment(str(value)) if kind == "TS" else str(value)
            put(parent, name, xsi_type=kind, value=text)
        return True
    if found := source.part(owner, "valuePeriod"):
        made = put(parent, name, xsi_type="IVL_TS")
        for key, end in (("start", "low"), ("end", "high")):
            if text := moment(source.text(found, key)):
                put(made, end, value=text)
        return True
    return False
