"""A citizen's rules of who may see what, and the FHIR Consents they are kept as (EHDS 8; IHE PCF). Pure.

A rule of the portal denies one thing to one party: parts of the record to a person, say, until a day. What
other Consents say is no rule here, and is shown as such.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, Literal, get_args

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.fhir.search.values import fold

Json = dict[str, Any]
"""A resource: JSON."""
Whom = Literal["professionals", "organisation", "person", "country", "abroad", "proxies", "purpose"]
WHOMS: tuple[Whom, ...] = get_args(Whom)
NAMED = frozenset({"organisation", "person", "country"})
PURPOSES = ("HRESCH", "PUBHLTH", "HOPERAT")
"""Those that a citizen may deny by themselves: v3-ActReason."""
_SYSTEMS: dict[Whom, str] = {
    "organisation": "urn:salus:organisation",
    "person": "urn:salus:person",
    "country": "urn:iso:std:iso:3166",
}
_KINDS: dict[str, Whom] = {system: kind for kind, system in _SYSTEMS.items()}
_AUDIENCE = "urn:salus:audience"
_AUDIENCES: dict[str, Whom] = {"abroad": "abroad", "proxies": "proxies"}
_TYPES = "http://hl7.org/fhir/resource-types"
_PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
SENSITIVITY = f"{_TERMINOLOGY}/v3-ActCode"
_COUNTRY = re.compile("[A-Z]{2}")
_NAME_LENGTH_MAX = 200
_OWN = frozenset({"type", "actor", "purpose", "class", "period", "securityLabel"})


class Rule(msgspec.Struct, frozen=True):
    """From whom what is hidden, and when.

    Args:
        whom: all professionals, those of an organisation, a person, whoever asks from a country or from
            abroad, whoever acts for the citizen, or whoever asks for a purpose.
        value: which one: its name, the subject of a person, ISO 3166-1 alpha-2, the code of a purpose.
        name: what `value` is called, for people.
        classes: resource types; () for all, the whole record if there are no labels either.
        identifier: of an organisation, "system|value"; "" where it is known by its name alone.
        labels: sensitivity codes of v3-ActCode, of which any will do; () for all.
        starts, ends: dates "YYYY-MM-DD", both days included; "" for open.
    """

    whom: Whom
    value: str = ""
    name: str = ""
    classes: tuple[str, ...] = ()
    starts: str = ""
    ends: str = ""
    labels: tuple[str, ...] = ()
    identifier: str = ""


def check_rule(rule: Rule, *, today: date) -> None:
    """Refuse a rule that hides from nobody, or never.

    Raises:
        MalformedContent: it says what is missing.
    """
    if rule.whom in NAMED and not rule.value.strip():
        raise MalformedContent("Say from whom: name the organisation, the person or the country.")
    if max(len(rule.value), len(rule.name)) > _NAME_LENGTH_MAX:
        raise MalformedContent(f"A name has at most {_NAME_LENGTH_MAX} characters.")
    if rule.whom == "country" and not _COUNTRY.fullmatch(rule.value):
        raise MalformedContent("A country is named by two letters, such as EE.")
    if rule.whom == "purpose" and rule.value not in PURPOSES:
        raise MalformedContent("Choose one of the purposes that are listed.")
    starts, ends = (_day(each) for each in (rule.starts, rule.ends))
    if ends is not None and (ends < today or (starts is not None and ends < starts)):
        raise MalformedContent("The last day lies before the first, or has passed.")


def spelt_as_known(rule: Rule, organisations: Collection[str]) -> Rule:
    """Return the rule with its organisation as it is known, whatever its capitals, accents and spaces.

    Unchanged where none of the names fits, or several do: a Consent means the name in the access log.
    """
    if rule.whom != "organisation" or rule.value in organisations:
        return rule
    alike = [name for name in organisations if _folded(name) == _folded(rule.value)]
    return msgspec.structs.replace(rule, value=alike[0]) if len(alike) == 1 else rule


def _folded(name: str) -> str:
    return " ".join(fold(name).split())


def consent_of(rule: Rule, patient: str, at: datetime) -> Json:
    """Return the Consent of a rule; `patient` is the logical id of the citizen's Patient."""
    provision: Json = {"type": "deny"}
    period = {key: day for key, day in (("start", rule.starts), ("end", rule.ends)) if day}
    if period:
        provision["period"] = period
    if rule.whom == "purpose":
        provision["purpose"] = [{"system": _PURPOSE, "code": rule.value}]
    elif rule.whom != "professionals":
        identifier = {"system": _SYSTEMS.get(rule.whom, _AUDIENCE), "value": rule.value or rule.whom}
        named = [{"identifier": identifier} | ({"display": rule.name} if rule.name else {})]
        if rule.identifier:  # whoever has it, and whoever is called so and has none, or another
            system, _, value = rule.identifier.partition("|")
            named.append({"identifier": {"system": system, "value": value}, "display": rule.value})
        role = {"coding": [{"system": f"{_TERMINOLOGY}/v3-ParticipationType", "code": "IRCP"}]}
        provision["actor"] = [{"role": role, "reference": each} for each in named]
    if rule.labels:
        provision["securityLabel"] = [{"system": SENSITIVITY, "code": code} for code in rule.labels]
    if rule.classes:
        provision["class"] = [{"system": _TYPES, "code": name} for name in rule.classes]
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": f"{_TERMINOLOGY}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": at.isoformat(timespec="seconds"),
        "policyRule": {"coding": [{"system": f"{_TERMINOLOGY}/v3-ActCode", "code": "OPTIN"}]},
        "provision": provision,
    }


def rule_of(consent: Mapping[str, Any]) -> Rule | None:
    """Return the rule that a Consent keeps; None where it says something else, or more."""
    provision = consent.get("provision")
    if not isinstance(provision, dict) or provision.get("type") != "deny" or not _OWN.issuperset(provision):
        return None
    labels = provision.get("securityLabel", [])
    if any(label.get("system") != SENSITIVITY for label in labels):
        return None
    actors, purposes = provision.get("actor", []), provision.get("purpose", [])
    period = provision.get("period", {})
    everybody = Rule(
        "professionals",
        classes=tuple(str(coding.get("code", "")) for coding in provision.get("class", [])),
        starts=str(period.get("start", "")),
        ends=str(period.get("end", "")),
        labels=tuple(str(label.get("code", "")) for label in labels),
    )
    if not actors and not purposes:
        return everybody
    actors, number = _without_number(actors)
    if len(actors) + len(purposes) != 1:
        return None
    if purposes:
        code = str(purposes[0].get("code", ""))
        return msgspec.structs.replace(everybody, whom="purpose", value=code) if code in PURPOSES else None
    reference = actors[0].get("reference", {})
    identifier = reference.get("identifier", {})
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    kind = _AUDIENCES.get(value) if system == _AUDIENCE else _KINDS.get(system)
    if kind is None or "reference" in reference:
        return None
    return msgspec.structs.replace(
        everybody,
        whom=kind,
        value="" if system == _AUDIENCE else value,
        name=str(reference.get("display", "")),
        identifier=number,
    )


def _without_number(actors: list[Json]) -> tuple[list[Json], str]:
    """Return the actors, and apart from them the identifier of the organisation that the first one names."""
    if len(actors) != 2:
        return actors, ""
    first, second = (actor.get("reference", {}) for actor in actors)
    one, other = first.get("identifier", {}), second.get("identifier", {})
    is_same = one.get("system") == _SYSTEMS["organisation"] and second.get("display") == one.get("value")
    number = f"{other.get('system', '')}|{other.get('value', '')}"
    if not is_same or "reference" in second or not all(number.partition("|")):
        return actors, ""
    return actors[:1], number


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise MalformedContent("Write a day as 2026-12-31.") from error
