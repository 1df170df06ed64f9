"""Who takes part, as assigned and represented entities of CDA."""

from __future__ import annotations

from salus.standards.cda.writing.elements import (
    Element,
    address,
    coded,
    contact,
    human_name,
    identifiers,
    moment,
    put,
    telecom,
)
from salus.standards.cda.writing.source import Resource, Source

NOBODY: Resource = {}


class People:
    """Writes participants, and remembers of whom the document speaks."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.written: set[int] = set()

    def organisation(self, parent: Element, name: str, found: Resource, *, contacts: bool = True) -> Element:
        """Append an organisation."""
        self.written.add(id(found))
        source, made = self.source, put(parent, name)
        identifiers(made, found, source, least=1)
        title = source.text(found, "name")
        put(made, "name", title) if title else put(made, "name", nullFlavor="UNK")
        if contacts:
            numbers = source.parts(found, "telecom")
            for each in numbers:
                telecom(made, each, source)
            if not numbers:
                put(made, "telecom", nullFlavor="NI")
            for each in source.parts(found, "address"):
                address(made, each, source)
        return made

    def entity(self, parent: Element, name: str, found: Resource) -> None:
        """Append an assigned entity or author: a role, a person, an organisation or a device."""
        source, kind = self.source, found.get("resourceType")
        self.written.add(id(found))
        made = put(parent, name)
        person, house, codes = found, NOBODY, []
        if kind == "PractitionerRole":
            person = source.resolve(found, "practitioner")
            house = source.resolve(found, "organization")
            codes = source.parts(found, "code")
        elif kind == "Organization":
            person, house = NOBODY, found
        if person:
            self.written.add(id(person))
        identifiers(made, person or house, source, least=1)
        if kind == "PractitionerRole":
            source.parts(found, "identifier")
        if codes:
            coded(made, "code", codes[0], source)
        contact(made, person, source)
        if kind == "Device":
            self._device(made, found)
        else:
            self._person(made, person)
        if house:
            self.organisation(made, "representedOrganization", house)

    def _person(self, made: Element, person: Resource) -> None:
        names = self.source.parts(person, "name") if person else []
        within = put(made, "assignedPerson")
        for each in names:
            human_name(within, each, self.source)
        if not names:
            put(within, "name", nullFlavor="NI")

    def _device(self, made: Element, device: Resource) -> None:
        within = put(made, "assignedAuthoringDevice")
        names = [self.source.text(each, "name") for each in self.source.parts(device, "deviceName")]
        put(within, "softwareName", next(filter(None, names), "") or "unknown")

    def author(self, parent: Element, found: Resource, time: str) -> None:
        """Append an author with the time at which it wrote."""
        made = put(parent, "author")
        text = moment(time)
        put(made, "time", value=text) if text else put(made, "time", nullFlavor="UNK")
        self.entity(made, "assignedAuthor", found)
