"""Scopes in the words of the person who is asked: what an app may see, add, change, and how long."""

from __future__ import annotations

import msgspec

from salus.federation.apps import is_choice, is_data
from salus.standards.smart.scopes import parse_scope
from salus.web.portal.words import phrase, words


class Choice(msgspec.Struct, frozen=True):
    """One line of what an app may do.

    Args:
        place: of its scope among those offered.
        text: in words.
        detail: the resource type and a condition, "" where the words say all.
        ticked: whether it is allowed unless they do.
    """

    place: int
    text: str
    detail: str
    ticked: bool


def choices(scopes: tuple[str, ...], ticked: tuple[str, ...], language: str) -> list[Choice]:
    """Return a line for each scope that a person may leave away, data first; the others come with them."""
    found = [
        Choice(place, *described(scope, language), scope in ticked)
        for place, scope in enumerate(scopes)
        if is_choice(scope)
    ]
    return sorted(found, key=lambda each: not is_data(scopes[each.place]))


def allowed(scopes: tuple[str, ...], language: str) -> list[tuple[str, str]]:
    """Return text and detail of each scope that a person allows an app."""
    shown = [scope for scope in scopes if is_choice(scope) or scope == "openid"]
    return [described(scope, language) for scope in sorted(shown, key=lambda each: not is_data(each))]


def described(scope: str, language: str) -> tuple[str, str]:
    """Return a scope in words, and what is more exact than words."""
    if not is_data(scope):
        return phrase(f"scope-{scope.replace('_', '-')}", language), ""
    found = parse_scope(scope)
    assert found is not None
    looks, does = not {"r", "s"}.isdisjoint(found.letters), [each for each in "cud" if each in found.letters]
    acts = [phrase("scope-see", language)] if looks else []
    acts += [phrase(f"scope-{each}", language) for each in does]
    what = phrase("scope-all" if found.context == "patient" else "scope-all-user", language)
    if found.type != "*":
        what = kind(found.type, language)
    only = ", ".join(f"{name} = {text.rpartition('|')[2]}" for name, text in found.query)
    more = phrase("scope-only", language, what=only) if only else ""
    details = [found.type if found.type != "*" else "", more]
    text = phrase("scope-line", language, acts=", ".join(acts), what=what)
    return text, "; ".join(each for each in details if each)


def kind(type_name: str, language: str) -> str:
    """Return what a resource type is to a person; the type itself where there is no better word."""
    name = f"type-{type_name}"
    if name in words().phrase:
        return phrase(name, language)
    found = (each for each in words().category if type_name in each.types)
    title = next((each.title(language) for each in found), type_name)
    return title[:1].lower() + title[1:] if title != type_name else title
