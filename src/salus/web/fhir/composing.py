"""All the documents that a record gives, one after the other, for who is let into the whole record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence

from salus.primary.composing.material import Terms, key_of, material_of
from salus.primary.documents.kind import Bundle, Kind
from salus.primary.documents.registry import kind_about
from salus.standards.fhir.bundle import Resource
from salus.store import resources
from salus.store.shares import LARGE_BYTES, beside
from salus.trust.gate import Access
from salus.web.fhir.material import parsed, record_of
from salus.web.services import Services
from salus.web.surprises import FAILURES


async def documents_of(
    services: Services,
    access: Access,
    records: Sequence[str],
    *,
    names: Collection[str],
    languages: Sequence[str],
    left_out: Callable[[Resource, Exception], None] | None = None,
) -> AsyncIterator[tuple[Kind, Resource, Bundle]]:
    """Yield each document of these kinds with what it is about; each is composed when it is asked for.

    Args:
        services: the node.
        access: into the whole record; what leaves is recorded with it.
        records: ids of the person's records, the one that stays first.
        names: of the kinds.
        languages: of titles and narratives.
        left_out: is told what no document could be composed about, and why; without it that is raised.

    Raises:
        NotFound: there is no such patient that the caller may see.
        TooLarge: the record has more resources than are composed at once.
    """
    patient = await resources.read(access.grant, services.database, "Patient", records[0])
    access.record(patient.patients)
    held = await record_of(services, access, records[0], records[1:])
    material = material_of(held, patient=parsed(patient), merged=records[1:])
    terms = Terms(services.name, services.clock(), tuple(languages), services.node)
    for about in sorted(material.held.values(), key=key_of):
        try:
            kind = kind_about(about, material)
            if kind is None or kind.name not in names:
                continue
            # in a thread: each takes some milliseconds
            bundle = await beside(LARGE_BYTES + 1, kind.compose, material, about, terms)
        except FAILURES as error:
            if left_out is None:
                raise
            left_out(dict(about), error)
            continue
        yield kind, dict(about), bundle
