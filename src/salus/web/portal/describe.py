"""A FHIR R4 resource in words: what it says, when, how it stands. For people, not for machines.

Element names are R4's; where a resource has none of them its type stands for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

# FHIR content is open JSON, hence Any.
Resource = dict[str, Any]

SUBJECTS = (
    "code", "medicationCodeableConcept", "vaccineCode", "type", "category", "serviceType", "reasonCode",
)  # fmt: skip
DATES = (
    "onset", "effective", "occurrence", "performed", "authoredOn", "whenHandedOver", "issued", "recordedDate",
    "date", "period", "started", "created", "context",
)  # fmt: skip


class Line(msgspec.Struct, frozen=True):
    """One resource in words.

    Args:
        kind: the resource type.
        reference: "Type/id", "" when it has no id.
        what: what it is about: the medicine, the problem, the measurement.
        detail: the value with its unit and range, the dose, the reaction; "" when there is none.
        date: as recorded, with its own precision; "" when there is none.
        status: the resource's status code; "" when there is none.
        code: "system|code" of what it is about; "" when there is none.
    """

    kind: str
    reference: str
    what: str
    detail: str
    date: str
    status: str
    code: str


def describe(resource: Resource, language: str = "en") -> Line:
    """Return the resource in words; texts are in `language` where the resource has a translation."""
    kind = str(resource.get("resourceType", ""))
    concept: Resource = next(iter(_concepts(resource)), {})
    coding: Resource = next(iter(_list(concept.get("coding"))), {})
    return Line(
        kind=kind,
        reference=f"{kind}/{resource['id']}" if resource.get("id") else "",
        what=concept_text(concept, language) or _title(resource) or kind,
        detail="; ".join(part for part in _details(resource, language) if part),
        date=date_of(resource),
        status=_status(resource),
        code=f"{coding.get('system', '')}|{coding['code']}" if coding.get("code") else "",
    )


def concept_text(concept: Resource, language: str = "en") -> str:
    """Return a CodeableConcept's text, in `language` when a translation extension has it."""
    for coding in _list(concept.get("coding")):
        translated = _translation(coding.get("_display"), language)
        if translated:
            return translated
    if concept.get("text"):
        return _translation(concept.get("_text"), language) or str(concept["text"])
    codings = _list(concept.get("coding"))
    return next((str(c[key]) for key in ("display", "code") for c in codings if c.get(key)), "")


def person_name(resource: Resource) -> str:
    """Return the official (else the first) name of a Patient or Practitioner, "" when it has none."""
    names = _list(resource.get("name"))
    if not names:
        return str(resource["name"]) if isinstance(resource.get("name"), str) else ""
    name = next((each for each in names if each.get("use") == "official"), names[0])
    return str(name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip())


def date_of(resource: Resource) -> str:
    """Return when it was: the first date the resource has, as written; "" when there is none."""
    for stem in DATES:
        for name in (stem, f"{stem}DateTime", f"{stem}Period"):
            found = resource.get(name)
            if isinstance(found, dict):
                found = found.get("start") or found.get("period", {}).get("start")
            if isinstance(found, str):
                return found
    return ""


def _details(resource: Resource, language: str) -> Iterator[str]:
    """Yield what else a reader needs, each part a phrase."""
    yield _value(resource, language)
    for component in _list(resource.get("component")):
        yield f"{concept_text(component.get('code', {}), language)} {_value(component, language)}"
    for interval in _list(resource.get("referenceRange"))[:1]:
        ends = [_quantity(interval.get(end, {})) for end in ("low", "high")]
        if any(ends):
            yield f"reference range {ends[0] or '…'} – {ends[1] or '…'}"
    for reading in _list(resource.get("interpretation")):
        yield concept_text(reading, language)
    for reaction in _list(resource.get("reaction")):
        yield ", ".join(concept_text(each, language) for each in _list(reaction.get("manifestation")))
    if resource.get("criticality"):
        yield f"criticality {resource['criticality']}"
    for dosage in _list(resource.get("dosageInstruction")) + _list(resource.get("dosage")):
        yield str(dosage.get("text", ""))
    for quantity in (resource.get("quantity"), resource.get("dispenseRequest", {}).get("quantity")):
        if isinstance(quantity, dict):
            yield f"quantity {_quantity(quantity)}"


def _value(resource: Resource, language: str) -> str:
    if "valueQuantity" in resource:
        return _quantity(resource["valueQuantity"])
    if "valueCodeableConcept" in resource:
        return concept_text(resource["valueCodeableConcept"], language)
    for name in ("valueString", "valueInteger", "valueBoolean", "valueDateTime"):
        if name in resource:
            return str(resource[name])
    if "dataAbsentReason" in resource:
        return concept_text(resource["dataAbsentReason"], language)
    return ""


def _quantity(quantity: Resource) -> str:
    if "value" not in quantity:
        return ""
    unit = quantity.get("unit") or quantity.get("code") or ""
    return f"{quantity.get('comparator', '')}{quantity['value']} {unit}".strip()


def _concepts(resource: Resource) -> Iterator[Resource]:
    for name in SUBJECTS:
        for concept in _list(resource.get(name)):
            if isinstance(concept, dict) and (concept.get("coding") or concept.get("text")):
                yield concept


def _title(resource: Resource) -> str:
    for name in ("title", "description", "display"):
        if isinstance(resource.get(name), str):
            return str(resource[name])
    medication = resource.get("medicationReference", {})
    return str(medication.get("display", "")) or person_name(resource)


def _status(resource: Resource) -> str:
    if isinstance(resource.get("clinicalStatus"), dict):
        return next((str(c.get("code", "")) for c in _list(resource["clinicalStatus"].get("coding"))), "")
    return str(resource.get("status", ""))


def _translation(primitive: object, language: str) -> str:
    """Return the text in `language` from the standard translation extension of a primitive, else ""."""
    if not isinstance(primitive, dict):
        return ""
    for extension in _list(primitive.get("extension")):
        if extension.get("url") != "http://hl7.org/fhir/StructureDefinition/translation":
            continue
        parts = {part.get("url"): part for part in _list(extension.get("extension"))}
        if parts.get("lang", {}).get("valueCode", "")[:2] == language:
            content = parts.get("content", {})
            return str(content.get("valueString") or content.get("valueMarkdown") or "")
    return ""


def _list(found: object) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]
