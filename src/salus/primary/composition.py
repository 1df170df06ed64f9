"""What a medicine is made of (R4 Medication: form, amount, ingredient), for telling two products apart.

A code may name a substance of any strength. So what is stated of form, package and strength is part of the
product, in base units: 500 mg in one tablet is 0.5 g in one tablet, and is not 1 g.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec

from salus.core.errors import InvalidResource
from salus.primary.amounts import UCUM, Amount, noun, read_amount
from salus.standards.fhir.fhirpath.units import parse_unit

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
Words = frozenset[tuple[str, str]]
"""What names a thing: (system, code) of each coding with a system, and ("", text) in small letters."""
MEASURED = frozenset({"m", "s", "g", "rad", "K", "C", "cd"})
"""The base units of UCUM (its table 1)."""
NOT_STATED: Words = frozenset()


class Side(msgspec.Struct, frozen=True):
    """One side of a ratio: how much of its base unit, and which; `noun` of what is only counted."""

    value: Fraction
    unit: str
    noun: str = ""

    def agrees(self, other: Side) -> bool:
        """Return whether both are as much of the same."""
        nouns = {each.noun for each in (self, other) if each.noun}
        return (self.value, self.unit) == (other.value, other.unit) and len(nouns) < 2


class Strength(msgspec.Struct, frozen=True):
    """How much of an ingredient is in one (tablet, mL) of the product."""

    much: Side
    of: Side

    def agrees(self, other: Strength) -> bool:
        """Return whether both are the same ratio."""
        return self.much.agrees(other.much) and self.of.agrees(other.of)


class Ingredient(msgspec.Struct, frozen=True):
    """One ingredient; `strength` is None where none that can be read is stated, `told` what is instead."""

    words: Words
    strength: Strength | None = None
    told: str = ""


class Composition(msgspec.Struct, frozen=True):
    """What a Medication states; every part is empty where it states nothing."""

    form: Words = NOT_STATED
    amount: Strength | None = None
    ingredients: tuple[Ingredient, ...] = ()

    def agrees(self, other: Composition) -> bool:
        """Return whether both state the same: what only one of them states is not known to be the same."""
        return (
            _same_words(self.form, other.form)
            and _same_strength(self.amount, other.amount)
            and self.same_ingredients(other, strength=True)
        )

    def is_kept_by(self, other: Composition) -> bool:
        """Return whether the other states the form and the ingredients that this one states, if any."""
        forms = not self.form or _same_words(self.form, other.form)
        return forms and (not self.ingredients or self.same_ingredients(other, strength=True))

    def same_ingredients(self, other: Composition, *, strength: bool) -> bool:
        """Return whether each ingredient of one is one of the other; with `strength`, as much of each.

        Of one that states nothing it is not known which it is.
        """
        if len(self.ingredients) != len(other.ingredients):
            return False
        rest = list(other.ingredients)
        for one in self.ingredients:
            found = next((each for each in rest if one.words and _same_words(one.words, each.words)), None)
            if found is None or (strength and not _as_strong(one, found)):
                return False
            rest.remove(found)
        return True


def read_composition(medication: Resource) -> Composition:
    """Return what a Medication says it is made of; an ingredient that is not active is left out."""
    contained = {f"#{each.get('id')}": each for each in medication.get("contained", ())}
    active = [each for each in medication.get("ingredient", ()) if each.get("isActive") is not False]
    return Composition(
        read_words(medication.get("form", {})),
        _strength(medication.get("amount")),
        tuple(_ingredient(each, contained) for each in active),
    )


def read_words(concept: Resource) -> Words:
    """Return what a CodeableConcept names."""
    pairs = [(str(each.get("system", "")), str(each.get("code", ""))) for each in concept.get("coding", ())]
    displays = [each.get("display") for each in concept.get("coding", ())]
    texts = [concept["text"]] if concept.get("text") else displays
    names = frozenset(("", " ".join(str(text).casefold().split())) for text in texts if text)
    return names | frozenset(pair for pair in pairs if all(pair))


def _ingredient(ingredient: Resource, contained: Mapping[str, Resource]) -> Ingredient:
    link: Resource = ingredient.get("itemReference", {})
    target = str(link.get("reference", ""))
    concept = ingredient.get("itemCodeableConcept") or contained.get(target, {}).get("code")
    words = read_words(concept or _called(link))
    stated = ingredient.get("strength")
    read = _strength(stated)
    return Ingredient(words, read, "" if read is not None or not stated else str(stated))


def _called(link: Resource) -> Resource:
    """Return as a CodeableConcept what a reference says by itself; "#id" says nothing."""
    number: Resource = link.get("identifier", {})
    target = str(link.get("reference", ""))
    text = link.get("display") or ("" if target.startswith("#") else target)
    return {"text": text, "coding": [{"system": number.get("system", ""), "code": number.get("value", "")}]}


def _strength(ratio: Resource | None) -> Strength | None:
    """Return a Ratio scaled to one of its denominator, None for none that can be read."""
    try:
        much, of = (read_amount((ratio or {}).get(name)) for name in ("numerator", "denominator"))
    except InvalidResource:
        return None
    if much is None:
        return None
    above, below = _side(much), Side(Fraction(1), "1") if of is None else _side(of)
    if not below.value:
        return None
    return Strength(
        msgspec.structs.replace(above, value=above.value / below.value),
        msgspec.structs.replace(below, value=Fraction(1)),
    )


def _side(amount: Amount) -> Side:
    """Return an amount in its base unit; a unit without a code is read as if its name were one."""
    number, written = Fraction(amount.value), amount.code or amount.unit
    unit = parse_unit(written) if not amount.code or amount.system in {UCUM, ""} else None
    if unit is None:
        return Side(number, f"{amount.system}|{amount.code}")
    if not unit.powers or (not amount.code and not MEASURED.issuperset(name for name, _ in unit.powers)):
        return Side(number if unit.powers else number * unit.factor, "1", noun(amount.unit))
    return Side(number * unit.factor, ".".join(f"{name}{power}" for name, power in unit.powers))


def _as_strong(one: Ingredient, other: Ingredient) -> bool:
    return one.told == other.told and _same_strength(one.strength, other.strength)


def _same_strength(one: Strength | None, other: Strength | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.agrees(other)


def _same_words(one: Words, other: Words) -> bool:
    """Return whether two concepts name the same: by a code in every code system of both, else by a text."""
    shared = ({system for system, _ in one} & {system for system, _ in other}) - {""}
    both = one & other
    if shared:
        return shared <= {system for system, _ in both}
    return bool(both) or one == other
