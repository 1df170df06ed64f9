"""What a profile says beyond its base type, as values: the form in which rules are kept, shipped and
compiled.

R4, elementdefinition.html. Only what the base type does not say already is there.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from salus.standards.fhir.model import Invariant


class TypeRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One type that an element may have.

    Args:
        profiles: canonicals of profiles of which the value follows one.
        targets: canonicals of profiles of which the target of a reference follows one, () = any.
    """

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    aggregation: tuple[str, ...] = ()


class BindingRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value set that coded content is taken from; `largest` is the one that it may never leave."""

    strength: Literal["required", "extensible", "preferred", "example"]
    value_set: str = ""
    largest: str = ""


class Discriminator(msgspec.Struct, frozen=True):
    """What tells slices apart."""

    type: Literal["value", "pattern", "type", "profile", "exists"]
    path: str


class Slicing(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the occurrences of an element are divided."""

    discriminators: tuple[Discriminator, ...] = ()
    rules: Literal["open", "closed", "openAtEnd"] = "open"
    ordered: bool = False


class Rules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What holds at one element.

    Args:
        min, max: occurrences; 0 and None where the base type says as much.
        types: () where the base type says as much.
        fixed, pattern: in a tuple of one, the value that it equals or that it holds; () for none.
        least, greatest: bounds of the value, in a tuple of one; () for none.
        languages: of the sections of a narrative: codes, _no for none, _yes for some, _resource for the
        resource's.
        slices: by name; a slice of a slice lies in `slices` of that one.
        children: by element name ("value" for value[x]).
    """

    min: int = 0
    max: int | None = None
    types: tuple[TypeRule, ...] = ()
    fixed: tuple[Any, ...] = ()  # Any: JSON
    pattern: tuple[Any, ...] = ()  # Any: JSON
    binding: BindingRule | None = None
    invariants: tuple[Invariant, ...] = ()
    must_support: bool = False
    languages: tuple[str, ...] = ()
    length_min: int | None = None
    length_max: int | None = None
    least: tuple[Any, ...] = ()  # Any: JSON
    greatest: tuple[Any, ...] = ()  # Any: JSON
    slicing: Slicing | None = None
    slices: dict[str, Rules] = {}
    children: dict[str, Rules] = {}


NOTHING = Rules()
HOLDERS = ("extension", "modifierExtension")


def asking_slices(name: str, rules: Rules) -> dict[str, Rules]:
    """Return the slices of an element that ask for something.

    An extension that may be there, as its definition says, is checked by that wherever it stands.
    """
    is_open = rules.slicing is None or (rules.slicing.rules == "open" and not rules.slicing.ordered)
    if name not in HOLDERS or not is_open:
        return rules.slices
    return {cut: one for cut, one in rules.slices.items() if one != _as_defined(one)}


def _as_defined(rules: Rules) -> Rules:
    """Return the rules of a slice that only names the definition of its extension."""
    return Rules(types=rules.types[:1], must_support=rules.must_support)


class Context(msgspec.Struct, frozen=True):
    """Where an extension may stand: an element's path, a FHIRPath expression, or another extension's
    address.
    """

    type: str
    expression: str


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A profile.

    Args:
        type: the type that it constrains.
        package: name#version of the package that holds it.
        kind: of the type: "resource", "complex-type", "primitive-type" or "logical".
        contexts: for an extension.
        imposes: canonicals of profiles that hold as well.
        is_modifier: for an extension, whether it may change the meaning of what holds it.
    """

    url: str
    type: str
    version: str = ""
    package: str = ""
    kind: str = "resource"
    is_abstract: bool = False
    base: str = ""
    contexts: tuple[Context, ...] = ()
    imposes: tuple[str, ...] = ()
    is_modifier: bool = False
    rules: Rules = NOTHING
