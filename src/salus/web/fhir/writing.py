"""What create, update, patch, delete and transaction share: the resource sent, leave to write, the write."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache, partial

import msgspec

from salus.core.access import Action, Caller, Grant
from salus.core.errors import (
    AccessRefused,
    InvalidResource,
    MalformedContent,
    SalusError,
)
from salus.core.limits import Limits
from salus.intake.replacement import obey_documents
from salus.intake.writer import Settle
from salus.primary.dispensations import check_match, keep_prescriptions, settle_loaded
from salus.standards.fhir.bundle import ALONE, Entry, Resource, refuse_dangling
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.validation.validator import validate
from salus.store import transaction
from salus.store.changes import Operation, Written
from salus.store.concerned import Touched, concerned
from salus.store.conditions import Here, Rules
from salus.store.merged import merges
from salus.store.postgres import Connection
from salus.store.rows import StoredResource
from salus.store.shares import beside
from salus.store.stored_types import check_stored
from salus.store.transaction import Done
from salus.trust.consent.hanging import CONSENT, hang
from salus.trust.gate import Access
from salus.trust.policy import AccessRequest, decide
from salus.web.fhir import authorship, bodies, growing, own_entries, patching, provenance, subscribing
from salus.web.fhir.door import pass_gate
from salus.web.fhir.negotiation import body_format
from salus.web.fhir.request import FhirRequest, read_body
from salus.web.services import Services

ACTIONS = {"POST": Action.CREATE, "PUT": Action.UPDATE, "PATCH": Action.UPDATE, "DELETE": Action.DELETE}
PUBLISHES = (
    "Another node publishes a document with its bytes: POST one DocumentReference by itself, with "
    "attachment.data and without If-None-Exist."
)
KEPT_BESIDE = frozenset({"SearchParameter", "Subscription"})


async def read_resource(
    request: FhirRequest, limits: Limits, *, single: bool = False
) -> tuple[Resource, bytes]:
    """Return the resource in the body and the bytes to store: those received, or JSON for FHIR XML.

    `single` says that the body is to be one resource, not a Bundle of several.

    Raises:
        UnsupportedMedia, MalformedContent, TooLarge: it cannot be read.
    """
    form = body_format(request.header("content-type"))
    sent = await read_body(request)
    if single:
        bodies.check_bytes(sent, limits)
    return await beside(len(sent), bodies.parse, sent, form, limits)


def check_size(content: bytes, limits: Limits) -> None:
    """Refuse a single resource over its limit.

    Raises:
        TooLarge: it is.
    """
    bodies.check_bytes(content, limits)


def check_type(resource: Resource, kind: str) -> None:
    """Refuse a resource that is not of the type of the address.

    Raises:
        MalformedContent, NotSupported: naming what was expected.
    """
    named = resource.get("resourceType")
    if not isinstance(named, str) or named not in resource_types():
        raise MalformedContent("The body has no resourceType that FHIR R4 knows; types are case-sensitive.")
    if named != kind:
        raise MalformedContent(f"The body is no {kind}: send it to the address of its own type.")
    check_stored(kind)


def check_valid(resource: Resource) -> None:
    """Refuse a resource that breaks the rules of its definition.

    Raises:
        InvalidResource: with every issue found.
    """
    issues = validate(resource)
    if any(found.severity in ("error", "fatal") for found in issues):
        raise InvalidResource("The resource breaks the rules of FHIR R4.", issues=tuple(issues))


def check_authors(caller: Caller, resource: Resource, records: frozenset[str] = frozenset()) -> None:
    """Refuse content that a citizen signs with another's name (`authorship.check_authors`)."""
    authorship.check_authors(caller, resource, records)


async def merged_records(services: Services, caller: Caller) -> frozenset[str]:
    """Return the records that are a citizen's own beside the one they are known by, none for others."""
    if not provenance.is_lay(caller) or caller.patient is None:
        return frozenset()
    return (await merges(services.database, services.clock())).beside([caller.patient])


def _mark_here(resource: Resource, content: bytes, before: StoredResource | None) -> tuple[Resource, bytes]:
    provenance.refuse_borrowed(resource, before)
    return authorship.unmark(resource, content, before)


@cache
def _rules(
    own_bases: tuple[str, ...], search_key: bytes, integrity: bool, limits: Limits, country: str
) -> Rules:
    async def obey(here: Here, operations: list[Operation]) -> list[Operation]:
        operations = await keep_prescriptions(here, operations, country=country)
        return await obey_documents(here, operations)

    return Rules(
        own_bases[0],
        own_bases,
        search_key,
        integrity,
        limits,
        check_valid,
        patching.apply_patch,
        obey,
        mark=_mark_here,
        recognise=check_match,
    )


def rules_of(services: Services, caller: Caller, records: frozenset[str]) -> Rules:
    """Return how this node takes writes of this caller, whose merged records are these."""
    integrity, country = services.referential_integrity, services.country
    rules = _rules(services.own_bases, services.keys.search, integrity, services.limits, country)
    if caller.node is not None:
        return _rules_of_node(rules, caller)
    if not provenance.is_lay(caller):
        return rules

    def check(resource: Resource) -> None:
        check_valid(resource)
        check_authors(caller, resource, records)

    async def obey(here: Here, operations: list[Operation]) -> list[Operation]:
        await own_entries.keep_own(here, operations)
        return operations if rules.obey is None else await rules.obey(here, operations)

    return msgspec.structs.replace(rules, check=check, obey=obey, mark=partial(authorship.mark, caller))


def settling(services: Services, grant: Grant) -> Settle:
    """Return what a load under this grant does with prescriptions that its source sent again."""
    rules = rules_of(services, grant.caller, frozenset())

    async def settle(connection: Connection, named: Sequence[tuple[str, str]]) -> None:
        await settle_loaded(Here(grant, services.database, connection, rules), named)

    return settle


def _rules_of_node(rules: Rules, caller: Caller) -> Rules:
    """Return how this node takes writes of another: as that node's, and documents by publication only."""

    async def obey(here: Here, operations: list[Operation]) -> list[Operation]:
        if any(one.type == "DocumentReference" for one in operations):
            raise AccessRefused(PUBLISHES)
        return operations if rules.obey is None else await rules.obey(here, operations)

    def mark(resource: Resource, content: bytes, before: StoredResource | None) -> tuple[Resource, bytes]:
        resource, content = authorship.unmark(resource, content, before)
        return provenance.mark_node(caller, resource, content, before)

    return msgspec.structs.replace(rules, obey=obey, mark=mark)


def demands(entries: Sequence[Entry]) -> list[AccessRequest]:
    """Return what the entries ask of the gate, each kind of demand once, the strongest first.

    A condition reads, so it needs leave to search as well: else it would tell what is stored. A patch reads
    too, and is answered with the whole.
    """
    order = [Action.DELETE, Action.UPDATE, Action.CREATE, Action.SEARCH, Action.READ]
    wanted: dict[tuple[Action, str], str] = {}
    for entry in entries:
        kind = entry.type or str((entry.resource or {}).get("resourceType", ""))
        what = f"{kind}/{entry.id}" if entry.id else kind
        wanted.setdefault((ACTIONS[entry.method], kind), what)
        if entry.method == "PATCH":
            wanted.setdefault((Action.READ, kind), what)
        if entry.condition is not None:
            wanted.setdefault((Action.SEARCH, kind), f"{kind}?")
    ranked = sorted(wanted.items(), key=lambda item: order.index(item[0][0]))
    return [AccessRequest(action, kind, what) for (action, kind), what in ranked]


async def write(
    services: Services,
    caller: Caller,
    entries: Sequence[Entry],
    *,
    what: str | None = None,
    patients: frozenset[str] | None = None,
) -> list[Done]:
    """Do the entries in one transaction, with leave for each of them.

    `what` is what the leaves say was done; `patients` the patient a create makes (its fresh id), if it does.

    Raises:
        SalusError: nothing was changed.
    """
    if len(entries) == 1:
        refuse_dangling(entries)
    wanted = demands(entries)
    for demand in wanted[1:]:
        if not decide(caller, demand).permitted:
            async with pass_gate(services, caller, demand.action, demand.type, demand.what):
                raise AccessRefused("This access is not permitted.")
    lead = wanted[0]
    many = any(entry.method == "DELETE" and entry.condition is not None for entry in entries)
    passage = pass_gate(
        services, caller, lead.action, lead.type, what or lead.what, patients=patients, many=many
    )
    async with passage as access:
        kinds = {demand.type for demand in wanted}
        records = await merged_records(services, caller)
        access.include(records)
        rules = rules_of(services, caller, records)
        rules = msgspec.structs.replace(rules, after=partial(keep_beside, services, kinds))
        if "MedicationDispense" in kinds:  # the prescription may be in another record of the same person
            known = await merges(services.database, services.clock())
            access.include(known.beside(access.grant.patients or ()))
        touched = Touched()
        try:
            async with _turn(services, caller, kinds):
                done = await transaction.execute(
                    access.grant, services.database, entries, rules, what=what, touched=touched
                )
        except SalusError:
            # Nothing was written, and the refusal may tell something: whoever it is about has a leaf.
            access.concern(await concerned(access.grant, services.database, touched, key=rules.search_key))
            raise
        record_matched(access, done)
        written = {patient for one in done if one.resource is not None for patient in one.resource.patients}
        touched.resources -= {
            (one.resource.type, one.resource.id) for one in done if one.resource is not None
        }
        whose = await concerned(access.grant, services.database, touched, key=rules.search_key)
        access.concern(whose - written)
    if "SearchParameter" in kinds:
        async with services.database.system() as connection:
            await services.database.parameters.refresh(connection)
    return done


def _turn(services: Services, caller: Caller, kinds: Set[str]) -> AbstractAsyncContextManager[None]:
    """Return the caller's turn to have a record judged: what a Consent says is worked out over all of it."""
    return services.database.restricting.taken(caller) if CONSENT in kinds else nullcontext()


async def keep_beside(services: Services, kinds: Set[str], here: Here, written: Sequence[Written]) -> None:
    """Keep what the node needs beside resources of these types, in the transaction that stores them."""
    default_denies = services.gatehouse.law.default_denies
    await hang(here.grant, here.connection, written, default_denies=default_denies)
    if kinds & KEPT_BESIDE:
        await growing.keep(here, written)
        await subscribing.keep(services, here, written)


def record_matched(access: Access, done: Sequence[Done]) -> None:
    """Note the resources that conditional creates found: they are read, not written."""
    for one in done:
        if one.outcome == "matched" and one.resource is not None:
            name = f"{one.resource.type}/{one.resource.id}"
            access.record(one.resource.patients, name, action=Action.READ)


def single(
    method: str,
    kind: str,
    *,
    identity: str = "",
    condition: str | None = None,
    if_match: str = "",
    if_none_match: str = "",
    resource: Resource | None = None,
    content: bytes = b"",
) -> Entry:
    """Return the entry of a request that is no Bundle."""
    return Entry(
        index=ALONE,
        full_url="",
        method=method,
        url=f"{kind}/{identity}" if identity else kind,
        type=kind,
        id=identity,
        condition=condition,
        if_match=if_match,
        if_none_match=if_none_match,
        if_modified_since="",
        resource=resource,
        content=content,
    )


def operation_outcome_text(done: Done) -> str:
    """Return the sentence of a write's OperationOutcome."""
    words: dict[str, str] = {"matched": "found, nothing was stored", "absent": "absent, nothing was deleted"}
    name = "" if done.resource is None else f"{done.resource.type}/{done.resource.id} "
    return f"{name}{words.get(done.outcome, done.outcome)}."
