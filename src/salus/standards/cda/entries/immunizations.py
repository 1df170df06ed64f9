"""Vaccinations: substanceAdministration to Immunization.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.19, IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.12, C-CDA
Immunization Activity 2.16.840.1.113883.10.20.22.4.52.
"""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import codes_of, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.doses import whole_time
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
from salus.standards.cda.entries.products import product
from salus.standards.cda.entries.qualities import seen
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import integer, quantity

_DOSE_NUMBER = frozenset({"30973-2"})
_REFUSAL = frozenset({"2.16.840.1.113883.10.20.22.4.53"})
_REACTIONS = frozenset({"2.16.840.1.113883.10.20.22.4.9", "1.3.6.1.4.1.12559.11.10.1.3.1.3.44"})


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the Immunization."""
    made = begun("Immunization", node, conversion)
    denied = is_negated(node)
    stated = status_of(node, "immunization-status")
    made["status"] = "not-done" if denied else stated or "completed"
    if not denied and not stated:
        conversion.approximate(
            node, "a vaccination without a final status is taken as given", take_status(node)
        )
    rest = relations(node)
    reasons = _refusals(rest, conversion) if made["status"] == "not-done" else []
    if reasons:
        made["statusReason"] = reasons[0]
    code, detailed = product(node.first("consumable"), conversion)
    own = node.first("code")
    if own is not None:
        if "coding" not in code and "text" not in code and own.peek("code") != "IMMUNIZ":
            code = concept(own, conversion) or code
        own.take()
    made["vaccineCode"] = code
    made["patient"] = conversion.subject
    made |= _occurrence(node, conversion)
    batch = detailed.pop("batch", {})
    for key in ("lotNumber", "expirationDate"):
        if key in batch:
            made[key] = batch[key][:10] if key == "expirationDate" else batch[key]
    if "manufacturer" in detailed:
        made["manufacturer"] = detailed.pop("manufacturer")
    words = [_product_words(detailed, node, conversion)]
    sites = [found for each in node.all("approachSiteCode") if (found := concept(each, conversion))]
    route = concept(node.first("routeCode"), conversion)
    made |= {"site": sites[0]} if sites else {}
    made |= {"route": route} if route else {}
    dose = quantity(node.first("doseQuantity"), conversion)
    made |= {"doseQuantity": dose} if dose else {}
    actors = [{"actor": who} for who in performers(node, conversion)]
    who, recorded = author_of(node, conversion)
    made |= {"recorded": recorded} if recorded else {}
    if who and not actors:
        conversion.approximate(node, "who wrote a vaccination down is told as taking part in it")
        actors = [{"actor": who}]
    if actors:
        made["performer"] = actors
    reaction = [made for made in (_reaction(each, rest, conversion) for each in list(rest)) if made]
    if reaction:
        made["reaction"] = reaction
    if protocol := _protocol(node, rest, conversion):
        made["protocolApplied"] = [protocol]
    told, beside = remarks(rest, section, conversion)
    words += [conversion.said_in_narrative(node.first("text")), *told]
    return [conversion.add(with_notes(made, words)), *beside]


def _occurrence(node: Node, conversion: Conversion) -> Resource:
    found, stated = whole_time(node, conversion)
    if "effectiveDateTime" in found:
        return {"occurrenceDateTime": found["effectiveDateTime"]}
    span = found.get("effectivePeriod")
    if span:
        conversion.approximate(node, "from when to when is told by its beginning", str(span))
        return {"occurrenceDateTime": span.get("start") or span["end"]}
    return {"_occurrenceDateTime": absent(stated)}


def _product_words(detailed: Resource, node: Node, conversion: Conversion) -> str:
    """Return what else is said of the product in words: R4 has no Medication for a vaccine."""
    form = detailed.pop("form", {})
    parts = [form.get("text") or next((each.get("display", "") for each in form.get("coding", ())), "")]
    parts += [each["itemCodeableConcept"].get("text", "") for each in detailed.pop("ingredient", ())]
    detailed.pop("extension", None)
    words = "; ".join(filter(None, parts))
    if words or detailed:
        conversion.approximate(node, "what else is said of a vaccine is told as a note", words)
    return words


def _refusals(rest: list[Relation], conversion: Conversion) -> list[Resource]:
    """Return why it was not given."""
    found = []
    for relation in list(rest):
        node = relation.node
        if node.name == "observation" and (relation.kind == "RSON" or node.templates() & _REFUSAL):
            made = concept(node.first("value") or node.first("code"), conversion)
            if made:
                rest.remove(relation)
                seen(node)
                found.append(made)
    return found


def _reaction(relation: Relation, rest: list[Relation], conversion: Conversion) -> Resource:
    node = relation.node
    if node.name != "observation" or not (relation.kind == "MFST" or node.templates() & _REACTIONS):
        return {}
    value = concept(node.first("value"), conversion)
    rest.remove(relation)
    when = conversion.moment(node.first("effectiveTime", "low")) or conversion.moment(
        node.first("effectiveTime")
    )
    seen(node)
    detail = conversion.add(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": value or absent(node.first("value")),
            "subject": conversion.subject,
        }
    )
    return {**({"date": when} if when else {}), "detail": detail}


def _protocol(node: Node, rest: list[Relation], conversion: Conversion) -> Resource:
    """Return which dose it was, and against which diseases."""
    made: Resource = {}
    diseases = []
    for each in node.all("participant"):
        role = each.first("participantRole")
        if (
            role is not None
            and role.peek("classCode") == "AGNT"
            and (found := concept(role.first("code"), conversion))
        ):
            diseases.append(found)
    if diseases:
        made["targetDisease"] = diseases
    number = _dose_number(node, rest)
    if number is not None:
        made["doseNumberPositiveInt"] = number
    elif diseases:
        made["_doseNumberString"] = absent()
    return made


def _dose_number(node: Node, rest: list[Relation]) -> int | None:
    for relation in list(rest):
        if _DOSE_NUMBER & set(codes_of(relation.node.first("code"))):
            found = integer(relation.node.first("value"))
            if found is not None and found > 0:
                rest.remove(relation)
                seen(relation.node)
                return found
    repeat = node.first("repeatNumber")
    found = integer(repeat)
    return found if found is not None and found > 0 else None


ENTRY = Entry(
    "immunizations",
    frozenset(
        {
            "1.3.6.1.4.1.12559.11.10.1.3.1.3.19",
            "1.3.6.1.4.1.19376.1.5.3.1.4.12",
            "2.16.840.1.113883.10.20.22.4.52",
        }
    ),
    frozenset({"substanceAdministration"}),
    read,
)
