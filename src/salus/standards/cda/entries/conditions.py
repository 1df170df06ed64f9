"""Problems and diagnoses: a concern act and its observations to Condition.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.15 and .7, IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.5, C-CDA
Problem Concern Act 2.16.840.1.113883.10.20.22.4.3 and Problem Observation .4.
"""

from __future__ import annotations

from salus.standards.cda.absent import UNKNOWN, absent, says_nothing
from salus.standards.cda.coded import codes_of, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import (
    Entry,
    author_of,
    begun,
    informant_of,
    is_negated,
    notes,
    relations,
    status_of,
    take_status,
    with_notes,
)
from salus.standards.cda.entries.qualities import (
    CERTAINTY,
    SEVERITY,
    STATUS,
    concept_by,
    find,
    seen,
    status_concept,
)
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.sections import Section
from salus.standards.cda.values import course

_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_RUNNING = frozenset({"active", "recurrence", "relapse"})
_PROBLEMS = ("11450-4", "11348-0")
CONCERNS = frozenset(
    {
        "1.3.6.1.4.1.12559.11.10.1.3.1.3.15",
        "1.3.6.1.4.1.19376.1.5.3.1.4.5.2",
        "2.16.840.1.113883.10.20.22.4.3",
        "2.16.840.1.113883.10.20.22.4.33",
        "2.16.840.1.113883.10.20.22.4.34",
        "2.16.840.1.113883.10.20.22.4.65",
        "2.16.840.1.113883.10.20.22.4.51",
        "2.16.840.1.113883.10.20.22.4.80",
    }
)
OBSERVATIONS = frozenset(
    {
        "1.3.6.1.4.1.12559.11.10.1.3.1.3.7",
        "1.3.6.1.4.1.19376.1.5.3.1.4.5",
        "2.16.840.1.113883.10.20.22.4.4",
        "2.16.840.1.113883.10.20.1.28",
    }
)


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return a Condition for each problem that a concern is about."""
    if node.name == "observation":
        return _condition(node, None, section, conversion)
    node.get("moodCode")
    node.get("negationInd")
    for code in node.all("code"):
        code.take()
    about = [each for each in relations(node) if each.node.name == "observation" and _is_problem(each.node)]
    others = [each for each in relations(node) if each not in about]
    found = [made for each in about for made in _condition(each.node, node, section, conversion)]
    words, beside = remarks(others, section, conversion)
    if found and words:
        conversion.approximate(
            node, "what is said of a concern is not told of each of its problems", words[0]
        )
    _take_concern(node, conversion, told=bool(found))
    return [*found, *beside]


def _is_problem(node: Node) -> bool:
    return bool(node.templates() & OBSERVATIONS) or any(True for _ in node.all("value"))


def _take_concern(node: Node, conversion: Conversion, *, told: bool) -> None:
    """Count the concern's own words and status as read where its problems say the same."""
    if told:
        conversion.said_in_narrative(node.first("text"))
        take_status(node)


def _condition(node: Node, concern: Node | None, section: Section, conversion: Conversion) -> list[Resource]:
    made = begun("Condition", node, conversion)
    if concern is not None:
        concern_ids = begun("Condition", concern, conversion).get("identifier", [])
        made["identifier"] = [*made.get("identifier", []), *concern_ids]
        if not made["identifier"]:
            del made["identifier"]
    rest = relations(node)
    negated = is_negated(node)
    coded = _code(node, conversion, negated=negated)
    states_absence = any(each.get("system") == UNKNOWN for each in coded.get("coding", ()))
    when = _times(node, concern, conversion)
    clinical = concept_by(find(rest, STATUS), "condition-clinical", conversion)
    if not clinical:
        derived = "" if states_absence else _clinical(concern, when, node, conversion)
        clinical = status_concept(derived, "condition-clinical") if derived else {}
    if clinical:
        made["clinicalStatus"] = clinical
    verified = concept_by(find(rest, CERTAINTY), "condition-verification", conversion)
    if negated and not states_absence:
        verified = status_concept("refuted", "condition-verification")
    if verified:
        made["verificationStatus"] = verified
    made["category"] = _categories(node, section, conversion, known=bool(clinical))
    if not made["category"]:
        del made["category"]
    severity = find(rest, SEVERITY)
    if severity is not None and (how := concept(severity.first("value"), conversion)):
        made["severity"] = how
        seen(severity)
    made["code"] = coded
    sites = [site for each in node.all("targetSiteCode") if (site := concept(each, conversion))]
    if sites:
        made["bodySite"] = sites
    made["subject"] = conversion.subject
    made |= _onset(when)
    ended = made.get("abatementDateTime", "")
    if ended and clinical and clinical["coding"][0]["code"] in _RUNNING:  # R4, con-4
        conversion.approximate(node, "a problem that goes on has an end; it is told as a note", ended)
        del made["abatementDateTime"]
        made["note"] = notes([f"Until {ended}"])
    who, recorded = author_of(node if node.first("author") else concern or node, conversion)
    made |= {"recordedDate": recorded} if recorded else {}
    made |= {"recorder": who} if who else {}
    teller = informant_of(node, conversion)
    if teller and conversion.resource(teller)["resourceType"] != "Organization":
        made["asserter"] = teller
    take_status(node)
    words, beside = remarks(rest, section, conversion)
    words.insert(0, conversion.said_in_narrative(node.first("text")))
    return [conversion.add(with_notes(made, words)), *beside]


def _code(node: Node, conversion: Conversion, *, negated: bool) -> Resource:
    """Return what the problem is; a denied "problem" says that none are known."""
    values = list(node.all("value"))
    if negated:
        known = codes()["no-known-problems"]
        denied = next((known[code] for value in values for code in codes_of(value) if code in known), "")
        if denied:
            conversion.approximate(node, "a denied problem at large is said as: no known problems")
            found = concept(values[0], conversion)
            coding = {"system": UNKNOWN, "code": denied, "display": "No known problems"}
            return {"coding": [coding], **({"text": found["text"]} if "text" in found else {})}
    if values and (nothing := says_nothing(values[0], "no-problem-info")):
        conversion.text(node.first("text"))
        return nothing
    found = concept(values[0], conversion) if values else {}
    for further in values[1:]:
        extra = concept(further, conversion)
        if "coding" in extra:
            found["coding"] = [*found.get("coding", []), *extra["coding"]]
        conversion.approximate(further, "a further value of a problem is told as a further code of it")
    if not found:
        text = conversion.text(node.first("text"))
        if text:
            conversion.approximate(node, "a problem without a code is named by its words", text)
            return {"text": text}
    return found or absent(values[0] if values else None)


def _times(node: Node, concern: Node | None, conversion: Conversion) -> Resource:
    own = course(node.first("effectiveTime"), conversion)
    theirs = course(concern.first("effectiveTime"), conversion) if concern is not None else {}
    if theirs and own and theirs != own and concern is not None:
        conversion.approximate(
            concern, "from when to when a concern was followed is not told beside its problem"
        )
    return own or theirs


def _onset(when: Resource) -> Resource:
    made: Resource = {}
    if "start" in when:
        made["onsetDateTime"] = when["start"]
    if "end" in when:
        made["abatementDateTime"] = when["end"]
    return made


def _clinical(concern: Node | None, when: Resource, node: Node, conversion: Conversion) -> str:
    """Return the clinical status that follows where none is stated: it has ended, or is followed or not."""
    if "end" in when:
        return "resolved"
    found = status_of(concern, "concern-status") if concern is not None else ""
    if found:
        conversion.approximate(
            node, "the clinical status is taken from whether the concern is followed", found
        )
    return found


def _categories(node: Node, section: Section, conversion: Conversion, *, known: bool) -> list[Resource]:
    """Return the categories: what list it is on (R4, con-3 wants a status then), and of what kind it is."""
    found: list[Resource] = []
    if section.code in _PROBLEMS and known:
        found.append({"coding": [{"system": _CATEGORY, "code": "problem-list-item"}]})
    elif section.entry == "conditions" and section.code not in _PROBLEMS:
        found.append({"coding": [{"system": _CATEGORY, "code": "encounter-diagnosis"}]})
    kind = concept(node.first("code"), conversion)
    if kind:
        found.append(kind)
    return found


ENTRY = Entry("conditions", CONCERNS | OBSERVATIONS, frozenset({"act", "observation"}), read)
