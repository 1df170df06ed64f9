"""What the writers of entries share: the page they write on, and the parts that every statement has."""

from __future__ import annotations

import msgspec

from salus.standards.cda.writing.elements import Element, identifiers, moment, put
from salus.standards.cda.writing.narrative import Block
from salus.standards.cda.writing.people import People
from salus.standards.cda.writing.source import Resource, Source

SNOMED = "2.16.840.1.113883.6.96"
LOINC = "2.16.840.1.113883.6.1"
ACT_CLASS = "2.16.840.1.113883.5.6"


class Page(msgspec.Struct):
    """A section while it is written.

    Args:
        section: its element.
        code: its LOINC code.
        block: its narrative.
        source: the document that it is made from.
        people: who takes part.
    """

    section: Element
    code: str
    block: Block
    source: Source
    people: People

    def entry(self) -> Element:
        """Append an entry."""
        return put(self.section, "entry")

    def words(self, parent: Element, words: str) -> None:
        """Append the text of a statement, as a reference into the narrative."""
        if words:
            put(put(parent, "text"), "reference", value=self.block.reference(words))


def statement(
    parent: Element, name: str, mood: str, templates: tuple[str, ...], *, kind: str = ""
) -> Element:
    """Append an act, observation and the like with its templates."""
    classes = {
        "act": "ACT", "observation": "OBS", "organizer": "CLUSTER", "procedure": "PROC",
        "substanceAdministration": "SBADM", "supply": "SPLY",
    }  # fmt: skip
    made = put(parent, name, classCode=kind or classes[name], moodCode=mood)
    for template in templates:
        put(made, "templateId", root=template)
    return made


def own_ids(parent: Element, resource: Resource, source: Source) -> None:
    """Append a resource's identifiers, a null one where it has none."""
    identifiers(parent, resource, source, least=1)


def fixed(parent: Element, name: str, code: str, system: str, display: str = "") -> None:
    """Append a code that the template fixes."""
    put(parent, name, code=code, codeSystem=system, displayName=display)


def name_of(concept: Resource) -> str:
    """Return a CodeableConcept in words, without counting it as read."""
    codings = concept.get("coding") or [{}]
    first = codings[0] if isinstance(codings[0], dict) else {}
    return str(concept.get("text") or first.get("display") or first.get("code") or "")


def code_of(concept: Resource, source: Source) -> str:
    """Return the first code of a concept and count the concept as read."""
    source.take(concept)
    codings = concept.get("coding") or [{}]
    return str(codings[0].get("code", "")) if isinstance(codings[0], dict) else ""


def span_of(parent: Element, start: str, end: str) -> None:
    """Append an effectiveTime from a beginning and an end, either of which may be missing."""
    made = put(parent, "effectiveTime")
    low, high = moment(start), moment(end)
    put(made, "low", value=low) if low else put(made, "low", nullFlavor="UNK")
    if high:
        put(made, "high", value=high)


def author(parent: Element, page: Page, resource: Resource, who_key: str, when_key: str) -> None:
    """Append who wrote an entry down, and when, where either is stated."""
    source = page.source
    who, when = source.resolve(resource, who_key), source.text(resource, when_key)
    if who and who.get("resourceType") in ("Practitioner", "PractitionerRole", "Organization", "Device"):
        page.people.author(parent, who, when)
    elif moment(when):
        made = put(parent, "author")
        put(made, "time", value=moment(when))
        put(put(made, "assignedAuthor"), "id", nullFlavor="NI")


def informant(parent: Element, page: Page, resource: Resource, key: str) -> None:
    """Append whose word an entry is, where it is stated."""
    who = page.source.resolve(resource, key)
    if who and who.get("resourceType") in ("Practitioner", "PractitionerRole", "Organization"):
        page.people.entity(put(parent, "informant"), "assignedEntity", who)


def observed(
    parent: Element,
    kind: str,
    template: str,
    code: tuple[str, str, str],
    value: tuple[str, str],
    *,
    inverted: str = "",
) -> None:
    """Append a relationship to an observation of a fixed code with a coded value."""
    relation = put(parent, "entryRelationship", typeCode=kind, inversionInd=inverted)
    made = statement(relation, "observation", "EVN", (template,))
    fixed(made, "code", *code)
    put(made, "statusCode", code="completed")
    put(made, "value", xsi_type="CD", code=value[0], codeSystem=value[1])


def comment(parent: Element, page: Page, resource: Resource) -> None:
    """Append each note as a comment (IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.2)."""
    for note in page.source.parts(resource, "note"):
        text = page.source.text(note, "text")
        if not text:
            continue
        relation = put(parent, "entryRelationship", typeCode="SUBJ", inversionInd="true")
        made = statement(
            relation, "act", "EVN", ("2.16.840.1.113883.10.20.1.40", "1.3.6.1.4.1.19376.1.5.3.1.4.2")
        )
        fixed(made, "code", "48767-8", LOINC, "Annotation comment")
        page.words(made, text)
        put(made, "statusCode", code="completed")
