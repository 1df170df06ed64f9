"""The patient: recordTarget and those who stand by them to Patient."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import coding, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.names import address, addresses, human_names, telecoms
from salus.standards.cda.node import Node
from salus.standards.cda.people import organisation, participant

BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
RELIGION = "http://hl7.org/fhir/StructureDefinition/patient-religion"
LANGUAGES = "urn:ietf:bcp:47"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_CONTACTS = frozenset({"PRS", "ECON", "NOK", "CAREGIVER", "GUARD", "AGNT", "CON"})
_ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)


@cache
def codes() -> dict[str, dict[str, str]]:
    """Return the small tables of codes, by name."""
    table = resources.files("salus.standards.cda").joinpath("tables/codes.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, dict[str, str]])


def patient(root: Node, conversion: Conversion) -> Resource:
    """Return the Reference to the document's Patient, which every resource about them takes.

    Name and birth date, which the European summary needs, say why they are absent where they are.
    """
    role = root.first("recordTarget", "patientRole")
    made: Resource = {"resourceType": "Patient"}
    if role is None:
        made |= {"name": [absent()], "_birthDate": absent()}
        return conversion.add(made)
    person = role.first("patient")
    if ids := identifiers(role, conversion):
        made["identifier"] = ids
    made["name"] = human_names(person, conversion) or [absent(_name(person))]
    if found := telecoms(role, conversion):
        made["telecom"] = found
    if person is not None:
        made |= _person(person, conversion)
    born = person.first("birthTime") if person is not None else None
    date = conversion.moment(born)
    made |= {"birthDate": date[:10]} if date else {"_birthDate": absent(born)}
    if len(date) > 10 and born is not None:
        made["_birthDate"] = {
            "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": date}
            ]
        }
    if places := addresses(role, conversion):
        made["address"] = places
    if contacts := [*_guardians(person, conversion), *_contacts(root, conversion)]:
        made["contact"] = contacts
    if physicians := _physicians(root, conversion):
        made["generalPractitioner"] = physicians
    if house := organisation(role.first("providerOrganization"), conversion):
        made["managingOrganization"] = house
    return conversion.add(made)


def _name(person: Node | None) -> Node | None:
    return person.first("name") if person is not None else None


def _person(person: Node, conversion: Conversion) -> Resource:
    made: Resource = {}
    made |= _gender(person.first("administrativeGenderCode"))
    dead_at = conversion.moment(person.first("deceasedTime"))
    dead = person.first("deceasedInd")
    if dead_at:
        made["deceasedDateTime"] = dead_at
        if dead is not None:
            dead.get("value")
    elif dead is not None and dead.peek("value") in ("true", "false"):
        made["deceasedBoolean"] = dead.get("value") == "true"
    status = concept(person.first("maritalStatusCode"), conversion)
    if status:
        made["maritalStatus"] = status
    if languages := [found for each in person.all("languageCommunication") if (found := _speaks(each))]:
        made["communication"] = languages
    extensions = []
    place = person.first("birthplace", "place", "addr")
    if place is not None and (where := address(place, conversion)):
        extensions.append({"url": BIRTH_PLACE, "valueAddress": where})
    religion = concept(person.first("religiousAffiliationCode"), conversion)
    if religion:
        extensions.append({"url": RELIGION, "valueCodeableConcept": religion})
    if extensions:
        made["extension"] = extensions
    return made


def _gender(node: Node | None) -> dict[str, Any]:  # Any: FHIR JSON
    """Return Patient.gender, from the code or what it was translated from."""
    if node is None:
        return {}
    for each in node.walk():
        found = codes()["gender"].get(each.peek("code"))
        if found:
            node.take()
            return {"gender": found}
    return {"_gender": absent(node)} if node.null() else {}


def _speaks(node: Node) -> Resource:
    code = node.first("languageCode")
    tag = code.get("code") if code is not None else ""
    if not _LANGUAGE.fullmatch(tag):
        return {}
    made: Resource = {"language": {"coding": [{"system": LANGUAGES, "code": tag}]}}
    preferred = node.first("preferenceInd")
    if preferred is not None and preferred.peek("value") in ("true", "false"):
        made["preferred"] = preferred.get("value") == "true"
    return made


def _guardians(person: Node | None, conversion: Conversion) -> list[Resource]:
    found = []
    for node in person.all("guardian") if person is not None else ():
        made = _contact(node, node.first("guardianPerson"), conversion)
        house = organisation(node.first("guardianOrganization"), conversion)
        if house:
            made["organization"] = house
        if made:
            relation = made.get("relationship", [])
            made["relationship"] = [{"coding": [{"system": _ROLE_CLASS, "code": "GUARD"}]}, *relation]
            found.append(made)
    return found


def _contacts(root: Node, conversion: Conversion) -> list[Resource]:
    found = []
    for node in root.all("participant"):
        entity = node.first("associatedEntity")
        if entity is None or entity.peek("classCode") not in _CONTACTS:
            continue
        made = _contact(entity, entity.first("associatedPerson"), conversion)
        house = organisation(entity.first("scopingOrganization"), conversion)
        if house:
            made["organization"] = house
        if made:
            relation = made.get("relationship", [])
            kind = {"coding": [{"system": _ROLE_CLASS, "code": entity.get("classCode")}]}
            made["relationship"] = [kind, *relation]
            found.append(made)
    return found


def _contact(node: Node, person: Node | None, conversion: Conversion) -> Resource:
    made: Resource = {}
    relation = concept(node.first("code"), conversion)
    if relation:
        made["relationship"] = [relation]
    names, places = human_names(person, conversion), addresses(node, conversion)
    for key, values in (("name", names), ("address", places)):
        if values:
            made[key] = values[0]
        if len(values) > 1:
            conversion.approximate(node, f"of several the first {key} is kept")
    if found := telecoms(node, conversion):
        made["telecom"] = found
    return made


def _physicians(root: Node, conversion: Conversion) -> list[Resource]:
    """Return the health professionals whom the header names as the patient's own (function PCP)."""
    found = []
    for node in root.all("participant"):
        function, entity = node.first("functionCode"), node.first("associatedEntity")
        if function is not None and function.peek("code") == "PCP" and entity is not None:
            function.take()
            if who := participant(entity, conversion):
                found.append(who)
    return found


def language_tag(node: Node | None) -> str:
    """Return a languageCode as BCP 47 tag, "" for none."""
    code = node.peek("code") if node is not None else ""
    if node is None or not _LANGUAGE.fullmatch(code):
        return ""
    return node.get("code")


def secrecy(root: Node, conversion: Conversion) -> tuple[str, Resource]:
    """Return the confidentialityCode of a document: one that R4 has (v3 Confidentiality), else as Coding.

    A code of a country's own is no confidentiality to R4, but a label (meta.security) all the same: that a
    document is restricted must not be lost with a code.
    """
    node = root.first("confidentialityCode")
    made = coding(node, conversion) if node is not None else {}
    code = str(made.get("code", ""))
    if code in codes()["confidentiality"] and made.get("system", _CONFIDENTIALITY) == _CONFIDENTIALITY:
        return code, {}
    near = codes()["confidentiality-near"].get(code, "")
    if near and node is not None:
        conversion.approximate(node, f"a country's own confidentiality is also said as {near}", code)
    return near, made
