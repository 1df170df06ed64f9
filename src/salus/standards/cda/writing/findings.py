"""Observations, procedures and devices as entries of MyHealth@EU."""

from __future__ import annotations

from copy import deepcopy

from salus.standards.cda.writing.elements import (
    Element,
    coded,
    identifiers,
    moment,
    null_of,
    put,
    quantity,
    value_of,
    when,
)
from salus.standards.cda.writing.entry import (
    SNOMED,
    Page,
    author,
    comment,
    fixed,
    name_of,
    own_ids,
    statement,
)
from salus.standards.cda.writing.source import Resource

_SIMPLE = "1.3.6.1.4.1.19376.1.5.3.1.4.13"
_BY_SECTION = {
    "8716-3": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.22", "1.3.6.1.4.1.19376.1.5.3.1.4.13.2", _SIMPLE),
    "29762-2": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.23", "1.3.6.1.4.1.19376.1.5.3.1.4.13.4", _SIMPLE),
    "10162-6": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.24", "1.3.6.1.4.1.19376.1.5.3.1.4.13.5", _SIMPLE),
    "30954-2": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.43", _SIMPLE),
    "47420-5": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.40", _SIMPLE),
}
_LABORATORY = "1.3.6.1.4.1.19376.1.3.1.6"
_ORGANISER = {
    "8716-3": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.21", "1.3.6.1.4.1.19376.1.5.3.1.4.13.1"),
    "30954-2": ("1.3.6.1.4.1.12559.11.10.1.3.1.3.42",),
}
_STATES = {
    "final": "completed", "preliminary": "active", "registered": "new", "amended": "completed",
    "corrected": "completed", "cancelled": "cancelled", "entered-in-error": "nullified",
}  # fmt: skip
_DONE = {
    "completed": "completed", "in-progress": "active", "preparation": "new", "on-hold": "suspended",
    "stopped": "aborted", "not-done": "cancelled", "entered-in-error": "nullified",
}  # fmt: skip
DEPTH_MAX = 6


def observation(resource: Resource, page: Page) -> None:
    """Write an Observation; one with members or components as an organizer."""
    if _holds(resource) and not _has_value(resource):
        _organizer(page.entry(), resource, page, 0)
    else:
        _observation(page.entry(), resource, page, 0)


def _holds(resource: Resource) -> bool:
    return bool(resource.get("component") or resource.get("hasMember"))


def _has_value(resource: Resource) -> bool:
    return any(key.startswith("value") for key in resource)


def _organizer(parent: Element, resource: Resource, page: Page, depth: int) -> None:
    source = page.source
    page.people.written.add(id(resource))
    templates = _ORGANISER.get(page.code, ("1.3.6.1.4.1.12559.11.10.1.3.1.3.39",))
    made = statement(parent, "organizer", "EVN", templates, kind="CLUSTER")
    own_ids(made, resource, source)
    _category(resource, page)
    coded(made, "code", source.part(resource, "code"), source)
    _state(made, resource, page, _STATES)
    when(made, "effectiveTime", resource, "effective", source)
    _performers(made, resource, page)
    for component in source.parts(resource, "component"):
        inner = {"status": resource.get("status"), **component}
        source.take(component)
        _observation(put(made, "component"), inner, page, depth + 1, time=made)
    for member in source.resolve_all(resource, "hasMember"):
        if depth < DEPTH_MAX and member.get("resourceType") == "Observation":
            if _holds(member) and not _has_value(member):
                _organizer(put(made, "component"), member, page, depth + 1)
            else:
                _observation(put(made, "component"), member, page, depth + 1)
    for note in source.parts(resource, "note"):
        source.approximate(
            "Observation.note", "a note to a panel stands in no element of it", source.text(note, "text")
        )


def _observation(
    parent: Element, resource: Resource, page: Page, depth: int, *, time: Element | None = None
) -> None:
    source = page.source
    page.people.written.add(id(resource))
    templates = _BY_SECTION.get(page.code, (_SIMPLE,))
    if any(
        each.get("code") == "laboratory"
        for kind in resource.get("category") or ()
        for each in kind.get("coding") or ()
    ):
        templates = (*templates, _LABORATORY)
    made = statement(parent, "observation", "EVN", templates)
    own_ids(made, resource, source)
    _category(resource, page)
    code = source.part(resource, "code")
    coded(made, "code", code, source)
    page.words(made, name_of(code))
    _state(made, resource, page, _STATES)
    if time is None:
        when(made, "effectiveTime", resource, "effective", source)
    else:
        _same_time(made, time)
    if not value_of(made, resource, source) and not _holds(resource):
        reason = source.part(resource, "dataAbsentReason")
        source.take(reason)
        put(made, "value", xsi_type="CD", nullFlavor=_null(reason))
    for name, key in (
        ("interpretationCode", "interpretation"),
        ("methodCode", "method"),
        ("targetSiteCode", "bodySite"),
    ):
        for concept in source.parts(resource, key):
            coded(made, name, concept, source)
    _specimen(made, resource, page)
    _performers(made, resource, page)
    comment(made, page, resource)
    for member in [*source.parts(resource, "component"), *source.resolve_all(resource, "hasMember")]:
        if depth < DEPTH_MAX:
            relation = put(made, "entryRelationship", typeCode="COMP")
            _observation(
                relation,
                {"status": "final", **member} if "resourceType" not in member else member,
                page,
                depth + 1,
            )
    for bounds in source.parts(resource, "referenceRange"):
        _range(made, bounds, page)


def _null(reason: Resource) -> str:
    codes = {
        "unknown": "UNK",
        "asked-unknown": "ASKU",
        "masked": "MSK",
        "not-applicable": "NA",
        "not-asked": "NASK",
    }
    found = (reason.get("coding") or [{}])[0].get("code", "")
    return codes.get(found, "UNK")


def _same_time(made: Element, organizer: Element) -> None:
    """Give a component the time of its panel."""
    found = organizer.find("{*}effectiveTime")
    if found is not None:
        made.append(deepcopy(found))


def _category(resource: Resource, page: Page) -> None:
    """Count the category as said: by the section, or by a template."""
    for each in page.source.parts(resource, "category"):
        page.source.take(each)


def _state(made: Element, resource: Resource, page: Page, states: dict[str, str]) -> None:
    state = states.get(page.source.text(resource, "status"), "")
    put(made, "statusCode", code=state) if state else put(made, "statusCode", nullFlavor="UNK")


def _performers(made: Element, resource: Resource, page: Page) -> None:
    source = page.source
    for who in source.resolve_all(resource, "performer"):
        page.people.entity(put(made, "performer"), "assignedEntity", who)
    for reference in source.parts(resource, "performer"):
        if "reference" not in reference and (name := source.text(reference, "display")):
            entity = put(put(made, "performer"), "assignedEntity")
            put(entity, "id", nullFlavor="UNK")
            put(put(entity, "representedOrganization"), "name", name)
            source.approximate(
                "Observation.performer", "a performer by name alone is said as an organisation", name
            )
    issued = moment(source.text(resource, "issued"))
    if issued:
        written = put(made, "author")
        put(written, "time", value=issued)
        put(put(written, "assignedAuthor"), "id", nullFlavor="NI")


def _specimen(made: Element, resource: Resource, page: Page) -> None:
    found = page.source.resolve(resource, "specimen")
    if not found:
        return
    page.people.written.add(id(found))
    role = put(put(made, "specimen"), "specimenRole")
    identifiers(role, found, page.source)
    if kind := page.source.part(found, "type"):
        coded(put(role, "specimenPlayingEntity"), "code", kind, page.source)


def _range(made: Element, bounds: Resource, page: Page) -> None:
    source = page.source
    within = put(put(made, "referenceRange"), "observationRange")
    text = source.text(bounds, "text")
    if text:
        put(within, "text", text)
    low, high = source.part(bounds, "low"), source.part(bounds, "high")
    if low or high:
        value = put(within, "value", xsi_type="IVL_PQ")
        for name, bound in (("low", low), ("high", high)):
            if bound:
                quantity(value, name, bound, source)
    if kind := source.part(bounds, "type"):
        coded(within, "interpretationCode", kind, source)


def procedure(resource: Resource, page: Page) -> None:
    """Write a Procedure."""
    source = page.source
    made = statement(page.entry(), "procedure", "EVN", ("1.3.6.1.4.1.12559.11.10.1.3.1.3.26",))
    if source.text(resource, "status") == "not-done":
        made.set("negationInd", "true")
    own_ids(made, resource, source)
    code = source.part(resource, "code")
    if code:
        coded(made, "code", code, source)
    else:
        put(made, "code", nullFlavor=null_of(code, source))
    page.words(made, name_of(code))
    _state(made, resource, page, _DONE)
    when(made, "effectiveTime", resource, "performed", source, typed=True)
    for site in source.parts(resource, "bodySite"):
        coded(made, "targetSiteCode", site, source)
    for actor in source.parts(resource, "performer"):
        if who := source.resolve(actor, "actor"):
            page.people.entity(put(made, "performer"), "assignedEntity", who)
    author(made, page, resource, "recorder", "")
    for focal in source.parts(resource, "focalDevice"):
        if used := source.resolve(focal, "manipulated"):
            _device(put(made, "participant", typeCode="DEV"), used, page)
    for reason in source.parts(resource, "reasonCode"):
        relation = put(made, "entryRelationship", typeCode="RSON")
        why = statement(relation, "observation", "EVN", ("1.3.6.1.4.1.19376.1.5.3.1.4.13",))
        fixed(why, "code", "64572001", SNOMED, "Disease")
        put(why, "statusCode", code="completed")
        coded(why, "value", reason, source, xsi_type="CD")
    comment(made, page, resource)


def device_use(resource: Resource, page: Page) -> None:
    """Write a DeviceUseStatement."""
    source = page.source
    made = statement(page.entry(), "supply", "EVN", ("1.3.6.1.4.1.12559.11.10.1.3.1.3.5",))
    own_ids(made, resource, source)
    used = source.resolve(resource, "device")
    page.words(made, name_of(source.part(used, "type")))
    states = {
        "active": "active",
        "completed": "completed",
        "stopped": "aborted",
        "on-hold": "suspended",
        "intended": "new",
    }
    state = states.get(source.text(resource, "status"), "")
    if state:
        put(made, "statusCode", code=state)
    when(made, "effectiveTime", resource, "timing", source, typed=True)
    author(made, page, resource, "source", "recordedOn")
    _device(put(made, "participant", typeCode="DEV"), used, page)
    comment(made, page, resource)


def _device(parent: Element, device: Resource, page: Page) -> None:
    source = page.source
    page.people.written.add(id(device))
    role = put(parent, "participantRole", classCode="MANU")
    source.resolve(device, "patient")
    for carrier in source.parts(device, "udiCarrier"):
        source.take(carrier)
        if text := source.text(carrier, "carrierHRF"):
            put(role, "id", root="2.16.840.1.113883.3.3719", extension=text)
    identifiers(role, device, source)
    playing = put(role, "playingDevice", classCode="DEV", determinerCode="INSTANCE")
    kind = source.part(device, "type")
    if kind:
        coded(playing, "code", kind, source)
    else:
        put(playing, "code", nullFlavor=null_of(kind, source))
    for name in source.parts(device, "deviceName"):
        source.text(name, "type")
        if text := source.text(name, "name"):
            put(playing, "manufacturerModelName", text)
            break
    if maker := source.text(device, "manufacturer"):
        put(put(role, "scopingEntity", classCode="ORG"), "desc", maker)
