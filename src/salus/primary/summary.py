"""The patient summary: an International (IPS 2.0.1) and European (EPS 1.0.0) document from the record.

Sections that a guide requires are always there; one without entries says "no information available"
(list-empty-reason `unavailable`), because that nothing is known can only be said by explicit data, such as
an AllergyIntolerance "no known allergy", which is then an entry like any other.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from salus.primary.language import Section, is_reviewed, say, sections, title, word
from salus.primary.left_out import tell_not_shown, write_not_shown, write_older
from salus.primary.medicines import followed
from salus.primary.narrative import Line, line, narrative, paragraph, sentence, table
from salus.primary.references import local_reference
from salus.primary.selection import Selected, Selection, select

LOINC = "http://loinc.org"
IPS_BUNDLE = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"
IPS_COMPOSITION = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"
NAMESPACE = uuid.UUID("4a3d3b52-8f5e-5f0c-9a53-6b1d0c8f2e11")
CARRIED_MAX = 500
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def compose_summary(
    resources: Iterable[Resource],
    *,
    patient: Resource,
    author_organisation: str,
    now: datetime,
    languages: Sequence[str] = ("en",),
    merged: Sequence[str] = (),
) -> dict[str, Any]:
    """Compose the summary document of one patient.

    Args:
        resources: the patient's resources and those they refer to, each with its id.
        patient: the Patient, with its id.
        author_organisation: name of the organisation that composes the document.
        now: when it is composed (aware).
        languages: of titles and narratives; the first is the document's language.
        merged: ids of further Patients of the same person, whose resources are among these.

    Returns:
        A Bundle of type document: Composition first, then the Patient, the author, the entries and what
        they refer to, with fullUrls `urn:uuid:` that are the same for the same record.
    """
    held = {f"{each['resourceType']}/{each['id']}": each for each in resources if each.get("id")}
    for gone in merged:
        held.pop(f"Patient/{gone}", None)
    held[f"Patient/{patient['id']}"] = patient
    selection = select(held.values())
    chosen = {name: selection.sections[name] for name in sections() if name in selection.sections}
    author = {"resourceType": "Organization", "id": "author", "name": author_organisation}
    carried = _carried(patient, chosen, held)
    carried["Organization/author"] = author
    addresses = {key: _address(key, str(patient["id"])) for key in carried}
    about = narrative({each: _about(selection, each, merged) for each in languages})
    composition = _composition(patient, chosen, held, addresses, about, now=now, languages=languages)
    if selection.not_shown:
        composition["extension"] = write_not_shown(selection.not_shown)
    shown = {
        f"{each['resourceType']}/{each['id']}": found for found in chosen.values() for each in found.resources
    }
    resolved = []
    known = addresses | {f"Patient/{gone}": addresses[f"Patient/{patient['id']}"] for gone in merged}
    for key, resource in carried.items():
        copy = _resolve(resource, known)
        if merged and resource is patient:
            copy.pop("link", None)  # it would lead to the patient itself
        if key in shown and "text" not in copy:
            copy["text"] = narrative(
                {each: sentence(_line(resource, held, each, shown[key], now), each) for each in languages}
            )
        resolved.append((addresses[key], copy))
    composed_at = now.astimezone(UTC).isoformat(timespec="seconds")
    identity = uuid.uuid5(NAMESPACE, f"{patient['id']} {composed_at}")
    bundle = {
        "resourceType": "Bundle",
        "language": languages[0],
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{identity}"},
        "type": "document",
        "timestamp": composed_at,
        "entry": [
            {"fullUrl": f"urn:uuid:{uuid.uuid5(identity, 'composition')}", "resource": composition},
            *({"fullUrl": address, "resource": resource} for address, resource in resolved),
        ],
    }
    if meets_main_rules(bundle):
        bundle["meta"] = {"profile": [IPS_BUNDLE]}
        composition["meta"] = {"profile": [IPS_COMPOSITION]}
    return bundle


def meets_main_rules(bundle: Resource) -> bool:
    """Return whether the document keeps the main rules of IPS 2.0.1, so that it may claim the profile.

    Composition first and alone; a patient with a name and a birth date; every required section present,
    with entries of its own or a reason why there are none.
    """
    found = [entry["resource"] for entry in bundle["entry"]]
    composition, patient = found[0], found[1]
    if composition["resourceType"] != "Composition" or patient["resourceType"] != "Patient":
        return False
    if any(each["resourceType"] == "Composition" for each in found[1:]):
        return False
    present = {section["code"]["coding"][0]["code"]: section for section in composition["section"]}
    required = [section.code for section in sections().values() if section.required]
    named = any(
        name.get("text") or name.get("family") or name.get("given") for name in patient.get("name", ())
    )
    return (
        named
        and bool(patient.get("birthDate"))
        and all(present.get(code, {}).keys() & {"entry", "emptyReason"} for code in required)
    )


def _about(selection: Selection, language: str, merged: Sequence[str]) -> str:
    """Return what the reader of the whole document must know, as an XHTML fragment."""
    said = [word(name, language) for name in ("title", "filtered", *(["merged"] if merged else []))]
    said.append(tell_not_shown(selection.not_shown, language).text)
    if not is_reviewed(language):
        said.append(say("unreviewed", language).text)
    return "".join(paragraph(each) for each in said if each)


def _carried(
    patient: Resource, chosen: Mapping[str, Selected], held: Mapping[str, Resource]
) -> dict[str, Resource]:
    """Return the patient, the entries and what they refer to, by "Type/id", each once."""
    carried = {f"Patient/{patient['id']}": patient}
    waiting = [each for selected in chosen.values() for each in selected.resources]
    while waiting and len(carried) < CARRIED_MAX:
        resource = waiting.pop(0)
        key = f"{resource['resourceType']}/{resource['id']}"
        if key in carried:
            continue
        carried[key] = resource
        named = (held.get(local_reference(reference)) for reference in _references(resource))
        told = [each for each in named if each is not None and each["resourceType"] in _CARRIED_TYPES]
        waiting[:0] = [
            *told,
            *followed(resource, held),
        ]  # beside the entry, so that none is without the name it refers to
    return carried


_CARRIED_TYPES = frozenset(
    {"Medication", "Practitioner", "PractitionerRole", "Organization", "Device", "Specimen", "Location"}
)


def _composition(
    patient: Resource,
    chosen: Mapping[str, Selected],
    held: Mapping[str, Resource],
    addresses: Mapping[str, str],
    about: dict[str, str],
    *,
    now: datetime,
    languages: Sequence[str],
) -> dict[str, Any]:
    code = {"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}
    composed_at = now.astimezone(UTC).isoformat(timespec="seconds")
    listed = [
        _section(section, chosen.get(name), held, addresses, languages, now)
        for name, section in sections().items()
        if section.required or name in chosen
    ]
    return {
        "resourceType": "Composition",
        "language": languages[0],
        "text": about,
        "status": "final",
        "type": {"coding": [code]},
        "subject": {"reference": addresses[f"Patient/{patient['id']}"]},
        "date": composed_at,
        "author": [{"reference": addresses["Organization/author"]}],
        "title": word("title", languages[0]),
        "custodian": {"reference": addresses["Organization/author"]},
        "section": listed,
    }


def _section(
    section: Section,
    selected: Selected | None,
    held: Mapping[str, Resource],
    addresses: Mapping[str, str],
    languages: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    composed: dict[str, Any] = {
        "title": title(section, languages[0]),
        "code": {"coding": [{"system": section.system, "code": section.code, "display": section.display}]},
    }
    if selected is None:
        composed["text"] = narrative({each: paragraph(word("unavailable", each)) for each in languages})
        reason = {"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "unavailable"}
        text = word("unavailable", languages[0])
        return composed | {"emptyReason": {"coding": [reason | {"display": "Unavailable"}], "text": text}}
    kept = [each for each in selected.resources if f"{each['resourceType']}/{each['id']}" in addresses]
    left_out = selected.left_out + len(selected.resources) - len(kept)
    if left_out:
        composed["extension"] = write_older(left_out)
    composed["text"] = narrative(
        {
            language: table(
                [_line(each, held, language, selected, now) for each in kept], language, left_out=left_out
            )
            for language in languages
        }
    )
    entries = [{"reference": addresses[f"{each['resourceType']}/{each['id']}"]} for each in kept]
    return composed | {"entry": entries}


def _line(
    resource: Resource, held: Mapping[str, Resource], language: str, selected: Selected, now: datetime
) -> Line:
    own_id = str(resource["id"])
    orders, doubted = selected.orders.get(own_id, ()), own_id in selected.doubted
    return line(resource, held, language, orders=orders, doubted=doubted, now=now)


def _address(key: str, patient: str) -> str:
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{patient} {key}')}"


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for member in value.values() for found in _references(member)]
    if isinstance(value, list):
        return [found for member in value for found in _references(member)]
    return []


def _resolve(value: Any, addresses: Mapping[str, str]) -> Any:  # any part of a resource
    """Return a copy whose references stay inside the document; one that cannot keeps display and type."""
    if isinstance(value, list):
        return [_resolve(each, addresses) for each in value]
    if not isinstance(value, dict):
        return value
    copy = {name: _resolve(member, addresses) for name, member in value.items()}
    reference = value.get("reference")
    if isinstance(reference, str) and not reference.startswith("#"):
        address = addresses.get(local_reference(reference))
        if address:
            copy["reference"] = address
        else:
            del copy["reference"]
            kind = local_reference(reference).split("/")[0]
            copy.setdefault("display", f"{kind} (not part of this summary)")
            if kind.isalpha():
                copy.setdefault("type", kind)
    return copy
