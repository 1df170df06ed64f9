"""DocumentReference/$docref (IPA 1.1.0, OperationDefinition-docref): a patient's documents, also on demand.

Without a further parameter it answers the patient summary alone, as the definition asks.
"""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.errors import InvalidSearch
from salus.core.identifiers import new_id
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.store import search as stored
from salus.store.merged import merges
from salus.web.fhir.answer import Answer, join_bundle
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.on_demand import entry_of_offer, offered
from salus.web.fhir.operation import Operation, pairs_of
from salus.web.fhir.request import FhirRequest, first
from salus.web.fhir.search import entry_of, entry_of_too_many, part_of
from salus.web.services import Services

PARAMETERS = ("patient", "start", "end", "type", "on-demand", "profile")
SUMMARY = "patient-summary"


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the descriptions: stored ones, unless only on-demand ones are asked for, and those on demand."""
    pairs = await pairs_of(services, request, PARAMETERS)
    patient = known_id((first(pairs, "patient") or caller.patient or "").rpartition("/")[2])
    if first(pairs, "on-demand") not in (None, "true", "false"):
        raise InvalidSearch("on-demand takes true or false.")
    registry = services.database.parameters.searching
    known = await merges(services.database, services.clock())
    stays = known.survivor(patient)
    records = [stays, *sorted(known.beside([stays]))]
    asked = [("patient", ",".join(f"Patient/{each}" for each in records)), *criteria(pairs)]
    query = parse_query("DocumentReference", asked, services.limits, registry=registry, strict=True)
    bare = {name for name, _ in pairs} <= {"patient"}
    what, named = "DocumentReference/$docref", frozenset({patient})
    async with pass_gate(
        services, caller, Action.SEARCH, "DocumentReference", what, patients=named
    ) as access:
        access.include(known.beside([patient]))
        references, complete = await offered(
            services, access, records, names=frozenset({SUMMARY}) if bare else None
        )
        entries = [
            entry_of_offer(services.fhir_base, each)
            for each in references
            if matches(query, each) and follows(each, first(pairs, "profile"))
        ]
        if not bare and first(pairs, "on-demand") != "true" and first(pairs, "profile") is None:
            page = await stored.search(
                access.grant, services.database, query, key=services.keys.search, registry=registry
            )
            for resource in page.resources:
                access.record(resource.patients)
            entries += [
                entry_of(services.fhir_base, one, part_of(one, None), "match") for one in page.resources
            ]
            complete = complete and not page.next_cursor
        if not complete:
            entries.append(entry_of_too_many())
    return Answer(200, join_bundle({"resourceType": "Bundle", "id": new_id(), "type": "searchset"}, entries))


def criteria(pairs: Pairs) -> list[tuple[str, str]]:
    """Return the operation's parameters as those of a search: current ones, of a type, of a time of care."""
    found = [("status", "current")]
    found += [("type", text) for name, text in pairs if name == "type"]
    found += [("period", f"ge{text}") for name, text in pairs if name == "start"]
    found += [("period", f"le{text}") for name, text in pairs if name == "end"]
    return found


def follows(reference: dict[str, object], profile: str | None) -> bool:
    """Return whether a description says that its document follows the profile asked for."""
    if profile is None:
        return True
    contents: object = reference["content"]
    assert isinstance(contents, list)  # we made it
    return any(each["format"]["code"] == profile.partition("|")[0] for each in contents)


OPERATION = Operation(
    name="docref",
    definition="http://hl7.org/fhir/uv/ipa/OperationDefinition/docref",
    run=run,
    documentation="The DocumentReferences of a patient, those of documents composed on demand included; with "
    "patient alone that of the patient summary.",
    types=("DocumentReference",),
    parameters=PARAMETERS,
)
