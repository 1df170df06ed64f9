"""What a document is composed from: all of a record that its reader may see, and how it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from salus.primary.references import local_reference

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Terms(msgspec.Struct, frozen=True):
    """How a document is asked for.

    Args:
        organisation: name of the organisation that keeps the record and composes the document.
        now: when it is composed (aware).
        languages: of titles and narratives; the first is the document's language.
        node: the organisation's id in its federation, "" where it has none.
    """

    organisation: str
    now: datetime
    languages: tuple[str, ...] = ("en",)
    node: str = ""

    @property
    def composed_at(self) -> str:
        """Return when it is composed, as a FHIR instant."""
        return self.now.astimezone(UTC).isoformat(timespec="seconds")


class Material(msgspec.Struct, frozen=True):
    """A record for composing.

    Args:
        patient: the Patient, with its id.
        held: the patient's resources and those they refer to, by "Type/id".
        merged: ids of further Patients of the same person, whose resources are among these.
    """

    patient: Resource
    held: Mapping[str, Resource]
    merged: tuple[str, ...] = ()

    def follow(self, reference: object) -> Resource | None:
        """Return what an R4 Reference leads to, None where it is not at hand."""
        link = reference.get("reference") if isinstance(reference, Mapping) else None
        return self.held.get(local_reference(link)) if isinstance(link, str) else None

    def following(self, references: object) -> list[Resource]:
        """Return what a list of References leads to, as far as it is at hand."""
        listed = references if isinstance(references, list) else [references]
        return [found for each in listed if (found := self.follow(each)) is not None]

    def of_type(self, *kinds: str) -> list[Resource]:
        """Return the resources of these types, in the order of the record."""
        return [each for each in self.held.values() if each["resourceType"] in kinds]


def material_of(resources: Iterable[Resource], *, patient: Resource, merged: Sequence[str] = ()) -> Material:
    """Return resources, each with its id, as material."""
    held = {key_of(each): each for each in resources if each.get("id")}
    for gone in merged:
        held.pop(f"Patient/{gone}", None)
    held[key_of(patient)] = patient
    return Material(patient, held, tuple(merged))


def key_of(resource: Resource) -> str:
    """Return "Type/id"."""
    return f"{resource['resourceType']}/{resource['id']}"
