"""Who a document is about and who wrote it: names of people and organisations, and the facts of a Patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from salus.primary.days import day
from salus.primary.language import say, say_number
from salus.primary.reading.model import Field
from salus.primary.references import resolve
from salus.primary.wording import catalogue

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
YEARS_IN_MONTHS = 2
"""Below this age in years it is told in months."""


def person_name(resource: Resource) -> str:
    """Return the official (else the first) name of a Patient or Practitioner, or an Organization's."""
    names = resource.get("name")
    if not names or isinstance(names, str):
        return names or ""
    name = next((each for each in names if each.get("use") == "official"), names[0])
    return str(name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip())


def party(reference: Resource, held: Mapping[str, Resource]) -> str:
    """Return who a reference names: "Dr Mari Tamm, North Estonia Medical Centre"."""
    found = resolve(reference, held)
    names = [person_name(found), *_behind(found, held)] if found else []
    names = [each for each in dict.fromkeys(names) if each]
    return ", ".join(names) or str(reference.get("display", "")) or _number(reference)


def _behind(found: Resource, held: Mapping[str, Resource]) -> list[str]:
    """Return whom a PractitionerRole joins, and what a Device is called."""
    named = [person_name(resolve(found.get(name), held)) for name in ("practitioner", "organization")]
    shown = [
        name or str(found.get(member, {}).get("display", ""))
        for name, member in zip(named, ("practitioner", "organization"), strict=True)
    ]
    devices = [str(each.get("name", "")) for each in found.get("deviceName", ())]
    return [*shown, *devices]


def _number(reference: Resource) -> str:
    held = reference.get("identifier")
    return str(held.get("value", "")) if isinstance(held, dict) else ""


def read_person(patient: Resource, language: str, now: datetime | None) -> tuple[Field, ...]:
    """Return who a Patient is, field by field; what is not stated of birth and sex is said."""
    died = patient.get("deceasedDateTime")
    born = str(patient.get("birthDate", ""))
    unknown = say("not-stated", language).text
    texts = [
        ("born", day(born, language) if born else unknown),
        ("age", age(born, str(died) if died else now, language)),
        ("gender", _gender(patient, language)),
        ("died", day(str(died), language) if died else ""),
        ("died", say("yes", language).text if patient.get("deceasedBoolean") is True else ""),
        *(("identifier", each) for each in identifiers(patient)),
    ]
    return fields_of(texts, language)


def read_contact(patient: Resource, held: Mapping[str, Resource], language: str) -> tuple[Field, ...]:
    """Return where and by whom a person is reached, and who looks after them."""
    doctors = [party(each, held) for each in patient.get("generalPractitioner", ())]
    texts = [
        *(("address", each) for each in _addresses(patient)),
        ("contact", ", ".join(_contacts(patient))),
        ("practitioner", "; ".join(each for each in doctors if each)),
    ]
    return fields_of(texts, language)


def fields_of(texts: Iterable[tuple[str, str]], language: str) -> tuple[Field, ...]:
    """Return texts as fields of a document's head, those that say something."""
    return tuple(Field(catalogue.text(f"head.{name}", language), text) for name, text in texts if text)


def age(born: str, at: datetime | str | None, language: str) -> str:
    """Return the age in words, "" where the day of birth is not known; in months for a small child."""
    try:
        first = date.fromisoformat(born)
        last = date.fromisoformat(at[:10]) if isinstance(at, str) else at.date() if at else None
    except ValueError:
        return ""
    if last is None or last < first:
        return ""
    months = (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)
    number, unit = (months, "mo") if months < YEARS_IN_MONTHS * 12 else (months // 12, "a")
    return f"{number} {say_number(f'unit.{unit}', language, str(number)).text}"


def identifiers(resource: Resource) -> list[str]:
    """Return the values of identifiers, each with the short name of its type, where it has one."""
    shown = []
    for each in resource.get("identifier", ()):
        kind = each.get("type", {})
        name = kind.get("text") or next(
            (one.get("display") or one.get("code") for one in kind.get("coding", ())), ""
        )
        value = str(each.get("value", ""))
        shown.append(f"{value} ({name})" if name and value else value)
    return [each for each in shown if each]


def _gender(patient: Resource, language: str) -> str:
    code = str(patient.get("gender", ""))
    known = code if code in ("male", "female", "other") else "unknown"
    return catalogue.text(f"gender.{known}", language)


def _addresses(patient: Resource) -> list[str]:
    shown = []
    for each in patient.get("address", ()):
        if each.get("text"):
            shown.append(str(each["text"]))
            continue
        town = " ".join(str(each[name]) for name in ("postalCode", "city") if each.get(name))
        parts = [*each.get("line", ()), town, each.get("country", "")]
        shown.append(", ".join(str(part) for part in parts if part))
    return [each for each in shown if each]


def _contacts(patient: Resource) -> list[str]:
    return [str(each["value"]) for each in patient.get("telecom", ()) if each.get("value")]
