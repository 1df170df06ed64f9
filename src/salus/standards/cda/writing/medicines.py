"""Medicines that are or were taken as substanceAdministrations of MyHealth@EU."""

from __future__ import annotations

from decimal import Decimal

from salus.standards.cda.writing.elements import (
    Element,
    coded,
    moment,
    put,
    quantity,
    span,
    when,
)
from salus.standards.cda.writing.entry import (
    LOINC,
    SNOMED,
    Page,
    author,
    comment,
    fixed,
    name_of,
    own_ids,
    statement,
)
from salus.standards.cda.writing.products import product
from salus.standards.cda.writing.source import Resource

_STATEMENT = (
    "1.3.6.1.4.1.12559.11.10.1.3.1.3.4", "2.16.840.1.113883.10.20.1.24", "1.3.6.1.4.1.19376.1.5.3.1.4.7.1",
)  # fmt: skip
_SIG = "2.16.840.1.113883.10.20.22.4.147"
_STATES = {
    "active": "active",
    "completed": "completed",
    "stopped": "aborted",
    "on-hold": "suspended",
    "intended": "new",
    "cancelled": "cancelled",
    "entered-in-error": "nullified",
    "draft": "new",
}
_ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_TIMING_EVENT = "2.16.840.1.113883.5.139"
_EVENTS = frozenset(
    {"HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV"}
)


def medication(resource: Resource, page: Page) -> None:
    """Write a MedicationStatement or MedicationRequest as a medicine of the summary."""
    source = page.source
    is_order = resource.get("resourceType") == "MedicationRequest"
    if is_order:
        source.approximate("MedicationRequest", "an order stands in the summary as a medicine of its list")
        source.text(resource, "intent")
    status = source.text(resource, "status")
    made = statement(page.entry(), "substanceAdministration", "INT", _STATEMENT)
    if status == "not-taken" or source.get(resource, "doNotPerform"):
        made.set("negationInd", "true")
    own_ids(made, resource, source)
    concept = source.part(resource, "medicationCodeableConcept")
    drug = source.resolve(resource, "medicationReference")
    named = source.part(drug, "code") if drug else concept
    is_absence = any(each.get("system") == _ABSENT for each in named.get("coding") or ())
    if is_absence:
        coded(made, "code", named, source)
    else:
        fixed(made, "code", "DRUG", "2.16.840.1.113883.5.4", "Drug therapy")
    page.words(made, name_of(named))
    state = _STATES.get(status, "")
    put(made, "statusCode", code=state) if state else put(made, "statusCode", nullFlavor="UNK")
    doses = source.parts(resource, "dosageInstruction" if is_order else "dosage")
    first = doses[0] if doses else {}
    _times(made, resource, first, page, is_order=is_order)
    _dose(made, first, page)
    product(made, drug, named, page, is_absence=is_absence)
    if is_order:
        author(made, page, resource, "requester", "authoredOn")
    else:
        author(made, page, resource, "informationSource", "dateAsserted")
    for reason in source.parts(resource, "reasonCode"):
        _reason(made, reason, page)
    _words_of_dose(made, first, page)
    for number, dose in enumerate(doses[1:], start=2):
        _further(made, dose, number, page)
    comment(made, page, resource)
    _needed(made, first, page)


def _times(made: Element, resource: Resource, dose: Resource, page: Page, *, is_order: bool) -> None:
    source = page.source
    repeat = source.part(source.part(dose, "timing"), "repeat")
    bounds = source.part(repeat, "boundsPeriod")
    if is_order or not (resource.get("effectivePeriod") or resource.get("effectiveDateTime")):
        source.take(source.get(resource, "_effectiveDateTime"))
        time = put(made, "effectiveTime", xsi_type="IVL_TS")
        start, end = (moment(source.text(bounds, key)) for key in ("start", "end"))
        if start or end:
            put(time, "low", value=start) if start else put(time, "low", nullFlavor="UNK")
            if end:
                put(time, "high", value=end)
        else:
            time.set("nullFlavor", "UNK")
    else:
        _effective(made, resource, page)
    _rhythm(made, repeat, page)


def _effective(made: Element, resource: Resource, page: Page) -> None:
    source = page.source
    text = moment(source.text(resource, "effectiveDateTime"))
    if text:
        time = put(made, "effectiveTime", xsi_type="IVL_TS")
        put(time, "low", value=text)
        return
    when(made, "effectiveTime", resource, "effective", source, typed=True)


def _rhythm(made: Element, repeat: Resource, page: Page) -> None:
    """Append how often: events of the day, or once in a period; the rest is told as dropped."""
    source = page.source
    events = [str(each) for each in source.all(repeat, "when")]
    if events and all(each in _EVENTS for each in events):
        for each in events:
            time = put(made, "effectiveTime", xsi_type="EIVL_TS", operator="A")
            put(time, "event", code=each, codeSystem=_TIMING_EVENT)
        _count_once(repeat, page)
        return
    if events:
        source.approximate(
            "Dosage.timing.repeat.when", "an event of the day that CDA has no code for", events[0]
        )
    much = _interval(repeat)
    if much is None:
        if repeat.get("period") is not None:
            source.approximate(
                "Dosage.timing.repeat", "a rhythm that no single period says stands in the words alone"
            )
        return
    for key in ("frequency", "period", "periodUnit", "periodMax"):
        source.get(repeat, key)
    value, unit, by_institution = much
    time = put(made, "effectiveTime", institutionSpecified=by_institution, operator="A", xsi_type="PIVL_TS")
    if repeat.get("periodMax") is not None:
        between = put(time, "period", xsi_type="IVL_PQ")
        put(between, "low", value=value, unit=unit)
        put(between, "high", value=str(repeat["periodMax"]), unit=unit)
    else:
        put(time, "period", value=value, unit=unit)


def _count_once(repeat: Resource, page: Page) -> None:
    """Count "once a day" beside an event as said: the event comes once a day."""
    if (
        repeat.get("frequency", 1) == 1
        and repeat.get("period", 1) == 1
        and repeat.get("periodUnit", "d") == "d"
    ):
        for key in ("frequency", "period", "periodUnit"):
            page.source.get(repeat, key)


def _interval(repeat: Resource) -> tuple[str, str, str] | None:
    """Return period, unit and institutionSpecified that say how often, None where no one period does."""
    period, unit = repeat.get("period"), str(repeat.get("periodUnit", ""))
    times = repeat.get("frequency", 1)
    if period is None or not unit or not isinstance(times, int) or times < 1:
        return None
    if {"count", "frequencyMax", "dayOfWeek", "timeOfDay"} & repeat.keys():
        return None
    if times == 1:
        return str(period), unit, "false"
    hours = Decimal(24) / times
    if (
        unit == "d"
        and Decimal(str(period)) == 1
        and hours == hours.to_integral_value()
        and "periodMax" not in repeat
    ):
        return str(int(hours)), "h", "true"
    return None


def _dose(made: Element, dose: Resource, page: Page) -> None:
    source = page.source
    if route := source.part(dose, "route"):
        coded(made, "routeCode", route, source)
    if site := source.part(dose, "site"):
        coded(made, "approachSiteCode", site, source)
    amounts = source.part(dose, "doseAndRate")
    for stem in ("dose", "rate"):
        if much := source.part(amounts, f"{stem}Quantity"):
            quantity(made, f"{stem}Quantity", much, source)
        elif between := source.part(amounts, f"{stem}Range"):
            span(made, f"{stem}Quantity", between, source)
    if most := source.part(dose, "maxDosePerPeriod"):
        limit = put(made, "maxDoseQuantity")
        for side in ("numerator", "denominator"):
            quantity(limit, side, source.part(most, side), source, xsi_type="PQ")


def _words_of_dose(made: Element, dose: Resource, page: Page) -> None:
    """Append the dose in words, and what the patient is told."""
    text, told = page.source.text(dose, "text"), page.source.text(dose, "patientInstruction")
    if text:
        relation = put(made, "entryRelationship", typeCode="COMP")
        sig = statement(relation, "substanceAdministration", "INT", (_SIG,))
        fixed(sig, "code", "76662-6", LOINC, "Instructions Medication")
        page.words(sig, text)
        material = put(put(put(sig, "consumable"), "manufacturedProduct"), "manufacturedMaterial")
        material.set("nullFlavor", "NA")
    if told:
        relation = put(made, "entryRelationship", typeCode="SUBJ", inversionInd="true")
        act = statement(
            relation, "act", "INT", ("2.16.840.1.113883.10.20.1.49", "1.3.6.1.4.1.19376.1.5.3.1.4.3")
        )
        fixed(act, "code", "PINSTRUCT", "1.3.6.1.4.1.19376.1.5.3.2", "PINSTRUCT")
        page.words(act, told)
        put(act, "statusCode", code="completed")


def _further(made: Element, dose: Resource, number: int, page: Page) -> None:
    """Append a further dose as an act within the act (IHE PCC, split dosing)."""
    relation = put(made, "entryRelationship", typeCode="COMP")
    source = page.source
    source.text(dose, "sequence")
    put(relation, "sequenceNumber", value=str(number))
    inner = statement(relation, "substanceAdministration", "INT", ())
    if text := source.text(dose, "text"):
        page.words(inner, text)
    repeat = source.part(source.part(dose, "timing"), "repeat")
    if bounds := source.part(repeat, "boundsPeriod"):
        time = put(inner, "effectiveTime", xsi_type="IVL_TS")
        for key, end in (("start", "low"), ("end", "high")):
            if value := moment(source.text(bounds, key)):
                put(time, end, value=value)
    _rhythm(inner, repeat, page)
    _dose(inner, dose, page)
    material = put(put(put(inner, "consumable"), "manufacturedProduct"), "manufacturedMaterial")
    material.set("nullFlavor", "NA")
    _needed(inner, dose, page)


def _needed(made: Element, dose: Resource, page: Page) -> None:
    """Append that it is taken when needed (C-CDA, Precondition for Substance Administration)."""
    needed = page.source.get(dose, "asNeededBoolean")
    reason = page.source.part(dose, "asNeededCodeableConcept")
    if not (needed or reason):
        return
    condition = put(made, "precondition", typeCode="PRCN")
    put(condition, "templateId", root="2.16.840.1.113883.10.20.22.4.25")
    criterion = put(condition, "criterion")
    fixed(criterion, "code", "ASSERTION", "2.16.840.1.113883.5.4")
    if reason:
        coded(criterion, "value", reason, page.source, xsi_type="CD")


def _reason(made: Element, reason: Resource, page: Page) -> None:
    relation = put(made, "entryRelationship", typeCode="RSON")
    templates = ("1.3.6.1.4.1.12559.11.10.1.3.1.3.41", "1.3.6.1.4.1.19376.1.5.3.1.4.13")
    observation = statement(relation, "observation", "EVN", templates)
    put(observation, "id", nullFlavor="NA")
    fixed(observation, "code", "64572001", SNOMED, "Disease")
    page.words(observation, name_of(reason))
    put(observation, "statusCode", code="completed")
    coded(observation, "value", reason, page.source, xsi_type="CD")
