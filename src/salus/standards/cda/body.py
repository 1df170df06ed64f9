"""The body of a ClinicalDocument: its sections, or what it carries instead of them."""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.attachments import attachment
from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import is_about_another
from salus.standards.cda.entries.registry import inside, read_entry
from salus.standards.cda.identifiers import identifier
from salus.standards.cda.narrative import narrative, nothing
from salus.standards.cda.node import Node
from salus.standards.cda.people import participant
from salus.standards.cda.sections import OTHER, Section, section_of, sections

LOINC = "http://loinc.org"
FURTHER = "urn:salus:section"
_FURTHER = "Further entries of the section before; its text says them."
EMPTY_REASON = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
DEPTH_MAX = 8


def read_sections(root: Node, conversion: Conversion, *, above: Section = OTHER) -> list[Resource]:
    """Return the sections of a structured body, those within them inside."""
    body = root.first("component", "structuredBody")
    if body is None:
        return []
    nodes = [section for each in body.all("component") for section in each.all("section")]
    return [_section(node, above, conversion, 1) for node in nodes]


def _section(node: Node, above: Section, conversion: Conversion, depth: int) -> Resource:
    known = section_of(node)
    if known is OTHER and above is not OTHER:
        known = above
        code_known = False
    else:
        code_known = known is not OTHER
    made: Resource = {}
    title = node.first("title")
    words = title.words() if title is not None else ""
    code = _code(node, known if code_known else OTHER, conversion)
    made["title"] = words or _name(code, known)
    made["code"] = code
    made["text"] = narrative(node.first("text"), conversion)
    writers = [
        who
        for each in node.all("author")
        if (who := participant(each.first("assignedAuthor"), conversion, each.first("functionCode")))
    ]
    if writers:
        made["author"] = writers
    number = node.first("id")
    own = identifier(number, conversion) if number is not None else {}
    if own and known.entry != "prescriptions":  # of which it is the number of the prescription
        conversion.approximate(node, "a section's own id has no element in R4", str(own.get("value", "")))
    made["entry"] = list(
        {
            reference["reference"]: reference
            for entry in (() if is_about_another(node) else node.all("entry"))
            for reference in _entries(entry, known, conversion)
        }.values()
    )
    if depth < DEPTH_MAX:
        inner = [section for each in node.all("component") for section in each.all("section")]
        made["section"] = [_section(each, known, conversion, depth + 1) for each in inner]
    if not (made["entry"] or made.get("section")):
        made["emptyReason"] = _empty(node)
    return {key: value for key, value in made.items() if value}


def _entries(entry: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return what an entry's statements become; a template of the entry counts as one of its statement."""
    entry.get("typeCode")
    found = []
    for node in inside(entry):
        node.children = [*(each for each in entry.children if each.name == "templateId"), *node.children]
        found += read_entry(node, section, conversion)
    return found


def _code(node: Node, known: Section, conversion: Conversion) -> Resource:
    """Return a section's code: the European format's first, then the source's own."""
    own = concept(node.first("code"), conversion)
    if known is OTHER:
        return own or absent(node.first("code"))
    ours = {"system": LOINC, "code": known.code, "display": known.display}
    theirs = own.get("coding", [])
    if any(each.get("system") == LOINC and each["code"] == known.code for each in theirs):
        return own
    if theirs or not own:
        conversion.approximate(node, "the section is also called by its European name", known.display)
    return {**own, "coding": [ours, *theirs]}


def _name(code: Resource, known: Section) -> str:
    names = [code.get("text", ""), *(each.get("display", "") for each in code.get("coding", ()))]
    return known.title or next(filter(None, names), "") or "Section"


def _empty(node: Node) -> Resource:
    """Return why a section has no entries: the source's nullFlavor says it, or it has only words."""
    code = {"NASK": "notasked", "MSK": "withheld", "NI": "unavailable"}.get(node.null(), "unavailable")
    return {"coding": [{"system": EMPTY_REASON, "code": code}]}


def parted(found: list[Resource], conversion: Conversion) -> list[Resource]:
    """Return the sections of a patient summary, entries that they do not take in sections of ours.

    The European section of social history takes tobacco and alcohol by two LOINC codes, that of function no
    Observation, and so on: what does not fit is kept, behind its section, and not called a part of it.
    """
    known = {each.code: each for each in sections().values()}
    made: list[Resource] = []
    for section in found:
        codes = [each["code"] for each in section["code"].get("coding", ()) if each.get("system") == LOINC]
        kind = next((known[code] for code in codes if code in known), OTHER)
        entries = section.get("entry", [])
        judged = [(each, _fits(conversion.resource(each), kind)) for each in entries]
        out = [each for each, fits in judged if not fits]
        if not out:
            made.append(section)
            continue
        kept = {**section, "entry": [each for each, fits in judged if fits]}
        if not kept["entry"]:
            del kept["entry"]
            kept["emptyReason"] = {"coding": [{"system": EMPTY_REASON, "code": "unavailable"}]}
        made += [kept, further(section["title"], kind.code, out)]
        for each in out:
            what = str(conversion.resource(each)["resourceType"])
            reason = "the European section does not take it; it stands in a section of its own behind it"
            conversion.account.approximate(f"ClinicalDocument/.../section[{kind.code}]", reason, what)
    return made


def further(title: str, code: str, entries: list[Resource]) -> Resource:
    """Return the section that holds what the European section of a code does not take."""
    coding = {"system": FURTHER, "code": f"further-{code}"}
    return {
        "title": f"{title} (+)",
        "code": {"coding": [coding]},
        "text": nothing(_FURTHER),
        "entry": entries,
    }


def _fits(resource: Resource, section: Section) -> bool:
    kind = resource["resourceType"]
    if section.takes and kind not in section.takes:
        return False
    if kind != "Observation" or not section.observations:
        return True
    codes = {each["code"] for each in resource["code"].get("coding", ()) if each.get("system") == LOINC}
    return bool(codes & set(section.observations)) and "effectivePeriod" not in resource


def with_required(found: list[Resource], kind: str) -> list[Resource]:
    """Return a document's sections, with those that the format demands of its kind and the source lacks."""
    there = {each["code"] for section in found for each in section["code"].get("coding", ())}
    missing = [each for each in sections().values() if kind in each.required_in and each.code not in there]
    return found + [
        {
            "title": each.title,
            "code": {"coding": [{"system": LOINC, "code": each.code, "display": each.display}]},
            "text": nothing(),
            "emptyReason": {"coding": [{"system": EMPTY_REASON, "code": "unavailable"}]},
        }
        for each in missing
    ]


def payload(root: Node, conversion: Conversion) -> Resource:
    """Return what a body that is no XML carries (a PDF, a picture, a text), {} for none."""
    return attachment(root.first("component", "nonXMLBody", "text"), conversion)
