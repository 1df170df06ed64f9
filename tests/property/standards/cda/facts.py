"""What a patient summary says, as plain values: two summaries that say the same have the same facts.

Written from the R4 definitions of the elements and independently of the conversion, so that a round trip is
compared with what a reader of the FHIR would note down.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

ABSENCE = "data-absent-reason"


def codes(concept):
    """The codes of a concept, without order; its text where it has none."""
    found = frozenset((each.get("system", ""), each["code"]) for each in (concept or {}).get("coding", ()))
    return found or (concept or {}).get("text", "")


def amount(quantity):
    if not quantity or "value" not in quantity:
        return None
    unit = quantity.get("code") or quantity.get("unit") or ""
    return (Decimal(str(quantity["value"])).normalize(), unit, quantity.get("comparator", ""))


def interval(found):
    return (amount(found.get("low")), amount(found.get("high"))) if found else None


def when(resource, stem):
    """Beginning and end: a moment is both beginning and end of nothing longer."""
    if f"{stem}DateTime" in resource:
        return (instant(resource[f"{stem}DateTime"]), "")
    period = resource.get(f"{stem}Period", {})
    return (instant(period.get("start", "")), instant(period.get("end", "")))


def instant(text):
    return text.replace("Z", "+00:00") if len(text) > 10 else text


def value(owner):
    for key, found in owner.items():
        if key == "valueQuantity":
            return amount(found)
        if key == "valueCodeableConcept":
            return codes(found)
        if key == "valueRange":
            return interval(found)
        if key in ("valueString", "valueInteger", "valueBoolean", "valueDateTime"):
            return str(found)
    return None


def dose(found):
    repeat = found.get("timing", {}).get("repeat", {})
    rhythm = tuple(
        (key, Decimal(str(repeat[key])).normalize() if key != "periodUnit" else repeat[key])
        for key in ("frequency", "period", "periodMax", "periodUnit")
        if key in repeat
    )
    amounts = (found.get("doseAndRate") or [{}])[0]
    return (
        found.get("text", ""),
        rhythm,
        tuple(sorted(repeat.get("when", ()))),
        amount(amounts.get("doseQuantity")),
        interval(amounts.get("doseRange")),
        codes(found.get("route")),
        bool(found.get("asNeededBoolean") or found.get("asNeededCodeableConcept")),
    )


def status(found):
    return next((each["code"] for each in (found or {}).get("coding", ())), "")


def observed(resource, held, inherited=""):
    """An Observation and what it holds, each as one fact: members and components are no more than that."""
    time = when(resource, "effective")
    time = time if any(time) else inherited
    ranges = tuple(
        (amount(each.get("low")), amount(each.get("high"))) for each in resource.get("referenceRange", ())
    )
    meaning = frozenset(codes(each) for each in resource.get("interpretation", ()))
    yield ("Observation", codes(resource.get("code")), value(resource), time, meaning, ranges)
    for inner in resource.get("component", ()):
        yield from observed(inner, held, time)


def medicine(resource, held):
    concept = resource.get("medicationCodeableConcept")
    if concept is None:
        drug = held.get(resource.get("medicationReference", {}).get("reference"), {})
        concept = drug.get("code")
        parts = frozenset(
            (
                codes(each.get("itemCodeableConcept")),
                amount(each.get("strength", {}).get("numerator")),
                amount(each.get("strength", {}).get("denominator")),
            )
            for each in drug.get("ingredient", ())
        )
        return codes(concept), parts, codes(drug.get("form"))
    return codes(concept), frozenset(), ""


def facts(bundle):
    """Return the facts of a patient summary, each with how often it is stated."""
    held = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    found = Counter()
    for resource in held.values():
        kind = resource["resourceType"]
        for fact in READERS.get(kind, lambda _resource, _held: ())(resource, held):
            found[fact] += 1
    return found


def condition(resource, _held):
    yield (
        "Condition",
        codes(resource.get("code")),
        status(resource.get("clinicalStatus")),
        status(resource.get("verificationStatus")),
        when(resource, "onset")[0],
        when(resource, "abatement")[0],
        codes(resource.get("severity")),
    )


def allergy(resource, _held):
    reactions = frozenset(
        (codes(shown), each.get("severity", ""))
        for each in resource.get("reaction", ())
        for shown in each["manifestation"]
    )
    yield (
        "AllergyIntolerance",
        codes(resource.get("code")),
        status(resource.get("clinicalStatus")),
        status(resource.get("verificationStatus")),
        resource.get("type", ""),
        tuple(resource.get("category", ())),
        resource.get("criticality", ""),
        when(resource, "onset")[0],
        reactions,
    )


def taken(resource, held):
    yield (
        "Medicine", resource["status"], medicine(resource, held), when(resource, "effective"),
        tuple(dose(each) for each in resource.get("dosage", ())),
        frozenset(codes(each) for each in resource.get("reasonCode", ())),
    )  # fmt: skip


def vaccination(resource, _held):
    yield (
        "Immunization",
        codes(resource.get("vaccineCode")),
        resource["status"],
        when(resource, "occurrence")[0],
        resource.get("lotNumber", ""),
        codes(resource.get("site")),
        codes(resource.get("route")),
    )


def procedure(resource, _held):
    yield (
        "Procedure", codes(resource.get("code")), resource["status"], when(resource, "performed"),
        frozenset(codes(each) for each in resource.get("reasonCode", ())),
    )  # fmt: skip


def device(resource, held):
    used = held.get(resource.get("device", {}).get("reference"), {})
    carriers = tuple(each.get("carrierHRF", "") for each in used.get("udiCarrier", ()))
    yield ("Device", codes(used.get("type")), resource["status"], when(resource, "timing"), carriers)


def person(resource, _held):
    names = tuple(
        (tuple(each.get("given", ())), each.get("family", ""))
        for each in resource.get("name", ())
        if ABSENCE not in json.dumps(each)
    )
    numbers = frozenset((each.get("system", ""), each["value"]) for each in resource.get("identifier", ()))
    yield ("Patient", names, resource.get("birthDate", ""), resource.get("gender", ""), numbers)


READERS = {
    "Condition": condition,
    "AllergyIntolerance": allergy,
    "MedicationStatement": taken,
    "Immunization": vaccination,
    "Observation": observed,
    "Procedure": procedure,
    "DeviceUseStatement": device,
    "Patient": person,
}
