"""What a kind of document is: one module of this folder defines `KIND`, and `registry.kinds` finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from salus.primary.composing.material import Material, Resource, Terms

Bundle = dict[str, Any]  # a Bundle being composed; its members are open JSON


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of document.

    Args:
        name: short, as in addresses and on the command line.
        category: the priority category, a row of standards/fhir/profiles/categories.toml.
        priority: its code in HL7 Europe's eehrxf-document-priority-category-cs.
        codes: LOINC code and display of the document's type, the first that of its guide; more are names
            by which the Health Data API guide lets it be searched.
        types: of the resources that a document may be about; of each of these there is one document.
        is_about: whether there is a document about a resource of these types.
        compose: composes the document about a resource of the material.
        looks_at: types of the record of which it needs all, beside what it refers to; None: the whole record.
        title: key of its title among our words (`wording`).
        profile: canonical that its content follows (DocumentReference.content.format).
    """

    name: str
    category: str
    priority: str
    codes: tuple[tuple[str, str], ...]
    types: tuple[str, ...]
    is_about: Callable[[Resource, Material], bool]
    compose: Callable[[Material, Resource, Terms], Bundle]
    looks_at: tuple[str, ...] | None
    title: str
    profile: str
