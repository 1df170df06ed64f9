"""For whom a system asks: the `extensions` of a client assertion.

Two spellings are read: IHE IUA (ITI TF-2 3.71, `ihe_iua`: subject_name, subject_organization,
subject_organization_id, subject_role, purpose_of_use, person_id) and UDAP (`hl7-b2b`, version 1:
subject_id, subject_name, subject_role, organization_id, organization_name, purpose_of_use). What neither
has (treatment relationship, assurance of the log-in) is in `salus`. Unknown members and values are refused: a
word that the answering node cannot weigh must not pass as understood.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec

from salus.core.access import Assurance, Purpose, Role
from salus.core.errors import NotAuthenticated

PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
URI_SYSTEM = "urn:ietf:rfc:3986"
ROLE_SYSTEM = "http://snomed.info/sct"
TEXT_LENGTH_MAX = 200
UNPRINTABLE = frozenset({"Cc", "Cs"})  # Unicode categories: control characters, halves of surrogate pairs

# SNOMED CT codes of the roles: 158965000 medical practitioner, 46255001 pharmacist, 397897005 paramedic (of
# an emergency service), 116154003 patient.
ROLE_CODES = {
    "158965000": Role.CLINICIAN,
    "46255001": Role.PHARMACIST,
    "397897005": Role.EMERGENCY,
    "116154003": Role.CITIZEN,
}
RELATIONSHIPS = frozenset({"present", "in-care", "emergency", "none"})


class Asker(msgspec.Struct, frozen=True):
    """The person on whose behalf a node asks, as the asking node vouches for them.

    Args:
        subject: identifier of the professional (or citizen) at the asking node.
        name: for the access log.
        role: their role.
        organisation: name of their health-care organisation, "" for a citizen.
        purpose: purpose of use.
        patient: logical id of the patient at the answering node, or "" while the patient is looked up.
        relationship: what ties them to the patient: "present" (the patient is there and was
            identified), "in-care", "emergency", or "none".
        presence_code: the one-time code that the patient showed, "" without one.
        document: number of an identity or insurance document that the patient showed, "" without one.
        reason: why it cannot wait, of an emergency; why they treat the patient, of a local system's.
        assurance: how surely the professional is who they say, None where that is not stated.
        organisation_id: identifier of the organisation, "system|value", "" without one.
    """

    subject: str
    name: str
    role: Role
    organisation: str
    purpose: Purpose
    patient: str = ""
    relationship: str = "none"
    presence_code: str = ""
    document: str = ""
    reason: str = ""
    assurance: Assurance | None = None
    organisation_id: str = ""


_LEVEL = "http://eidas.europa.eu/LoA/"
LEVELS = {f"{_LEVEL}{level.value}": level for level in Assurance}
"""Values of `acr`, as providers of eIDAS means state them (Regulation (EU) 910/2014, article 8)."""
EVIDENCE = ("presence_code", "document", "reason")


def write_extensions(asker: Asker) -> dict[str, Any]:
    """Return the `extensions` claim, in the spelling of IHE IUA."""
    code = next(code for code, role in ROLE_CODES.items() if role is asker.role)
    return {
        "ihe_iua": {
            "subject_name": asker.name,
            "subject_organization": asker.organisation,
            **({"subject_organization_id": asker.organisation_id} if asker.organisation_id else {}),
            "subject_role": [{"system": ROLE_SYSTEM, "code": code}],
            "purpose_of_use": [{"system": PURPOSE_SYSTEM, "code": asker.purpose.value}],
            "person_id": asker.patient,
        },
        "salus": {
            "subject_id": asker.subject,
            "relationship": asker.relationship,
            **{name: stated for name in EVIDENCE if (stated := getattr(asker, name))},
            **({"acr": f"{_LEVEL}{asker.assurance.value}"} if asker.assurance else {}),
        },
    }


def read_extensions(extensions: object) -> Asker | None:
    """Return who is asked for, None when the claim is absent.

    Raises:
        NotAuthenticated: a member or value is missing or unknown; the message names it.
    """
    if extensions is None:
        return None
    if not isinstance(extensions, dict):
        raise NotAuthenticated("extensions must be an object")
    spellings = [name for name in ("ihe_iua", "hl7-b2b") if name in extensions]
    if len(spellings) != 1 or extensions.keys() - {"ihe_iua", "hl7-b2b", "salus"}:
        raise NotAuthenticated("extensions must hold ihe_iua or hl7-b2b, and beside it only salus")
    own = _members(extensions.get("salus", {}), "salus", {"subject_id", "relationship", "acr", *EVIDENCE})
    relationship = own.get("relationship", "none")
    if not isinstance(relationship, str) or relationship not in RELATIONSHIPS:
        raise NotAuthenticated(f"relationship must be one of {', '.join(sorted(RELATIONSHIPS))}")
    if spellings[0] == "ihe_iua":
        asker = _read_iua(extensions["ihe_iua"], own.get("subject_id"), relationship)
    else:
        asker = _read_b2b(extensions["hl7-b2b"], relationship)
    stated = {name: _optional(own.get(name), name) for name in EVIDENCE}
    return msgspec.structs.replace(asker, assurance=_level(own.get("acr")), **stated)


IUA = {
    "subject_name", "subject_organization", "subject_organization_id", "subject_role",
    "purpose_of_use", "person_id", "home_community_id", "national_provider_identifier",
}  # fmt: skip
B2B = {
    "version", "subject_id", "subject_name", "subject_role", "organization_id", "organization_name",
    "purpose_of_use", "person_id",
}  # fmt: skip


def _read_iua(found: object, subject: object, relationship: str) -> Asker:
    members = _members(found, "ihe_iua", IUA)
    return Asker(
        subject=_text(subject or members.get("national_provider_identifier"), "subject_id"),
        name=_text(members.get("subject_name"), "subject_name"),
        role=_role(members.get("subject_role")),
        organisation=_optional(members.get("subject_organization"), "subject_organization"),
        organisation_id=_identifier(members.get("subject_organization_id"), "subject_organization_id"),
        purpose=_purpose(members.get("purpose_of_use")),
        patient=_optional(members.get("person_id"), "person_id"),
        relationship=relationship,
    )


def _read_b2b(found: object, relationship: str) -> Asker:
    members = _members(found, "hl7-b2b", B2B)
    if members.get("version") != "1":
        raise NotAuthenticated('hl7-b2b must have version "1"')
    return Asker(
        subject=_text(members.get("subject_id"), "subject_id"),
        name=_text(members.get("subject_name"), "subject_name"),
        role=_role(members.get("subject_role")),
        organisation=_optional(members.get("organization_name"), "organization_name"),
        organisation_id=_identifier(members.get("organization_id"), "organization_id"),
        purpose=_purpose(members.get("purpose_of_use")),
        patient=_optional(members.get("person_id"), "person_id"),
        relationship=relationship,
    )


def _members(found: object, where: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise NotAuthenticated(f"{where} must be an object")
    unknown = sorted(found.keys() - known)
    if unknown:
        raise NotAuthenticated(f"{where} must not hold {unknown[0][:80]!a}")
    return found


def _role(found: object) -> Role:
    code = _code(found, "subject_role", {ROLE_SYSTEM, "urn:oid:2.16.840.1.113883.6.96"})
    if code not in ROLE_CODES:
        raise NotAuthenticated(f"subject_role must be one of the SNOMED CT codes {', '.join(ROLE_CODES)}")
    return ROLE_CODES[code]


def _purpose(found: object) -> Purpose:
    code = _code(found, "purpose_of_use", {PURPOSE_SYSTEM, "urn:oid:2.16.840.1.113883.5.8"})
    try:
        return Purpose(code)
    except ValueError:
        allowed = ", ".join(purpose.value for purpose in Purpose)
        raise NotAuthenticated(f"purpose_of_use must be one of {allowed}") from None


def _level(found: object) -> Assurance | None:
    if found is None:
        return None
    if not isinstance(found, str) or found not in LEVELS:
        raise NotAuthenticated(f"acr must be one of {', '.join(LEVELS)}")
    return LEVELS[found]


def _code(found: object, name: str, systems: set[str]) -> str:
    """Return the code of [{system, code}], {system, code} or, as UDAP writes it, "system#code"."""
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, str) and "#" in found:
        before, _, after = found.rpartition("#")
        found = {"system": before, "code": after}
    coding = found if isinstance(found, dict) else {}
    given, code = coding.get("system"), coding.get("code")
    if not isinstance(given, str) or given not in systems or not isinstance(code, str):
        raise NotAuthenticated(f"{name} must be exactly one code of {min(systems)}")
    return code


def _text(found: object, name: str) -> str:
    if not isinstance(found, str) or not found.strip() or len(found) > TEXT_LENGTH_MAX:
        raise NotAuthenticated(f"{name} must be a text of 1 to {TEXT_LENGTH_MAX} characters")
    if any(unicodedata.category(char) in UNPRINTABLE for char in found):
        raise NotAuthenticated(f"{name} must not hold control characters")
    return found


def _identifier(found: object, name: str) -> str:
    """Return "system|value"; an address or OID alone is a value of the system that FHIR gives to such."""
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    text = _optional(found, name)
    return text if not text or all(text.partition("|")) else f"{URI_SYSTEM}|{text}"


def _optional(found: object, name: str) -> str:
    return _text(found, name) if found else ""
