"""Family history: an organizer about a relative to FamilyMemberHistory.

Template: C-CDA Family History Organizer 2.16.840.1.113883.10.20.22.4.45, IHE PCC
1.3.6.1.4.1.19376.1.5.3.1.4.15.
"""

from __future__ import annotations

from salus.standards.cda.coded import codes_of, required_concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Entry, begun, is_negated, relations, take_status, with_notes
from salus.standards.cda.entries.qualities import seen
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.names import human_names
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.sections import Section
from salus.standards.cda.values import occurrence, quantity

_AGE = frozenset({"445518008", "397659008", "30525-0"})
_DEAD = frozenset({"419099009"})
_GENDER = "http://hl7.org/fhir/administrative-gender"


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the FamilyMemberHistory."""
    relative = node.first("subject", "relatedSubject")
    if relative is None:
        return []
    made = begun("FamilyMemberHistory", node, conversion)
    made["status"] = "completed" if take_status(node) == "completed" else "partial"
    made["patient"] = conversion.subject
    made["relationship"] = required_concept(relative.first("code"), conversion)
    _person(relative.first("subject"), made, conversion)
    words: list[str] = []
    beside: list[Resource] = []
    conditions = [
        _condition(relation.node, made, section, conversion, words, beside)
        for relation in relations(node, "component")
        if relation.node.name == "observation"
    ]
    if conditions:
        made["condition"] = conditions
    told, more = remarks(relations(node), section, conversion)
    return [conversion.add(with_notes(made, [*words, *told])), *beside, *more]


def _person(subject: Node | None, made: Resource, conversion: Conversion) -> None:
    if subject is None:
        return
    names = human_names(subject, conversion)
    if names:
        made["name"] = (
            names[0].get("text") or " ".join([*names[0].get("given", []), names[0].get("family", "")]).strip()
        )
    gender = subject.first("administrativeGenderCode")
    code = codes()["gender"].get(gender.peek("code"), "") if gender is not None else ""
    if gender is not None and code:
        gender.take()
        made["sex"] = {"coding": [{"system": _GENDER, "code": code}]}
    born = conversion.moment(subject.first("birthTime"))
    if born:
        made["bornDate"] = born[:10]
    dead = subject.first("deceasedInd")
    when = conversion.moment(subject.first("deceasedTime"))
    if when:
        made["deceasedDate"] = when[:10]
    elif dead is not None and dead.peek("value") in ("true", "false"):
        made["deceasedBoolean"] = dead.get("value") == "true"


def _condition(
    node: Node,
    made: Resource,
    section: Section,
    conversion: Conversion,
    words: list[str],
    beside: list[Resource],
) -> Resource:
    node.get("moodCode")
    take_status(node)
    denied = is_negated(node)
    value = node.first("value")
    condition: Resource = {
        "code": required_concept(value if value is not None else node.first("code"), conversion)
    }
    if value is not None:
        for code in node.all("code"):
            code.take()
    if denied:
        conversion.approximate(node, "a denied condition of a relative is told as a note beside it")
        condition["note"] = [{"text": "Not present"}]
    rest = []
    for relation in relations(node):
        child = relation.node
        found = set(codes_of(child.first("code")))
        if (
            child.name == "observation"
            and found & _AGE
            and (age := quantity(child.first("value"), conversion))
        ):
            condition["onsetAge"] = _age(age)
            seen(child)
        elif child.name == "observation" and set(codes_of(child.first("value"))) & _DEAD:
            seen(child)
            condition["contributedToDeath"] = relation.kind == "CAUS"
            if not any(key.startswith("deceased") for key in made):
                made["deceasedBoolean"] = True
        else:
            rest.append(relation)
    when = occurrence(node.first("effectiveTime"), conversion, "at")
    text = when.get("atDateTime") or when.get("atPeriod", {}).get("start", "")
    if text and "onsetAge" not in condition:
        condition["onsetString"] = text
    elif text:
        conversion.approximate(
            node, "beside the age at its onset, the time of a relative's condition is left out", text
        )
    told, more = remarks(rest, section, conversion)
    words += told
    beside += more
    return condition


def _age(found: Resource) -> Resource:
    """Return a quantity of time as Age (R4, age-1: UCUM, a value above 0)."""
    if "code" not in found:
        return {"value": found["value"], "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    return found


ENTRY = Entry(
    "family-history",
    frozenset({"2.16.840.1.113883.10.20.22.4.45", "1.3.6.1.4.1.19376.1.5.3.1.4.15"}),
    frozenset({"organizer"}),
    read,
)
