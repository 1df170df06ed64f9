"""A document before it is written: what it is, its sections, who stands for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from salus.primary.composing.carried import NAMED
from salus.primary.composing.material import Resource
from salus.primary.language import Section
from salus.primary.selection import Selected

Copy = dict[str, Any]  # a copy of a resource, made for a document; its members are open JSON
Fit = Callable[[Copy], None]
"""Brings a copy to what a profile asks: says what is not known, adds the categories that are fixed."""


class Part(msgspec.Struct, frozen=True):
    """A section.

    Args:
        section: its code and its name, which its title is found by.
        selected: its entries; None where the record holds none, which the section then says.
        said: what the record says in words, as it came, each a paragraph before the entries.
    """

    section: Section
    selected: Selected | None = None
    said: tuple[str, ...] = ()


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A document before it is written.

    Args:
        identity: what it is about, the same for each version ("laboratory-report DiagnosticReport/1").
        profiles: canonicals of the Bundle's and the Composition's profile, of each guide that it may follow.
        concept: Composition.type.
        title: key of its title among our words (`wording`).
        parts: its sections, in order.
        members: further members of the Composition, with references as the record writes them.
        authors: References to those who wrote it; without any it is said that they are not known.
        beside: resources that are in it without being an entry of a section.
        carried: types of what goes along with what refers to it.
        fits: by resource type, what brings its copies to their profile.
        not_shown: by resource type, how many entries no section shows.
        not_shown_phrase: the phrase that tells these numbers (`left_out.tell_not_shown`).
    """

    identity: str
    profiles: tuple[tuple[str, str], ...]
    concept: Resource
    title: str
    parts: tuple[Part, ...]
    members: Mapping[str, Any] = {}  # Any: FHIR JSON
    authors: tuple[Resource, ...] = ()
    beside: tuple[Resource, ...] = ()
    carried: frozenset[str] = NAMED
    fits: Mapping[str, Fit] = {}
    not_shown: Mapping[str, int] = {}
    not_shown_phrase: str = "not-in-document"
