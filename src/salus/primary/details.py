"""What a resource says beside its name, in words: value, dose, status, doubt, site, reaction, time, note.

Whatever changes what an entry means to a clinician is said: a diagnosis that is only suspected, a result that
was not obtained, a treatment whose time is over. A type without a row here tells its status and its dosage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from salus.primary.dates import recorded_date
from salus.primary.dispense_request import show_dispense_request
from salus.primary.dosage import show_dosages
from salus.primary.focus import is_about_another, show_focus
from salus.primary.language import Shown, join, original, say, show_concept, show_status
from salus.primary.modifiers import is_modified
from salus.primary.quantities import NOTHING, is_over, is_to_come, show_number, show_period, show_quantity
from salus.primary.references import resolve
from salus.primary.values import show_finding, show_value

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
REACTION = "urn:salus:reaction"
NO_RESUSCITATION = frozenset({"304253006", "45474-4"})
"""Not for resuscitation: SNOMED CT finding, LOINC directive."""
DO_NOT_RESUSCITATE = NO_RESUSCITATION | {"dnr"}
MEDICINES = frozenset(
    {"MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense"}
)


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
    shown = [found for rule in rules for found in rule(resource, held, language, now)]
    shown += dosages_of(resource, language, now)
    shown += _standing(resource, language)
    shown += [
        say(phrase, language, what=each)
        for member, phrase in _CONCEPTS
        for each in _concepts(resource.get(member), language)
    ]
    shown += _notes(resource.get("note"), language)
    recorded = recorded_date(resource)
    shown.append(say("recorded", language, what=recorded) if recorded else NOTHING)
    if is_modified(resource):
        shown.insert(0, say("modifier", language))
    return [each for each in shown if each.text]


def in_time(resource: Resource, name: Shown, language: str, now: datetime | None) -> Shown:
    """Return the name of an entry; of what binds for a time only, with a word before it outside that time."""
    binding = _FORCE.get(str(resource.get("resourceType")))
    period = binding(resource) if binding else None
    if is_over(period, now):
        return say("expired", language, what=name)
    return say("not-in-force-yet", language, what=name) if is_to_come(period, now) else name


def dosages_of(resource: Resource, language: str, now: datetime | None = None) -> list[Shown]:
    """Return the dosage of a medicine in words, one for each step; that none is stated is said too."""
    listed = [resource.get(name) for name in ("dosageInstruction", "dosage")]
    dosages = [each for held in listed for each in (held if isinstance(held, list) else _given(held))]
    if dosages:
        return show_dosages(dosages, language, now)
    asked = resource.get("resourceType") in MEDICINES and not resource.get("doNotPerform")
    return [say("no-dosage", language)] if asked else []


def _given(dosage: Resource | None) -> list[Resource]:
    """Return the one dosage of a MedicationAdministration in the shape of a Dosage."""
    if not dosage:
        return []
    amounts = {"doseQuantity": dosage.get("dose")}
    amounts |= {name: dosage.get(name) for name in ("rateRatio", "rateQuantity")}
    rest = {name: dosage[name] for name in dosage if name not in {"dose", "rateRatio", "rateQuantity"}}
    return [rest | {"doseAndRate": [amounts]}]


# Concepts that any resource may have, with the phrase each is told by; `category` only where it tells more.
_CONCEPTS = (
    ("severity", "severity"),
    ("bodySite", "body-site"),
    ("site", "dose-site"),
    ("route", "route"),
    ("method", "method"),
    ("outcome", "outcome"),
    ("complication", "complication"),
    ("reasonCode", "reason"),
    ("statusReason", "status-reason"),
)


def _standing(resource: Resource, language: str) -> list[Shown]:
    """Return clinical or other status, how sure it is, and how dangerous (allergies)."""
    doubt = resource.get("verificationStatus")
    doubt = None if "confirmed" in _codes(doubt) else doubt
    clinical = resource.get("clinicalStatus")
    shown = [show_concept(doubt, language)]
    shown.append(
        show_concept(clinical, language)
        if clinical
        else show_status(str(resource.get("status", "")), language)
    )
    codes = [resource.get(name) for name in ("criticality", "type")]
    return [*shown, *(show_status(code, language) for code in codes if isinstance(code, str))]


def _observation(
    resource: Resource, held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    about = NOTHING if is_about_another(resource, held) else show_focus(resource, held, language)
    about = say("about", language, what=about) if about.text else NOTHING
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
    concluded = [original(resource.get("conclusion")), *_concepts(resource.get("conclusionCode"), language)]
    shown = [say("conclusion", language, what=each) for each in concluded if each.text]
    return [*shown, _attached(resource.get("presentedForm"), language)]


def _condition(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    stages = (
        join([show_concept(each.get("summary"), language), show_concept(each.get("type"), language)])
        for each in resource.get("stage", ())
    )
    return [
        *(say("stage", language, what=stage) for stage in stages if stage.text),
        _since(resource, language, now),
        _choice(resource, "abatement", "abatement", language, now),
    ]


def _allergy(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    shown = [_reaction(each, language) for each in resource.get("reaction", ())]
    last = original(resource.get("lastOccurrence")).text
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
            *_concepts(reaction.get("manifestation"), language),
            show_concept(coding, language),
            original(reaction.get("description")),
            say("reaction-to", language, what=substance) if substance.text else NOTHING,
            *(
                say("route", language, what=each)
                for each in _concepts(reaction.get("exposureRoute"), language)
            ),
            original(reaction.get("onset")) if isinstance(reaction.get("onset"), str) else NOTHING,
            *_notes(reaction.get("note"), language),
        ]
    )  # fmt: skip
    return say("reaction", language, what=told) if told.text else NOTHING


def _medicine(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    period = resource.get("effectivePeriod")
    validity = show_period(resource.get("dispenseRequest", {}).get("validityPeriod"), language, now)
    amount = resource.get("quantity")
    return [
        say("in-use", language, what=show_period(period, language, now)) if period else NOTHING,
        say("valid", language, what=validity) if validity.text else NOTHING,
        say("quantity", language, what=show_quantity(amount, language)) if amount else NOTHING,
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
        diseases = join(_concepts(each.get("targetDisease"), language))
        numbered = say("dose-number-of", language, a=dose, b=series) if series.text else dose
        if dose.text and not series.text:
            numbered = say("dose-number", language, a=dose)
        shown.append(join([numbered, diseases]))
    amount, lot = resource.get("doseQuantity"), original(resource.get("lotNumber")).text
    return [
        *shown,
        original(resource.get("occurrenceString")),
        say("quantity", language, what=show_quantity(amount, language)) if amount else NOTHING,
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
    used = say("in-use", language, what=show_period(timing, language, now)) if timing else NOTHING
    return [used, *_device(resolve(resource.get("device"), held), held, language, now)]


def _device(
    resource: Resource, _held: Mapping[str, Resource], language: str, _now: datetime | None
) -> list[Shown]:
    texts = [original(resource.get("manufacturer"))]
    for member, phrase in (("modelNumber", "model"), ("serialNumber", "serial")):
        if resource.get(member):
            texts.append(say(phrase, language, what=str(resource[member])))
    return [
        *(say("safety", language, what=each) for each in _concepts(resource.get("safety"), language)),
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
    kinds = {code for each in resource.get("category", ()) for code in _codes(each)}
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
    about = join(_concepts(provision.get("code"), language))
    kind = {"permit": "permits", "deny": "denies"}.get(str(provision.get("type", "")), "not-stated")
    return join([about, say(kind, language)], ": ") if about.text else NOTHING


def _family(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    shown = []
    for each in resource.get("condition", ()):
        told = [show_concept(each.get("code"), language), show_concept(each.get("outcome"), language)]
        shown.append(
            join([*told, _since(each, language, now, dated=True), *_notes(each.get("note"), language)])
        )
    return [*shown, _choice(resource, "deceased", "deceased", language, now)]


def _order(
    resource: Resource, _held: Mapping[str, Resource], language: str, now: datetime | None
) -> list[Shown]:
    period = show_period(resource.get("occurrencePeriod"), language, now)
    return [*_concepts(resource.get("orderDetail"), language), period]


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
    return say(phrase, language, what=value) if value.text else NOTHING


def _kinds(resource: Resource, language: str) -> list[Shown]:
    return [say("category", language, what=each) for each in _concepts(resource.get("category"), language)]


def _attached(attachments: object, language: str) -> Shown:
    number = len(attachments) if isinstance(attachments, list) else 0
    return say("attached", language, n=show_number(number, language)) if number else NOTHING


def _notes(notes: object, language: str) -> list[Shown]:
    texts = [original(each.get("text")) for each in notes] if isinstance(notes, list) else []
    return [say("note", language, what=text) for text in texts if text.text]


def _concepts(held: object, language: str) -> list[Shown]:
    """Return a CodeableConcept or a list of them in words."""
    listed: Iterable[Any] = held if isinstance(held, list) else [held]
    shown = [show_concept(each, language) for each in listed if isinstance(each, dict)]
    return [each for each in shown if each.text]


def _codes(concept: Resource | None) -> set[str]:
    return {str(each.get("code")) for each in (concept or {}).get("coding", ())}


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
