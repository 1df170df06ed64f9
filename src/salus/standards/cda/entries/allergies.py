"""Allergies and intolerances: a concern act and its observations to AllergyIntolerance.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.16 and .17, IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.5.3 and 4.6,
C-CDA Allergy Concern Act 2.16.840.1.113883.10.20.22.4.30 and Observation .7.
"""

from __future__ import annotations

from salus.standards.cda.absent import UNKNOWN, absent, says_nothing
from salus.standards.cda.coded import codes_of, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import (
    Entry,
    Relation,
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
    CRITICALITY,
    SEVERITY,
    STATUS,
    coded_value,
    concept_by,
    find,
    seen,
    status_concept,
)
from salus.standards.cda.entries.remarks import remarks, said
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.sections import Section
from salus.standards.cda.values import course

_ABSENT_OID = "2.16.840.1.113883.5.1150.1"
CONCERNS = frozenset(
    {
        "1.3.6.1.4.1.12559.11.10.1.3.1.3.16",
        "1.3.6.1.4.1.19376.1.5.3.1.4.5.3",
        "2.16.840.1.113883.10.20.22.4.30",
    }
)
OBSERVATIONS = frozenset(
    {
        "1.3.6.1.4.1.12559.11.10.1.3.1.3.17",
        "1.3.6.1.4.1.19376.1.5.3.1.4.6",
        "2.16.840.1.113883.10.20.22.4.7",
        "2.16.840.1.113883.10.20.24.3.90",
    }
)
_REACTION_KINDS = ("MFST",)
_REACTIONS = frozenset({"2.16.840.1.113883.10.20.22.4.9", "1.3.6.1.4.1.12559.11.10.1.3.1.3.44"})


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return an AllergyIntolerance for each that a concern is about."""
    if node.name == "observation":
        return _allergy(node, None, section, conversion)
    node.get("moodCode")
    node.get("negationInd")
    for code in node.all("code"):
        code.take()
    about = [each for each in relations(node) if each.node.name == "observation"]
    others = [each for each in relations(node) if each.node.name != "observation"]
    found = [made for each in about for made in _allergy(each.node, node, section, conversion)]
    words, beside = remarks(others, section, conversion)
    if found and words:
        conversion.approximate(
            node, "what is said of a concern is not told of each of its allergies", words[0]
        )
    if found:
        conversion.said_in_narrative(node.first("text"))
        take_status(node)
    return [*found, *beside]


def _allergy(node: Node, concern: Node | None, section: Section, conversion: Conversion) -> list[Resource]:
    made = begun("AllergyIntolerance", node, conversion)
    ids = [*made.get("identifier", [])]
    if concern is not None:
        ids += begun("AllergyIntolerance", concern, conversion).get("identifier", [])
    if ids:
        made["identifier"] = ids
    rest = relations(node)
    negated = is_negated(node)
    coded = _code(node, conversion, negated=negated)
    states_absence = any(each.get("system") == UNKNOWN for each in coded.get("coding", ()))
    when = _times(node, concern, conversion)
    clinical = concept_by(find(rest, STATUS), "allergy-clinical", conversion)
    if not clinical:
        derived = _clinical(concern, when, node, conversion)
        clinical = status_concept(derived, "allergy-clinical") if derived else absent()
    made["clinicalStatus"] = clinical
    verified = concept_by(find(rest, CERTAINTY), "allergy-verification", conversion)
    if negated and not states_absence:
        verified = status_concept("refuted", "allergy-verification")
    if verified:
        made["verificationStatus"] = verified
    made |= _kind(node, conversion)
    dangerous = find(rest, CRITICALITY)
    if dangerous is not None and (code := coded_value(dangerous, "criticality")):
        made["criticality"] = code
        seen(dangerous)
    elif dangerous is not None:
        rest.append(Relation("SUBJ", dangerous, node))
    made["code"] = coded
    made["patient"] = conversion.subject
    if "start" in when:
        made["onsetDateTime"] = when["start"]
    if "end" in when:
        conversion.approximate(
            node, "when an allergy ended has no element; it is told as a note", when["end"]
        )
        made["note"] = notes([f"Until {when['end']}"])
    who, recorded = author_of(node if node.first("author") else concern or node, conversion)
    made |= {"recordedDate": recorded} if recorded else {}
    made |= {"recorder": who} if who else {}
    teller = informant_of(node, conversion)
    if teller and conversion.resource(teller)["resourceType"] != "Organization":
        made["asserter"] = teller
    severity = _severity(rest, conversion)
    reactions = _reactions(rest, severity, conversion)
    if reactions:
        made["reaction"] = reactions
    take_status(node)
    words, beside = remarks(rest, section, conversion)
    words.insert(0, conversion.said_in_narrative(node.first("text")))
    return [conversion.add(with_notes(made, words)), *beside]


def _code(node: Node, conversion: Conversion, *, negated: bool) -> Resource:
    """Return to what it is: the substance, or that none are known."""
    value = node.first("value")
    if value is not None and value.peek("codeSystem") == _ABSENT_OID:
        return concept(value, conversion)
    if nothing := says_nothing(value, "no-allergy-info"):
        conversion.text(node.first("text"))
        return nothing
    substances = [
        (entity, entity.first("code"))
        for entity in node.all("participant", "participantRole", "playingEntity")
    ]
    if negated:
        denied = _denied([code for _, code in substances if code is not None], value)
        if denied:
            conversion.approximate(
                node, "a denied allergy at large is said by the code for none known", denied
            )
            for entity, _ in substances:
                entity.take()
            return {"coding": [{"system": UNKNOWN, "code": denied}]}
    for entity, code in substances:
        entity.get("classCode")
        found = concept(code, conversion)
        name = entity.first("name")
        words = name.words() if name is not None else ""
        if words and words != found.get("text"):
            if found.get("text"):
                conversion.approximate(entity, "of two names of a substance one is told", words)
            else:
                found["text"] = words
        if found:
            return found
    if value is not None and not _is_kind(value):
        found = concept(value, conversion)
        if found:
            return found
    words = conversion.text(node.first("text"))
    if words:
        conversion.approximate(node, "an allergy without a substance is named by its words", words)
        return {"text": words}
    return absent(next((code for _, code in substances if code is not None), None))


def _denied(substances: list[Node], value: Node | None) -> str:
    known = codes()["no-known-allergies"]
    named = [code for each in substances for code in codes_of(each)]
    for code in named:
        if code in known:
            return known[code]
    if named:
        return ""
    return next((known[code] for code in codes_of(value) if code in known), "no-known-allergies")


def _is_kind(value: Node) -> bool:
    return bool(set(codes_of(value)) & codes()["allergy-type"].keys())


def _kind(node: Node, conversion: Conversion) -> Resource:
    """Return type and category, which the code (eHDSI) or the value (C-CDA) says."""
    made: Resource = {}
    for each in (*node.all("code"), *node.all("value")):
        if each.name == "value" and each.peek("codeSystem") == _ABSENT_OID:
            continue
        for code in codes_of(each):
            kind = codes()["allergy-type"].get(code, "")
            category = codes()["allergy-category"].get(code, "")
            if kind:
                made.setdefault("type", kind)
            if category:
                made.setdefault("category", [category])
        if each.name == "code" or _is_kind(each):
            each.take()
    return made


def _times(node: Node, concern: Node | None, conversion: Conversion) -> Resource:
    own = course(node.first("effectiveTime"), conversion)
    theirs = course(concern.first("effectiveTime"), conversion) if concern is not None else {}
    if own and theirs and own != theirs and concern is not None:
        conversion.approximate(
            concern, "from when to when a concern was followed is not told beside its allergy"
        )
    return own or theirs


def _clinical(concern: Node | None, when: Resource, node: Node, conversion: Conversion) -> str:
    if "end" in when:
        return "resolved"
    found = status_of(concern, "concern-status") if concern is not None else ""
    if found:
        conversion.approximate(
            node, "the clinical status is taken from whether the concern is followed", found
        )
    return found


def _severity(rest: list[Relation], conversion: Conversion) -> str:
    """Return the severity of the allergy itself, which R4 has only for a reaction."""
    node = find(rest, SEVERITY)
    if node is None:
        return ""
    found = _grade(node, conversion)
    if not found:
        rest.append(Relation("SUBJ", node, node))
    return found


def _grade(node: Node, conversion: Conversion) -> str:
    exact = coded_value(node, "reaction-severity")
    found = exact or coded_value(node, "reaction-severity-near")
    if found:
        original = concept(node.first("value"), conversion)
        seen(node)
        if not exact:
            words = original.get("text") or original["coding"][0].get("display", "")
            conversion.approximate(
                node, f"a severity between or beyond FHIR's is said as {found}", str(words)
            )
    return found


def _reactions(rest: list[Relation], severity: str, conversion: Conversion) -> list[Resource]:
    found = []
    for relation in list(rest):
        node = relation.node
        if node.name == "observation" and (relation.kind in _REACTION_KINDS or node.templates() & _REACTIONS):
            rest.remove(relation)
            found.append(_reaction(node, conversion))
    if severity:
        for each in found:
            each.setdefault("severity", severity)
        if not found:
            found.append({"manifestation": [absent()], "severity": severity})
    return found


def _reaction(node: Node, conversion: Conversion) -> Resource:
    node.get("moodCode")
    denied = is_negated(node)
    inner = relations(node)
    values = [shown for each in node.all("value") if (shown := concept(each, conversion))]
    code = node.first("code")
    if not values and (shown := concept(code, conversion)):
        values = [shown]
    elif code is not None:
        code.take()
    made: Resource = {"manifestation": values or [absent(node.first("value"))]}
    text = conversion.said_in_narrative(node.first("text"))
    told = [text] if text else []
    when = course(node.first("effectiveTime"), conversion)
    if "start" in when:
        made["onset"] = when["start"]
    severity = find(inner, SEVERITY)
    if severity is not None:
        grade = _grade(severity, conversion)
        if grade:
            made["severity"] = grade
        else:
            told.append(said(severity, conversion))
    take_status(node)
    told += [words for each in inner if (words := said(each.node, conversion))]
    if denied:
        conversion.approximate(node, "a denied reaction is told as a note")
        told.append("not observed")
    if told:
        made["description"] = "; ".join(told)
    return made


ENTRY = Entry("allergies", CONCERNS | OBSERVATIONS, frozenset({"act", "observation"}), read)
