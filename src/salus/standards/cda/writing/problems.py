"""Conditions and allergies as concern acts with their observations."""

from __future__ import annotations

from salus.standards.cda.writing.elements import Element, coded, null_of, put
from salus.standards.cda.writing.entry import (
    ACT_CLASS,
    LOINC,
    SNOMED,
    Page,
    author,
    code_of,
    comment,
    fixed,
    informant,
    name_of,
    observed,
    own_ids,
    span_of,
    statement,
)
from salus.standards.cda.writing.source import Resource

_CONCERN = ("1.3.6.1.4.1.12559.11.10.1.3.1.3.15", "2.16.840.1.113883.10.20.1.27")
_PROBLEM = ("1.3.6.1.4.1.12559.11.10.1.3.1.3.7",)
_ALLERGY_CONCERN = ("1.3.6.1.4.1.12559.11.10.1.3.1.3.16",)
_ALLERGY = ("1.3.6.1.4.1.12559.11.10.1.3.1.3.17",)
_REACTION = ("1.3.6.1.4.1.12559.11.10.1.3.1.3.44",)
_CLINICAL = "2.16.840.1.113883.4.642.4.1074"
_VERIFICATION = "2.16.840.1.113883.4.642.4.1075"
_ALLERGY_CLINICAL = "2.16.840.1.113883.4.642.4.1373"
_ALLERGY_VERIFICATION = "2.16.840.1.113883.4.642.4.1371"
_CRITICALITY = "2.16.840.1.113883.4.642.4.130"
_ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_KINDS = {
    ("allergy", "medication"): ("416098002", "Allergy to drug"),
    ("allergy", "food"): ("414285001", "Allergy to food"),
    ("allergy", "environment"): ("426232007", "Environmental allergy"),
    ("intolerance", "medication"): ("59037007", "Intolerance to drug"),
    ("intolerance", "food"): ("235719002", "Intolerance to food"),
    ("", "medication"): ("419511003", "Propensity to adverse reaction to drug"),
    ("", "food"): ("418471000", "Propensity to adverse reaction to food"),
    ("allergy", ""): ("419199007", "Allergy to substance"),
}
_SEVERITY = {"mild": "255604002", "moderate": "6736007", "severe": "24484000"}
_RUNNING = {"active": "active", "recurrence": "active", "relapse": "active"}
_STATUS = ("33999-4", LOINC, "Status")
_CERTAINTY = ("66455-7", LOINC, "Condition status")


def condition(resource: Resource, page: Page) -> None:
    """Write a Condition."""
    source = page.source
    clinical = code_of(source.part(resource, "clinicalStatus"), source)
    concern = statement(page.entry(), "act", "EVN", _CONCERN)
    put(concern, "id", nullFlavor="NA")
    fixed(concern, "code", "CONC", ACT_CLASS)
    put(concern, "statusCode", code=_RUNNING.get(clinical, "completed") if clinical else "active")
    start, end = source.text(resource, "onsetDateTime"), source.text(resource, "abatementDateTime")
    if onset := source.part(resource, "onsetPeriod"):
        start, end = source.text(onset, "start"), end or source.text(onset, "end")
    if abated := source.part(resource, "abatementPeriod"):
        end = source.text(abated, "start")
    span_of(concern, start, end)
    relation = put(concern, "entryRelationship", typeCode="SUBJ", inversionInd="false")
    made = statement(relation, "observation", "EVN", _PROBLEM)
    own_ids(made, resource, source)
    kinds = [each for each in source.parts(resource, "category") if not _is_list(each)]
    for each in source.parts(resource, "category"):
        if _is_list(each):
            source.take(each)
    if kinds:
        coded(made, "code", kinds[0], source)
    else:
        fixed(made, "code", "404684003", SNOMED, "Clinical finding")
    code = source.part(resource, "code")
    page.words(made, name_of(code))
    put(made, "statusCode", code="completed")
    span_of(made, start, end)
    coded(made, "value", code, source, xsi_type="CD")
    for site in source.parts(resource, "bodySite"):
        coded(made, "targetSiteCode", site, source)
    author(made, page, resource, "recorder", "recordedDate")
    informant(made, page, resource, "asserter")
    if severity := source.part(resource, "severity"):
        inner = put(made, "entryRelationship", typeCode="SUBJ", inversionInd="true")
        grade = statement(
            inner, "observation", "EVN", ("1.3.6.1.4.1.19376.1.5.3.1.4.1", "2.16.840.1.113883.10.20.1.55")
        )
        fixed(grade, "code", "SEV", "2.16.840.1.113883.5.4", "Severity")
        put(grade, "statusCode", code="completed")
        coded(grade, "value", severity, source, xsi_type="CD")
    if clinical:
        observed(made, "REFR", "1.3.6.1.4.1.12559.11.10.1.3.1.3.9", _STATUS, (clinical, _CLINICAL))
    if verified := code_of(source.part(resource, "verificationStatus"), source):
        observed(
            made,
            "SUBJ",
            "1.3.6.1.4.1.12559.11.10.1.3.1.3.49",
            _CERTAINTY,
            (verified, _VERIFICATION),
            inverted="true",
        )
    comment(made, page, resource)


def _is_list(category: Resource) -> bool:
    codings: list[Resource] = category.get("coding") or [{}]
    return any(each.get("code") in ("problem-list-item", "encounter-diagnosis") for each in codings)


def allergy(resource: Resource, page: Page) -> None:
    """Write an AllergyIntolerance."""
    source = page.source
    clinical = code_of(source.part(resource, "clinicalStatus"), source)
    concern = statement(page.entry(), "act", "EVN", _ALLERGY_CONCERN)
    put(concern, "id", nullFlavor="NA")
    fixed(concern, "code", "CONC", ACT_CLASS)
    put(concern, "statusCode", code=_RUNNING.get(clinical, "completed") if clinical else "active")
    start = source.text(resource, "onsetDateTime")
    span_of(concern, start, "")
    source.take(source.get(resource, "_onsetDateTime"))
    relation = put(concern, "entryRelationship", typeCode="SUBJ", inversionInd="false")
    made = statement(relation, "observation", "EVN", _ALLERGY)
    own_ids(made, resource, source)
    category = next((str(each) for each in source.all(resource, "category")), "")
    kind = _KINDS.get(
        (source.text(resource, "type"), category), ("420134006", "Propensity to adverse reaction")
    )
    fixed(made, "code", kind[0], SNOMED, kind[1])
    code = source.part(resource, "code")
    page.words(made, name_of(code))
    put(made, "statusCode", code="completed")
    span_of(made, start, "")
    if _is_absence(code):
        coded(made, "value", code, source, xsi_type="CD")
    else:
        author(made, page, resource, "recorder", "recordedDate")
        informant(made, page, resource, "asserter")
        role = put(put(made, "participant", typeCode="CSM"), "participantRole", classCode="MANU")
        entity = put(role, "playingEntity", classCode="MMAT")
        if code:
            coded(entity, "code", code, source)
        else:
            put(entity, "code", nullFlavor=null_of(code, source))
    for reaction in source.parts(resource, "reaction"):
        _reaction(reaction, made, page)
    if danger := source.text(resource, "criticality"):
        observed(
            made,
            "SUBJ",
            "1.3.6.1.4.1.12559.11.10.1.3.1.3.33",
            ("82606-5", LOINC, "Criticality"),
            (danger, _CRITICALITY),
        )
    if verified := code_of(source.part(resource, "verificationStatus"), source):
        observed(
            made, "SUBJ", "1.3.6.1.4.1.12559.11.10.1.3.1.3.35", _CERTAINTY, (verified, _ALLERGY_VERIFICATION)
        )
    if clinical:
        observed(made, "REFR", "1.3.6.1.4.1.12559.11.10.1.3.1.3.34", _STATUS, (clinical, _ALLERGY_CLINICAL))
    comment(made, page, resource)


def _is_absence(code: Resource) -> bool:
    return any(each.get("system") == _ABSENT for each in code.get("coding") or ())


def _reaction(reaction: Resource, parent: Element, page: Page) -> None:
    source = page.source
    start = source.text(reaction, "onset")
    severity = source.text(reaction, "severity")
    for number, shown in enumerate(source.parts(reaction, "manifestation")):
        relation = put(parent, "entryRelationship", typeCode="MFST")
        made = statement(relation, "observation", "EVN", _REACTION)
        put(made, "id", nullFlavor="NA")
        fixed(made, "code", "418799008", SNOMED, "Symptom")
        page.words(made, name_of(shown))
        put(made, "statusCode", code="completed")
        if start:
            span_of(made, start, "")
        coded(made, "value", shown, source, xsi_type="CD")
        if severity and not number:
            inner = put(made, "entryRelationship", typeCode="SUBJ", inversionInd="true")
            grade = statement(
                inner, "observation", "EVN", ("1.3.6.1.4.1.19376.1.5.3.1.4.1", "2.16.840.1.113883.10.20.1.55")
            )
            fixed(grade, "code", "SEV", "2.16.840.1.113883.5.4", "Severity")
            put(grade, "statusCode", code="completed")
            put(
                grade,
                "value",
                xsi_type="CD",
                code=_SEVERITY.get(severity, ""),
                codeSystem=SNOMED,
                displayName=severity,
            )
