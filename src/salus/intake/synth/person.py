"""Who a synthetic citizen is: name, sex, age, home and national number, plausible for the country."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

import msgspec

from salus.intake.synth.tables import Country
from salus.standards.nationalid.identifiers import NationalIdentifier, normalise
from salus.standards.nationalid.rules import RULES

# Population of the EU by age in 2023 (Eurostat demo_pjan), as (age up to, share in percent).
_AGES = ((15, 14.9), (30, 15.7), (50, 25.6), (65, 22.5), (80, 15.2), (97, 6.1))
_CHECKS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CHOICES = {"N": "0123456789", "L": "BCDFGLMNPRSTVZ"}
_ITALIAN_MONTHS = "ABCDEHLMPRST"


class Person(msgspec.Struct, frozen=True):
    """A synthetic citizen. `sex` is "female" or "male"; `identifiers` are (system, value, name)."""

    given: tuple[str, ...]
    family: str
    sex: str
    born: date
    age_years: int
    street: str
    city: str
    postal_code: str
    region: str
    phone: str
    identifiers: tuple[tuple[str, str, str], ...]


def age_on(born: date, today: date) -> int:
    """Return the completed years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def make_number(row: NationalIdentifier, born: date, sex: str, random: Random) -> str:
    """Return a number of the row's shape that keeps its rule (see identifiers.toml for the letters)."""
    rule = RULES[row.rule]
    for _ in range(1_000):
        text = _filled(row, born, sex, random)
        completed = _completed(text, rule)
        if completed:
            return completed
    raise AssertionError(f"no number of shape {row.shape} keeps {row.rule}")


def _filled(row: NationalIdentifier, born: date, sex: str, random: Random) -> str:
    year = f"{born.year:04d}"
    shape = row.shape
    female = sex == "female"
    month, day = born.month, born.day
    if row.country in ("CZ", "SK") and female:
        month += 50
    if row.country == "IT" and female:
        day += 40
    for mark, replacement in (
        ("YYYY", year),
        ("YYY", year[1:]),
        ("YY", year[2:]),
        ("MM", f"{month:02d}"),
        ("mm", f"{month + {1800: 80, 2000: 20}.get(born.year // 100 * 100, 0):02d}"),
        ("bb", f"{month + {1800: 20, 2000: 40}.get(born.year // 100 * 100, 0):02d}"),
        ("DD", f"{day:02d}"),
    ):
        shape = shape.replace(mark, replacement)
    fixed = {
        "C": _century(row.country, born.year, female=female),
        "S": "2" if female else "1",
        "R": _ITALIAN_MONTHS[born.month - 1],
    }
    return "".join(
        random.choice(_CHOICES[char]) if char in _CHOICES else fixed.get(char, char) for char in shape
    )


def _century(country: str, year: int, *, female: bool) -> str:
    if country == "FI":
        return "A" if year >= 2000 else "-"
    if country == "RO":
        return str((5 if year >= 2000 else 1) + female)
    return str((year - 1800) // 100 * 2 + 1 + female)


def _completed(text: str, rule: Callable[[str], bool]) -> str:
    at = text.find("?")
    if at < 0:
        return text if rule(normalise(text)) else ""
    for char in _CHECKS if text.count("?") == 1 else _CHECKS[:10]:
        completed = _completed(text[:at] + char + text[at + 1 :], rule)
        if completed:
            return completed
    return ""


def make_person(
    country: Country, identifiers: tuple[NationalIdentifier, ...], today: date, random: Random
) -> Person:
    """Return one citizen of the country on the day `today`."""
    sex = "female" if random.random() < 0.51 else "male"
    band = random.choices(range(len(_AGES)), weights=[share for _, share in _AGES])[0]
    youngest = _AGES[band - 1][0] if band else 0
    days = random.randrange(int(youngest * 365.25), int(_AGES[band][0] * 365.25))
    born = today - timedelta(days=days)
    names = country.female if sex == "female" else country.male
    city, postal_code, region = random.choice(country.cities)
    return Person(
        given=tuple(random.sample(names, 2 if random.random() < 0.4 else 1)),
        family=" ".join(random.sample(country.family, country.families)),
        sex=sex,
        born=born,
        age_years=age_on(born, today),
        street=f"{random.choice(country.streets)} {random.randint(1, 180)}",
        city=city,
        postal_code=postal_code,
        region=region,
        phone=country.phone + "".join(random.choices("0123456789", k=7)),
        identifiers=tuple((row.system, make_number(row, born, sex, random), row.name) for row in identifiers),
    )
