"""What a resource says beside its name, in words: value, dose, status, doubt, site, reaction, time, note.

Whatever changes what an entry means to a clinician is said: a diagnosis that is only suspected, a result that
was not obtained, a treatment whose time is over. A type without a row here tells its status and its dosage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from salus.primary.days import day
from salus.primary.dispense_request import show_dispense_request
from salus.primary.focus import is_about_another, show_focus
from salus.primary.language import Shown, join, labelled, original, say, show_concept
from salus.primary.quantities import NOTHING, is_over, is_to_come, show_number, show_period, show_quantity
from salus.primary.references import resolve
from salus.primary.statements import MEDICINES, codes_of, concepts_of, notes_of, statements_of, warning_of
from salus.primary.values import show_finding, show_value

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
REACTION = "urn:salus:reaction"
NO_RESUSCITATION = frozenset({"304253006", "45474-4"})
"""Not for resuscitation: SNOMED CT finding, LOINC directive."""
DO_NOT_RESUSCITATE = NO_RESUSCITATION | {"dnr"}


def details_of(
    resource: Resource, held: Mapping[str, Resource], language: str, now: datetime | None = None
) -> list[Shown]:
    """Return the details of a resource, the most telling first.

    Args:
        resource: an entry.
        held: Medication and Device resources by "Type/id".
        language: BCP 47 language code.
        now: when it is read, to say that a time is over; None where that does not matter.
    """
    rules = _RULES.get(str(resource.get("resourceType")), ())
    shown = [*warning_of(resource, language)]
    shown += [found for rule in rules for found in rule(resource, held, language, now)]
    shown += statements_of(resource, language, now)
    return [each for each in shown if each.text]


def in_time(resource: Resource, name: Shown, language: str, now: datetime | None) -> Shown:
    """Return the name of an entry; of what binds for a time only, with a word before it outside that time."""
    binding = _FORCE.get(str(resource.get("resourceType")))
    period = binding(resource) if binding else None
    if is_over(period, now):
        return say("expired", language, what=name)
    return say("not-in-force-yet", language, what=name) if is_to_come(period, now) else name


def _observation(
    resource: Resource, held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    about = NOTHING if is_about_another(resource, held) else show_focus(resource, held, language)
    about = labelled("about", language, about) if about.text else NOTHING
    own = show_finding(resource, language, now)
    parts = []
    for component in resource.get("component", ()):
        found = show_finding(component, language, now)
        found = found if found.text else say("no-value-recorded", language)
        parts.append(join([show_concept(component.get("code"), language), found], ": "))
    value = show_value(resource, language, now=now).text or resource.get("dataAbsentReason")
    if value or parts:
        return [about, own, *parts]
    missing = "no-value-of-its-own" if resource.get("hasMember") else "no-value-recorded"
    return [about, say(missing, language), own]


def _report(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    concluded = [original(resource.get("conclusion")), *concepts_of(resource.get("conclusionCode"), language)]
    shown = [labelled("conclusion", language, each) for each in concluded if each.text]
    return [*shown, _attached(resource.get("presentedForm"), language)]


def _condition(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    stages = (
        join([show_concept(each.get("summary"), language), show_concept(each.get("type"), language)])
        for each in resource.get("stage", ())
    )
    return [
        *(labelled("stage", language, stage) for stage in stages if stage.text),
        _since(resource, language, now),
        _choice(resource, "abatement", "abatement", language, now),
    ]


def _allergy(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    shown = [_reaction(each, language) for each in resource.get("reaction", ())]
    last = day(str(resource["lastOccurrence"]), language) if resource.get("lastOccurrence") else ""
    return [
        *shown,
        _since(resource, language, now),
        say("last-occurrence", language, what=last) if last else NOTHING,
    ]


def _reaction(reaction: Resource, language: str) -> Shown:
    severity = str(reaction.get("severity", ""))
    coding = {"coding": [{"system": REACTION, "code": severity}]} if severity else None
    substance = show_concept(reaction.get("substance"), language)
    told = join(
        [
            *concepts_of(reaction.get("manifestation"), language),
            show_concept(coding, language),
            original(reaction.get("description")),
            say("reaction-to", language, what=substance) if substance.text else NOTHING,
            *(
                labelled("route", language, each)
                for each in concepts_of(reaction.get("exposureRoute"), language)
            ),
            original(reaction.get("onset")) if isinstance(reaction.get("onset"), str) else NOTHING,
            *notes_of(reaction.get("note"), language),
        ]
    )  # fmt: skip
    return labelled("reaction", language, told) if told.text else NOTHING


def _medicine(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    period = resource.get("effectivePeriod")
    validity = show_period(resource.get("dispenseRequest", {}).get("validityPeriod"), language, now)
    amount = resource.get("quantity")
    return [
        labelled("in-use", language, show_period(period, language, now)) if period else NOTHING,
        say("valid", language, what=validity) if validity.text else NOTHING,
        labelled("quantity", language, show_quantity(amount, language)) if amount else NOTHING,
    ]


def _dispense_request(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    return show_dispense_request(resource, language)


def _immunization(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    shown = []
    for each in resource.get("protocolApplied", ()):
        dose, series = show_value(each, language, "doseNumber"), show_value(each, language, "seriesDoses")
        diseases = join(concepts_of(each.get("targetDisease"), language))
        numbered = say("dose-number-of", language, a=dose, b=series) if series.text else dose
        if dose.text and not series.text:
            numbered = say("dose-number", language, a=dose)
        shown.append(join([numbered, diseases]))
    amount, lot = resource.get("doseQuantity"), original(resource.get("lotNumber")).text
    return [
        *shown,
        original(resource.get("occurrenceString")),
        labelled("quantity", language, show_quantity(amount, language)) if amount else NOTHING,
        say("subpotent", language) if resource.get("isSubpotent") is True else NOTHING,
        say("lot", language, what=lot) if lot else NOTHING,
    ]


def _procedure(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    """Return when it was done; that the time of what was done is over goes without saying."""
    if "performedDateTime" in resource:
        return []
    return [_choice(resource, "performed", "performed", language, None)]


def _device_use(
    resource: Resource, held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    timing = resource.get("timingPeriod")
    used = labelled("in-use", language, show_period(timing, language, now)) if timing else NOTHING
    return [used, *_device(resolve(resource.get("device"), held), held, language, now)]


def _device(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    texts = [original(resource.get("manufacturer"))]
    for member, phrase in (("modelNumber", "model"), ("serialNumber", "serial")):
        if resource.get(member):
            texts.append(labelled(phrase, language, str(resource[member])))
    return [
        *(labelled("safety", language, each) for each in concepts_of(resource.get("safety"), language)),
        *texts,
    ]


def _plan(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    shown = [original(resource.get("description")), show_period(resource.get("period"), language, now)]
    for activity in resource.get("activity", ()):
        detail = activity.get("detail", {})
        name = show_concept(detail.get("code"), language)
        told = join(
            [
                name,
                original(detail.get("description")),
                original(activity.get("reference", {}).get("display")),
            ]
        )
        prohibited = detail.get("doNotPerform") is True
        shown.append(say("forbidden", language, what=told) if prohibited and told.text else told)
    return shown  # fmt: skip


def _flag(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    return [*_kinds(resource, language), show_period(resource.get("period"), language, now)]


def _consent(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    provision = resource.get("provision", {})
    exceptions = provision.get("provision", ())
    permitted = bool(provision.get("code")) and provision.get("type") == "permit"
    kinds = {code for each in resource.get("category", ()) for code in codes_of(each)}
    doubted = permitted and bool(kinds & DO_NOT_RESUSCITATE)
    attached = [resource["sourceAttachment"]] if resource.get("sourceAttachment") else []
    return [
        *([say("contradicts-itself", language)] if doubted else []),
        *_kinds(resource, language),
        *(_provision(each, language) for each in (provision, *exceptions)),
        show_period(provision.get("period"), language, now),
        _attached(attached, language),
    ]


def _provision(provision: Resource, language: str) -> Shown:
    """Return "resuscitation: not permitted"; "" without a code, for then the kind of consent says all."""
    about = join(concepts_of(provision.get("code"), language))
    kind = {"permit": "permits", "deny": "denies"}.get(str(provision.get("type", "")), "not-stated")
    return join([about, say(kind, language)], ": ") if about.text else NOTHING


def _family(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    shown = []
    for each in resource.get("condition", ()):
        told = [show_concept(each.get("code"), language), show_concept(each.get("outcome"), language)]
        shown.append(
            join([*told, _since(each, language, now, dated=True), *notes_of(each.get("note"), language)])
        )
    return [*shown, _choice(resource, "deceased", "deceased", language, now)]


def _order(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    period = show_period(resource.get("occurrencePeriod"), language, now)
    return [*concepts_of(resource.get("orderDetail"), language), period]


def _document(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    return [original(resource.get("description")), _attached(resource.get("content"), language)]


def _since(resource: Resource, language: str, now: datetime | None, *, dated: bool = False) -> Shown:
    """Return the onset, unless it is a moment, which has a column of its own."""
    if "onsetDateTime" in resource and not dated:
        return NOTHING
    return _choice(resource, "onset", "onset", language, now)


def _choice(resource: Resource, stem: str, phrase: str, language: str, now: datetime | None) -> Shown:
    value = show_value(resource, language, stem, now)
    return labelled(phrase, language, value) if value.text else NOTHING


def _kinds(resource: Resource, language: str) -> list[Shown]:
    return [labelled("category", language, each) for each in concepts_of(resource.get("category"), language)]


def _attached(attachments: object, language: str) -> Shown:
    number = len(attachments) if isinstance(attachments, list) else 0
    return labelled("attached", language, show_number(number, language)) if number else NOTHING


_FORCE: dict[str, Callable[[Resource], Resource | None]] = {
    "Consent": lambda resource: resource.get("provision", {}).get("period"),
    "Flag": lambda resource: resource.get("period"),
    "ServiceRequest": lambda resource: resource.get("occurrencePeriod"),
}
Rule = Callable[[Resource, Mapping[str, Resource], str, datetime | None], list[Shown]]
_RULES: dict[str, tuple[Rule, ...]] = {
    "AllergyIntolerance": (_allergy,),
    "CarePlan": (_plan,),
    "Condition": (_condition,),
    "Consent": (_consent,),
    "Device": (_device,),
    "DeviceUseStatement": (_device_use,),
    "DiagnosticReport": (_report,),
    "DocumentReference": (_document,),
    "FamilyMemberHistory": (_family,),
    "Flag": (_flag,),
    "Immunization": (_immunization,),
    "Observation": (_observation,),
    "Procedure": (_procedure,),
    "ServiceRequest": (_order,),
    **dict.fromkeys(sorted(MEDICINES), (_medicine,)),
    "MedicationRequest": (_medicine, _dispense_request),
}
