"""Names, addresses and telecoms: PN, EN, ON, AD and TEL (HL7 v3 data types R1)."""

from __future__ import annotations

import re

from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.node import Node
from salus.standards.cda.values import period

NAME_USE = {
    "L": "usual", "C": "official", "P": "nickname", "A": "nickname", "ASGN": "usual", "OR": "official",
    "SRCH": "", "PHON": "", "SYL": "", "IDE": "", "ABC": "", "I": "", "R": "",
}  # fmt: skip
"""R4, cm-name-use-v3; what has no equal there is ""."""
ADDRESS_USE = {
    "H": "home", "HP": "home", "HV": "temp", "WP": "work", "DIR": "work", "PUB": "work", "TMP": "temp",
    "BAD": "old", "OLD": "old",
}  # fmt: skip
TELECOM_USE = {
    "H": "home", "HP": "home", "HV": "temp", "WP": "work", "DIR": "work", "PUB": "work", "TMP": "temp",
    "BAD": "old", "MC": "mobile", "EC": "", "AS": "", "PG": "",
}  # fmt: skip
_SYSTEMS = {"tel": "phone", "fax": "fax", "mailto": "email", "http": "url", "https": "url", "sms": "sms"}
_BIRTH = frozenset({"BR", "MAID"})
_STREET = ("streetAddressLine", "unitID", "unitType", "additionalLocator", "careOf", "postBox", "precinct")


def human_name(node: Node, conversion: Conversion) -> Resource:
    """Return a PN as HumanName, {} when it says nothing."""
    made: Resource = {}
    uses = node.get("use").split()
    use = next((NAME_USE[each] for each in uses if NAME_USE.get(each)), "")
    if any(each and not NAME_USE.get(each) for each in uses):
        conversion.approximate(node, "this use of a name has no equal in FHIR", " ".join(uses))
    families = []
    for each in node.all("family"):
        words = each.words()
        if set(each.get("qualifier").split()) & _BIRTH:
            use = use or "maiden"
        if words:
            families.append(words)
    for key, name in (("given", "given"), ("prefix", "prefix"), ("suffix", "suffix")):
        found = []
        for each in node.all(name):
            each.get("qualifier")
            if text := each.words():
                found.append(text)
        if found:
            made[key] = found
    if families:
        made["family"] = " ".join(families)
    loose = " ".join([node.own_text(), *(" ".join(child.tail.split()) for child in node.children)]).strip()
    if loose and not made:
        made["text"] = " ".join(loose.split())
    if made:
        valid = period(node.first("validTime"), conversion)
        made = {**({"use": use} if use else {}), **made, **({"period": valid} if valid else {})}
    return made


def human_names(owner: Node | None, conversion: Conversion) -> list[Resource]:
    """Return the names of a person that say anything."""
    each_name = owner.all("name") if owner is not None else ()
    return [made for each in each_name if (made := human_name(each, conversion))]


def organisation_name(owner: Node | None) -> str:
    """Return the first name of an organisation, "" for none; further ones count as dropped."""
    node = owner.first("name") if owner is not None else None
    if node is None:
        return ""
    node.get("use")
    return node.words()


def address(node: Node, conversion: Conversion) -> Resource:
    """Return an AD as Address, {} when it says nothing."""
    uses = node.get("use").split()
    use = next((ADDRESS_USE[each] for each in uses if ADDRESS_USE.get(each)), "")
    made: Resource = {}
    lines = [words for name in _STREET for each in node.all(name) if (words := each.words())]
    street = " ".join(
        words
        for name in ("houseNumber", "houseNumberNumeric", "direction", "streetNameType", "streetName",
                     "streetNameBase", "buildingNumberSuffix", "deliveryAddressLine")
        for each in node.all(name)
        if (words := each.words())
    )  # fmt: skip
    lines += [street] if street else []
    if lines:
        made["line"] = lines
    for key, name in (
        ("city", "city"), ("district", "county"), ("state", "state"), ("postalCode", "postalCode"),
        ("country", "country"),
    ):  # fmt: skip
        found = node.first(name)
        if found is not None and (words := found.words()):
            made[key] = words
    loose = " ".join([node.own_text(), *(" ".join(child.tail.split()) for child in node.children)]).strip()
    if loose:
        made["text"] = " ".join(loose.split())
    if made:
        if any(each in ("PST", "PHYS") for each in uses):
            made["type"] = "postal" if "PST" in uses else "physical"
        valid = period(node.first("useablePeriod"), conversion)
        made = {**({"use": use} if use else {}), **made, **({"period": valid} if valid else {})}
    return made


def addresses(owner: Node | None, conversion: Conversion) -> list[Resource]:
    """Return the addresses of an element that say anything."""
    each_address = owner.all("addr") if owner is not None else ()
    return [made for each in each_address if (made := address(each, conversion))]


def telecom(node: Node, conversion: Conversion) -> Resource:
    """Return a TEL as ContactPoint, {} when it says nothing."""
    value = node.get("value")
    if not value:
        return {}
    scheme, colon, rest = value.partition(":")
    system = _SYSTEMS.get(scheme.lower(), "") if colon else ""
    uses = node.get("use").split()
    use = next((TELECOM_USE[each] for each in uses if TELECOM_USE.get(each)), "")
    if not system:
        system = "phone" if re.fullmatch(r"[+0-9 ()/.-]+", value) else "email" if "@" in value else "other"
        rest = value
    elif system == "url":
        rest = value
    if not rest.strip():
        return {}
    made = {"system": system, "value": rest.strip(), **({"use": use} if use else {})}
    valid = period(node.first("useablePeriod"), conversion)
    return made | ({"period": valid} if valid else {})


def telecoms(owner: Node | None, conversion: Conversion) -> list[Resource]:
    """Return the telecoms of an element that say anything."""
    each_telecom = owner.all("telecom") if owner is not None else ()
    return [made for each in each_telecom if (made := telecom(each, conversion))]
