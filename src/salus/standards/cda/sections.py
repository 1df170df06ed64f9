"""Sections of documents: which is which, and what the European document calls it."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from salus.standards.cda.coded import codes_of
from salus.standards.cda.node import Node


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of section.

    Args:
        code: LOINC code in the European document.
        display: its name in LOINC.
        title: for a section that has none, English.
        entry: kind of its entries, "" where an entry's element says it.
        category: category of its observations (observation-category), "" for none.
        templates: ids of templates of such sections.
        codes: LOINC codes that they bear.
        required_in: kinds of documents (`documents.toml`) that must have it.
        takes: types of resources that the section of a patient summary refers to; none: any.
        observations: LOINC codes of the Observations that it takes, each at a point in time; none: any.
    """

    code: str
    display: str
    title: str
    entry: str = ""
    category: str = ""
    templates: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    required_in: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    observations: tuple[str, ...] = ()


OTHER = Section("", "", "")
"""A section that the table does not know: it keeps its own code."""


@cache
def sections() -> dict[str, Section]:
    """Return the table, keyed by the section's short name."""
    table = resources.files("salus.standards.cda").joinpath("sections.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Section])


@cache
def _known() -> tuple[dict[str, Section], dict[str, Section]]:
    found = list(sections().values())
    by_template = {each: section for section in found for each in section.templates}
    by_code = {each: section for section in found for each in (section.code, *section.codes)}
    return by_template, by_code


def section_of(node: Node) -> Section:
    """Return which section an element is: by its code, else by a template."""
    by_template, by_code = _known()
    for code in codes_of(node.first("code")):
        if code in by_code:
            return by_code[code]
    for template in sorted(node.templates()):
        if template in by_template:
            return by_template[template]
    return OTHER
