"""PID, PD1, NK1 and MRG: who the patient is, who is near to them, which record was merged (v2.5.1, 3.4)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import (
    Json,
    address,
    concept,
    contact_point,
    date_time,
    human_name,
    identifier,
    organisation,
    practitioner,
    repeated,
)
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir

MARITAL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
RELATION = "http://terminology.hl7.org/CodeSystem/v2-0131"
TABLES = "http://terminology.hl7.org/CodeSystem/v2-"
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"
BIRTH_PLACE = f"{EXTENSIONS}patient-birthPlace"


def _patient(making: Making, pid: Segment) -> None:
    identifiers = repeated(pid, 3, identifier)
    for field in (2, 4):  # before v2.5 the external and the alternate number stood apart
        identifiers += [each for each in repeated(pid, field, identifier) if each not in identifiers]
    found: Json = {"resourceType": "Patient"}
    if identifiers:
        found["identifier"] = identifiers
    names = repeated(pid, 5, human_name)
    names += [{"use": "old", **each} for each in repeated(pid, 9, human_name)]
    if names:
        found["name"] = names
    telecom = [*repeated(pid, 13, contact_point)]
    telecom += [{"use": "work", **each} for each in repeated(pid, 14, contact_point)]
    if telecom:
        found["telecom"] = telecom
    if code := pid.text(8):
        _code(making, found, "gender", code, "gender", "PID-8")
    if born := date_time(pid, 7):
        found["birthDate"] = born[:10]
        if len(born) > 10:
            time = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
            found["_birthDate"] = {"extension": [{"url": time, "valueDateTime": born}]}
    if addresses := repeated(pid, 11, address):
        found["address"] = addresses
    if marital := concept(pid, 16, table="0002"):
        found["maritalStatus"] = _marital(marital)
    if language := concept(pid, 15):
        found["communication"] = [{"language": language}]
    if place := pid.text(23):
        found["extension"] = [{"url": BIRTH_PLACE, "valueAddress": {"text": place}}]
    _deceased(found, pid)
    if (order := pid.text(25)).isdigit():
        found["multipleBirthInteger"] = int(order)
    elif pid.text(24) in ("Y", "N"):
        found["multipleBirthBoolean"] = pid.text(24) == "Y"
    _more_of(making, found, pid)
    first = identifiers[0] if identifiers else None
    making.context.patient = making.add(making.address_of("Patient", first, pid), found)


def _more_of(making: Making, found: Json, pid: Segment) -> None:
    """Take what FHIR has standard extensions for, and the United States' social security number."""
    if number := pid.text(19):
        kind = {"coding": [{"system": f"{TABLES}0203", "code": "SS"}]}
        held: Json = {"type": kind, "system": "http://hl7.org/fhir/sid/us-ssn", "value": number}
        found["identifier"] = [*found.get("identifier", ()), held]
    if telecom := repeated(pid, 40, contact_point):
        found["telecom"] = [*found.get("telecom", ()), *telecom]
    extensions = found.get("extension", [])
    if name := pid.text(6):
        extensions.append({"url": f"{EXTENSIONS}patient-mothersMaidenName", "valueString": name})
    if (religion := concept(pid, 17, table="0006")) is not None:
        extensions.append({"url": f"{EXTENSIONS}patient-religion", "valueCodeableConcept": religion})
    for place in range(pid.count(26)):
        if (country := concept(pid, 26, place, table="0171")) is not None:
            said = [{"url": "code", "valueCodeableConcept": country}]
            extensions.append({"url": f"{EXTENSIONS}patient-citizenship", "extension": said})
    if extensions:
        found["extension"] = extensions
    if pid.has(25) and pid.text(24) == "Y":
        pid.take(24)  # said by the order of birth


def _deceased(found: Json, pid: Segment) -> None:
    died, at = pid.text(30), date_time(pid, 29)
    if at:
        found["deceasedDateTime"] = at
    elif died in ("Y", "N"):
        found["deceasedBoolean"] = died == "Y"


def _code(making: Making, found: Json, name: str, code: str, table: str, path: str) -> None:
    known = in_fhir(table, code)
    if known:
        found[name] = known
    else:
        making.account.drop(path, "a code without a counterpart in FHIR", code)


def _marital(concept: Json) -> Json:
    for coding in concept.get("coding", ()):
        if coding.get("system", "").endswith("v2-0002"):
            code = in_fhir("marital", coding["code"]) or coding["code"]
            return {**concept, "coding": [{"system": MARITAL, "code": code}, *concept["coding"]]}
    return concept


def _more(making: Making, pd1: Segment) -> None:
    """Take the general practitioner and where they work."""
    patient = making.resources.get(making.context.patient)
    found = [making.aside(each, pd1, f"4-{n}") for n, each in enumerate(repeated(pd1, 4, practitioner))]
    found += [making.aside(each, pd1, f"3-{n}") for n, each in enumerate(repeated(pd1, 3, organisation))]
    named = [each for each in found if each is not None]
    if patient is not None and named:
        patient["generalPractitioner"] = [*patient.get("generalPractitioner", ()), *named]


def _next_of_kin(making: Making, nk1: Segment) -> None:
    found: Json = {}
    for part in (3, 7):
        if (relation := concept(nk1, part)) is not None:
            found.setdefault("relationship", []).append(_relation(relation))
    if names := repeated(nk1, 2, human_name):
        found["name"] = names[0]
    telecom = [*repeated(nk1, 5, contact_point), *repeated(nk1, 6, contact_point)]
    if telecom:
        found["telecom"] = telecom
    if addresses := repeated(nk1, 4, address):
        found["address"] = addresses[0]
    if code := in_fhir("gender", nk1.text(15)):
        found["gender"] = code
    if names_of := repeated(nk1, 13, organisation):
        found["organization"] = making.aside(names_of[0], nk1, "13")
    patient = making.resources.get(making.context.patient)
    if patient is not None and {"name", "telecom", "address", "organization"} & found.keys():
        patient["contact"] = [*patient.get("contact", ()), found]


def _relation(relation: Json) -> Json:
    for coding in relation.get("coding", ()):
        if known := in_fhir("contact-relation", coding.get("code", "")):
            return {**relation, "coding": [*relation["coding"], {"system": RELATION, "code": known}]}
    return relation


def _merged(making: Making, mrg: Segment) -> None:
    """Give the record of PID the numbers of the one that ends in it, so that both are proposed as one person.

    Whether they are is decided here by somebody (`salus persons`), not by a message: neither record is
    changed otherwise, and none is made of what a merge says.
    """
    gone = repeated(mrg, 1, identifier)
    stays = making.resources.get(making.context.patient)
    if not gone or stays is None:
        return
    known = [(each.get("system"), each["value"]) for each in stays.get("identifier", ())]
    old = [{**each, "use": "old"} for each in gone if (each.get("system"), each["value"]) not in known]
    if old:
        stays["identifier"] = [*stays.get("identifier", ()), *old]
    reason = "a merge: proposed for somebody to decide (salus persons), not done"
    making.account.approximate("MRG-1", reason, gone[0]["value"])


SEGMENTS = (Reads("PID", _patient), Reads("PD1", _more), Reads("NK1", _next_of_kin), Reads("MRG", _merged))
