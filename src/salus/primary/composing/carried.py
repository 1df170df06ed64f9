"""What goes along in a document beside its entries: what they refer to, so that none is without its names."""

from __future__ import annotations

from collections.abc import Iterable, Set

from salus.primary.composing.addresses import references_in
from salus.primary.composing.material import Material, Resource, key_of
from salus.primary.medicines import followed
from salus.primary.references import local_reference

CARRIED_MAX = 500
NAMED = frozenset(
    {"Medication", "Practitioner", "PractitionerRole", "Organization", "Device", "Specimen", "Location"}
)
"""Types that entries only name: who, where, with what."""


def carry(material: Material, entries: Iterable[Resource], types: Set[str]) -> dict[str, Resource]:
    """Return the patient, the entries and what of the types they refer to, by "Type/id", each once.

    At most `CARRIED_MAX`: what of the entries is not among them the document counts as left out.
    """
    carried = {key_of(material.patient): material.patient}
    waiting = list(entries)
    while waiting and len(carried) < CARRIED_MAX:
        resource = waiting.pop(0)
        key = key_of(resource)
        if key in carried:
            continue
        carried[key] = resource
        named = (material.held.get(local_reference(link)) for link in references_in(resource))
        told = [each for each in named if each is not None and each["resourceType"] in types]
        waiting[:0] = [
            *told,
            *followed(resource, material.held),
        ]  # beside the entry, so that none is without the name it refers to
    return carried
