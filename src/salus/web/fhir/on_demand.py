"""The documents that a record gives on demand, as DocumentReferences: found by ITI-67, `$docref` and by name.

An ITI-67 query names the patient and the status (IHE MHD 3.67.4.1.2); it finds these beside what is stored.
Of a person's record only what the reader's grant shows is offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.core.errors import NotFound
from salus.primary.composing.material import Material, Terms, material_of
from salus.primary.documents.kind import Kind
from salus.primary.documents.offers import named_by, offer_of
from salus.primary.documents.registry import kind_about, kinds
from salus.primary.references import local_reference
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.query import Query
from salus.store import compartment, resources
from salus.store.merged import merges
from salus.store.readable import is_readable
from salus.store.search import Page
from salus.trust.gate import Access
from salus.web.fhir.answer import text_bytes
from salus.web.fhir.material import parsed
from salus.web.fhir.subset import Subset
from salus.web.services import Services

OFFERS_MAX = 2_000
"""What documents may be about that is looked at for one query; a query of more says that there is more."""
SHOWN_BY = {"patient-summary": ("Condition", "AllergyIntolerance"), "laboratory-report": ("Observation",)}
"""Types that a kind of document shows besides what it is about: who may read none of them is offered none."""
Reference = dict[str, Any]  # a DocumentReference; its members are open JSON


def asks_for_documents(kind: str, pairs: Pairs) -> bool:
    """Return whether a search is an ITI-67 query: of DocumentReferences, with their status."""
    return kind == "DocumentReference" and any(name.partition(":")[0] == "status" for name, _ in pairs)


async def offered(
    services: Services, access: Access, patients: Sequence[str], *, names: frozenset[str] | None = None
) -> tuple[list[Reference], bool]:
    """Return what is offered of the records of one person, and whether that is all.

    Args:
        services: the node.
        access: through the gate, to DocumentReferences of these patients.
        patients: ids of the person's records, the one that stays first.
        names: kinds that are wanted, None for all.
    """
    grant, database = access.grant, services.database
    wanted = [
        kind
        for kind in kinds().values()
        if (names is None or kind.name in names)
        and all(is_readable(grant, name) for name in (*kind.types, *SHOWN_BY.get(kind.name, ())))
    ]
    try:
        patient = parsed(await resources.read(grant, database, "Patient", patients[0]))
    except NotFound:
        return [], True
    beside = {name for kind in wanted for name in kind.looks_at or ()}
    named = {name for kind in wanted for name in kind.types} | beside
    types = tuple(sorted(name for name in named - {"Patient"} if is_readable(grant, name)))
    page = await compartment.page(
        grant, database, list(patients), types, since=None, after=None, count=OFFERS_MAX + 1
    ) if types else []  # fmt: skip
    held = [parsed(each) for each in page[:OFFERS_MAX]]
    held += await _results(services, access, held)
    material = material_of(held, patient=patient, merged=patients[1:])
    terms = Terms(services.name, services.clock(), tuple(services.languages), services.node)
    access.record(frozenset(patients))
    found = [
        offer_of(kind, about, material, terms, services.fhir_base)
        for about in [patient, *held]
        if (kind := _kind_of(about, material, wanted)) is not None
    ]
    return found, len(page) <= OFFERS_MAX


def _kind_of(about: Resource, material: Material, wanted: Sequence[Kind]) -> Kind | None:
    kind = kind_about(about, material)
    return kind if kind in wanted else None


async def _results(services: Services, access: Access, held: Sequence[Resource]) -> list[Resource]:
    """Return the first results of reports without a category, by which it is known what reports they are."""
    links = {
        local_reference(str(each["result"][0].get("reference", "")))
        for each in held
        if each["resourceType"] == "DiagnosticReport" and not each.get("category") and each.get("result")
    }
    keys = [(kind, name) for kind, _, name in (link.partition("/") for link in sorted(links)) if name]
    keys = [key for key in keys if key[0] == "Observation" and is_readable(access.grant, "Observation")]
    found = await compartment.named(access.grant, services.database, keys) if keys else []
    return [parsed(each) for each in found]


async def added(
    services: Services,
    access: Access,
    query: Query,
    page: Page,
    patients: Sequence[str],
    subset: Subset | None,
) -> tuple[list[bytes], int, bool]:
    """Return the entries that an ITI-67 query finds on demand, their number, and whether these are all.

    They come after what is stored, with the last page; their number is counted on every page. `subset` is
    the part of each that was asked for, None for all of it.
    """
    if query.total == "none" and page.next_cursor:
        return [], 0, True
    known = await merges(services.database, services.clock())
    stays = known.survivor(patients[0])
    if any(known.survivor(each) != stays for each in patients):
        return [], 0, True  # of several persons
    references, complete = await offered(services, access, [stays, *sorted(known.beside([stays]))])
    fitting = [each for each in references if matches(query, each)]
    wants_entries = not page.next_cursor and query.summary != "count" and query.count > 0
    entries = [entry_of_offer(services.fhir_base, each, subset) for each in fitting] if wants_entries else []
    return entries, len(fitting), complete


def entry_of_offer(base: str, reference: Reference, subset: Subset | None = None) -> bytes:
    """Return the Bundle entry of a description, or of the part of it that was asked for."""
    address, body = text_bytes(f"{base}/DocumentReference/{reference['id']}"), write_json(reference)
    part = body if subset is None else subset.of_bytes(body)
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"match"}}' % (address, part)


async def described(services: Services, access: Access, name: str) -> Reference:
    """Return the description of that id.

    Raises:
        NotFound: no document is offered by that name to this reader.
    """
    found = named_by(name)
    absent = NotFound(f"There is no DocumentReference/{name} that this access may see.")
    if found is None or not is_readable(access.grant, found[0].types[0]):
        raise absent
    kind, own_id = found
    about = await resources.read(access.grant, services.database, kind.types[0], own_id)
    access.record(about.patients)
    owner = next(iter(about.patients), "")
    if not owner:
        raise absent
    known = await merges(services.database, services.clock())
    stays = known.survivor(owner)
    records = [stays, *sorted(known.beside([stays]))]
    references, _ = await offered(services, access, records, names=frozenset({kind.name}))
    for each in references:
        if each["id"] == name:
            return each
    raise absent
