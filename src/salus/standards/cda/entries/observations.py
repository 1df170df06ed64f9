"""Findings, results and measurements: observation and organizer to Observation.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.20 to .25 and .39 to .47, IHE PCC
1.3.6.1.4.1.19376.1.5.3.1.4.13, C-CDA 2.16.840.1.113883.10.20.22.4.1 to .3 and its kin: what an observation
is, its code says.
"""

from __future__ import annotations

import msgspec

from salus.standards.cda.absent import absent, absent_concept
from salus.standards.cda.coded import codes_of, concept, required_concept, words_of
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import (
    Entry,
    Relation,
    author_of,
    begun,
    is_negated,
    performers,
    relations,
    status_of,
    take_status,
    with_notes,
)
from salus.standards.cda.entries.registry import read_entry
from salus.standards.cda.entries.remarks import comment, is_comment, remarks
from salus.standards.cda.entries.specimens import specimen
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import any_value, bounded, occurrence, quantity

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_IMAGING = frozenset({"18748-4"})
_RESULTS = "30954-2"
_LABORATORY = frozenset(
    {
        "1.3.6.1.4.1.12559.11.10.1.3.1.3.25", "1.3.6.1.4.1.19376.1.3.1.4", "1.3.6.1.4.1.19376.1.3.1.6",
        "2.16.840.1.113883.10.20.22.4.1", "2.16.840.1.113883.10.20.22.4.2",
    }
)  # fmt: skip
"""Blood group of eHDSI, battery and observation of IHE Laboratory, results of C-CDA."""


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the Observation of an observation, or of an organizer the one that holds its members."""
    return (
        organizer(node, section, conversion)
        if node.name == "organizer"
        else observation(node, section, conversion)
    )


def organizer(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return a panel with what it holds; without a code of its own, only what it holds."""
    held = relations(node, "component")
    within = _of_kind(node, section)
    members = [found for each in held for found in read_entry(each.node, within, conversion)]
    made = begun("Observation", node, conversion)
    _examined(node, members, conversion)
    code = concept(node.first("code"), conversion)
    kinds = [(found, conversion.resource(found)["resourceType"] in _MEMBERS) for found in members]
    inner, loose = ([found for found, is_inner in kinds if is_inner is wanted] for wanted in (True, False))
    if not code or not inner:
        if code:
            conversion.approximate(node, "what holds observations together is not told", words_of(code))
        return members
    made["status"] = status_of(node, "observation-status") or "unknown"
    if category := _category(within):
        made["category"] = category
    made["code"] = code
    made["subject"] = conversion.subject
    made |= _when(node, conversion)
    made |= _performed(node, conversion)
    if _BLOOD_PRESSURE & set(codes_of(node.first("code"))) and all(
        _is_plain(each, conversion) for each in inner
    ):
        made["component"] = [_component(each, conversion) for each in inner]
    else:
        made["hasMember"] = inner
    words, beside = remarks(relations(node), section, conversion)
    words.append(conversion.said_in_narrative(node.first("text")))
    return [conversion.add(with_notes(made, words)), *loose, *beside]


def _examined(node: Node, members: list[Resource], conversion: Conversion) -> None:
    """Say of what an organizer holds which specimen it is about: the isolate of a culture (IHE)."""
    sample = specimen(node, conversion)
    if not sample:
        return
    for each in members:
        found = conversion.resource(each)
        if found["resourceType"] == "Observation":
            found.setdefault("specimen", sample)


def _is_plain(reference: Resource, conversion: Conversion) -> bool:
    """Return whether an observation says no more than a component does, beside what its panel says."""
    return not conversion.resource(reference).keys() - _COMPONENT - _OF_THE_PANEL


def _component(reference: Resource, conversion: Conversion) -> Resource:
    """Take an observation out of the Bundle and return it as a component."""
    found = conversion.resources.pop(str(reference["reference"]))
    return {key: value for key, value in found.items() if key in _COMPONENT}


_BLOOD_PRESSURE = frozenset({"85354-9"})
_COMPONENT = frozenset({"code", "valueQuantity", "dataAbsentReason", "interpretation", "referenceRange"})
_OF_THE_PANEL = frozenset(
    {
        "resourceType",
        "status",
        "category",
        "subject",
        "effectiveDateTime",
        "_effectiveDateTime",
        "effectivePeriod",
    }
)
_MEMBERS = frozenset({"Observation", "QuestionnaireResponse", "MolecularSequence"})


def _of_kind(node: Node, section: Section) -> Section:
    """Return the section with the category that an entry's own code or template says."""
    if _IMAGING & set(codes_of(node.first("code"))):
        return msgspec.structs.replace(section, category="imaging")
    if not section.category and node.templates() & _LABORATORY:
        return msgspec.structs.replace(section, category="laboratory")
    return section


def _category(section: Section) -> list[Resource]:
    """Return the category; of a result whose kind nothing says, that it is not known."""
    if section.category:
        return [{"coding": [{"system": CATEGORY, "code": section.category}]}]
    return [absent()] if section.code == _RESULTS else []


def _when(node: Node, conversion: Conversion) -> Resource:
    found = occurrence(node.first("effectiveTime"), conversion, "effective")
    return found or {"_effectiveDateTime": absent(node.first("effectiveTime"))}


def _performed(node: Node, conversion: Conversion) -> Resource:
    """Return who did or wrote it, and when it was issued."""
    found = performers(node, conversion)
    who, when = author_of(node, conversion)
    if who and who not in found:
        found.append(who)
    made: Resource = {"performer": found} if found else {}
    if len(when) > 10:
        made["issued"] = when
    elif when:
        conversion.approximate(node, "when it was written down is left out: FHIR wants a time of day", when)
    return made


def observation(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return an Observation, with those within it as its members."""
    made = begun("Observation", node, conversion)
    denied = is_negated(node)
    value = node.first("value")
    denied_value = value is not None and value.get("negationInd") == "true"
    made["status"] = status_of(node, "observation-status") or _unknown_status(node)
    section = _of_kind(node, section)
    if category := _category(section):
        made["category"] = category
    made["code"] = required_concept(node.first("code"), conversion)
    made["subject"] = conversion.subject
    made |= _when(node, conversion)
    made |= _performed(node, conversion)
    words: list[str] = []
    made |= _value(node, conversion, words, denied=denied or denied_value)
    meaning = [found for each in node.all("interpretationCode") if (found := concept(each, conversion))]
    if meaning:
        made["interpretation"] = meaning
    for key, name in (("bodySite", "targetSiteCode"), ("method", "methodCode")):
        coded = [found for each in node.all(name) if (found := concept(each, conversion))]
        if coded:
            made[key] = coded[0]
        if len(coded) > 1:
            conversion.approximate(node, f"of several the first {name} is told", words_of(coded[1]))
    if sample := specimen(node, conversion):
        made["specimen"] = sample
    ranges = [found for each in node.all("referenceRange") if (found := _range(each, conversion))]
    if ranges:
        made["referenceRange"] = ranges
    rest, members, told = _within(relations(node), section, conversion)
    if members:
        made["hasMember"] = members
    if not members and not any(key.startswith("value") or key == "dataAbsentReason" for key in made):
        made["dataAbsentReason"] = absent_concept(value)
    more, beside = remarks(rest, section, conversion)
    words += [conversion.said_in_narrative(node.first("text")), *told, *more]
    return [conversion.add(with_notes(made, words)), *beside]


def _unknown_status(node: Node) -> str:
    take_status(node)
    return "unknown"


def _value(node: Node, conversion: Conversion, words: list[str], *, denied: bool) -> Resource:
    """Return `value[x]`; of several values the further ones as notes, a denied one in words."""
    values = [(each, any_value(each, conversion)) for each in node.all("value")]
    found = [(each, made) for each, made in values if made]
    if denied:
        if not found:
            return {"valueBoolean": False}
        text = next((_said(made) for _, made in found), "")
        conversion.approximate(node, "a denied value is said in words", text)
        return {"valueString": f"Not: {text}"}
    for each, made in found[1:]:
        conversion.approximate(each, "a further value is told as a note", _said(made))
        words.append(_said(made))
    if not found:
        return {"dataAbsentReason": absent_concept(values[0][0])} if values else {}
    return found[0][1]


def _said(made: Resource) -> str:
    (value,) = made.values()
    if isinstance(value, dict):
        if "value" in value:
            return f"{value['value']} {value.get('unit', '')}".strip()
        return words_of(value)
    return str(value)


def _within(
    nested: list[Relation], section: Section, conversion: Conversion
) -> tuple[list[Relation], list[Resource], list[str]]:
    """Return what remains, the members, and comments, of what stands within an observation."""
    rest: list[Relation] = []
    members: list[Resource] = []
    told: list[str] = []
    for relation in nested:
        node = relation.node
        if is_comment(node):
            told.append(comment(node, conversion))
        elif node.name in ("observation", "organizer") and relation.kind != "RSON":
            found = read_entry(node, section, conversion)
            inner = [each for each in found if conversion.resource(each)["resourceType"] in _MEMBERS]
            if relation.kind != "COMP" and inner:
                conversion.approximate(
                    relation.within, "what stands within an observation is told as its member"
                )
            members += inner
            if len(inner) < len(found):
                conversion.approximate(relation.within, "a statement within an entry is one of its own")
        else:
            rest.append(relation)
    return rest, members, told


def _range(node: Node, conversion: Conversion) -> Resource:
    """Return a reference range; values that are no quantities in words."""
    within = node.first("observationRange")
    if within is None:
        return {}
    made: Resource = {}
    value = within.first("value")
    words = conversion.text(within.first("text"))
    if value is not None:
        single = quantity(value, conversion)
        if single:
            made |= {"low": single, "high": single}
        else:
            made |= _bounds(bounded(value, conversion))
        if not made:
            said = any_value(value, conversion)
            words = words or (_said(said) if said else "")
    meaning = concept(within.first("interpretationCode"), conversion)
    if meaning:
        made["type"] = meaning
    if words:
        made["text"] = words
    if not {"low", "high", "text"} & made.keys():
        return {}
    return made


def _bounds(found: Resource) -> Resource:
    """Return the bounds of a range: each a Quantity without comparator."""
    if "valueRange" in found:
        return dict(found["valueRange"])
    only = found.get("valueQuantity", {})
    if "comparator" not in only:
        return {}
    end = "low" if only["comparator"].startswith(">") else "high"
    return {end: {key: value for key, value in only.items() if key != "comparator"}}


ENTRY = Entry("observations", frozenset(), frozenset({"observation", "organizer"}), read)
