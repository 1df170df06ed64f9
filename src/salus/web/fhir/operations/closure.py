"""$closure (R4 conceptmap-operation-closure.html): which of a client's codes lie beneath which."""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, MalformedContent, TooLarge
from salus.standards.fhir.bundle import Resource
from salus.standards.terminology.asked import Asked
from salus.standards.terminology.closure import CODES_MAX, check_name, concept_map, pairs
from salus.standards.terminology.inquiry import Inquiry
from salus.store import closures
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer, json_answer
from salus.web.fhir.door import pass_gate
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Start a table (name alone), add codes to it (concept), or tell again what was added since a version.

    Raises:
        AccessRefused: who is bound to a record keeps no table.
        SalusError: the table or a code system is not there, or the table is full.
    """
    asked = Asked(await terminology.parameters_of(services, request, "closure"))
    name, owner = asked.text("name"), closures.owner_of(caller)
    check_name(name)
    passage = pass_gate(services, caller, Action.SEARCH, "ConceptMap", "ConceptMap/$closure")
    async with passage as access:
        if access.grant.patients is not None:
            raise AccessRefused("Closure tables are kept for systems, not for access to one record.")
        library = await terminology.library_of(services, access.grant)
        access.record(())
        at = services.clock()
        if not asked.has("concept") and not asked.has("version"):
            await closures.start(access.grant, services.database, owner, name, at)
            return json_answer(200, concept_map(name, "0", [], at.isoformat()))
        table = await closures.read(access.grant, services.database, owner, name)
        since, new = _since(asked, table), _new(asked, table)
        inquiry = Inquiry(library, asked, is_late=terminology.deadline(services.limits.terminology_ms_max))
        older = [(system, code) for system, code, version in table.codes if version <= since]
        newer = [(system, code) for system, code, version in table.codes if version > since]
        share = services.database.shares.of(caller)
        found = await share.beside(terminology.WEIGHT, pairs, inquiry, older, newer + new)
        version = table.version
        if new:
            version = await closures.add(access.grant, services.database, owner, name, table, new, at)
    return json_answer(200, concept_map(name, str(version), found, at.isoformat()))


def _since(asked: Asked, table: closures.Table) -> int:
    """Return the version after which additions are told.

    Raises:
        MalformedContent: the table never had it.
    """
    if not asked.has("version"):
        return table.version
    stated = asked.number("version") or 0
    if stated > table.version:
        raise MalformedContent(
            f"The closure table is at version {table.version}, not at {stated}; start it anew."
        )
    return stated


def _new(asked: Asked, table: closures.Table) -> list[tuple[str, str]]:
    """Return the codes that are named and not in the table yet.

    Raises:
        MalformedContent: a concept is no Coding with system and code.
        TooLarge: the table would hold more than one may.
    """
    held = {(system, code) for system, code, _ in table.codes}
    named: dict[tuple[str, str], None] = {}
    for one in asked.all("concept"):
        row: Resource = one if isinstance(one, dict) else {}
        if not isinstance(row.get("system"), str) or not isinstance(row.get("code"), str):
            raise MalformedContent("Each concept is a Coding with system and code.")
        named[(row["system"], row["code"])] = None
    new = [one for one in named if one not in held]
    if len(held) + len(new) > CODES_MAX:
        raise TooLarge(f"A closure table holds {CODES_MAX} codes at most; begin another one.")
    return new


OPERATION = Operation(
    name="closure",
    definition="http://hl7.org/fhir/OperationDefinition/ConceptMap-closure",
    run=run,
    documentation="Keep a table of which of a client's codes lie beneath which.",
    system=True,
    types=("ConceptMap",),
    methods=("POST",),
)
