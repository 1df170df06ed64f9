"""DocumentReference/[id]/$take-apart: a kept document is taken over into the record by a professional.

What a citizen or another node sent is kept and described, and stands as its author's word (decision 0008).
The professional who reads it and takes it over is named in the Provenance of what is made of it. The answer
counts and names what was taken, what was there, and what was not taken and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.core.access import Action, Caller
from salus.core.errors import NotFound
from salus.intake.taking_apart import TakenApart, take_apart
from salus.store import documents, resources
from salus.trust.policy import TAKING_OVER
from salus.web.fhir.answer import Answer, json_answer
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.material import parsed
from salus.web.fhir.operation import Operation, pairs_of
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.sending import admission_of
from salus.web.problems import issue, outcome
from salus.web.services import Services

BINARY = "Binary/"
NAMES_MAX = 50


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer 200 with an OperationOutcome of what became of each entry."""
    await pairs_of(services, request, ())
    identity = known_id(request.segments[1])
    what = f"DocumentReference/{identity}/$take-apart"
    async with pass_gate(services, caller, Action.CREATE, TAKING_OVER, what) as access:
        grant, database = access.grant, services.database
        stored = await resources.read(grant, database, "DocumentReference", identity)
        access.record(stored.patients, action=Action.READ)
        described = parsed(stored)
        document = await documents.retrieve(grant, database, binary_of(described))
        person = await resources.read(grant, database, "Patient", document.patient)
        taken = await take_apart(
            grant,
            database,
            document,
            described,
            parsed(person),
            verifier=caller.name or caller.subject,
            key=services.keys.search,
            limits=services.limits,
            admission=admission_of(services, caller),
            default_denies=services.gatehouse.law.default_denies,
        )
    return json_answer(200, report_of(taken))


def binary_of(described: dict[str, Any]) -> str:  # FHIR content is open JSON, hence Any
    """Return the id of the received bytes that a DocumentReference describes.

    Raises:
        NotFound: it describes none that were received here.
    """
    url = str(described["content"][0]["attachment"].get("url", ""))
    if not url.startswith(BINARY):
        raise NotFound("This DocumentReference describes no document that was received here.")
    return url.removeprefix(BINARY)


def report_of(taken: TakenApart) -> dict[str, Any]:  # FHIR content is open JSON, hence Any
    """Return the quality report: what was taken, there, kept as it is here, and not taken and why."""
    said = [
        ("taken", taken.taken, "taken into the record"),
        ("there", taken.there, "here already, with the same content"),
        ("kept", taken.kept, "edited or deleted here since, which stays"),
    ]
    issues = [
        issue("information", "informational", _listed(names, words), message_id=name)
        for name, names, words in said
        if names
    ]
    issues += [
        issue(
            "warning",
            "not-supported",
            f"{each.type or 'An entry'} was not taken: {each.why}",
            expression=f"Bundle.entry[{each.place}]" if each.place >= 0 else "Bundle",
            message_id="refused",
        )
        for each in taken.refused
    ]
    return outcome(issues or [issue("information", "informational", "The document holds nothing to take.")])


def _listed(names: Sequence[str], words: str) -> str:
    more = ", ..." if len(names) > NAMES_MAX else ""
    return f"{len(names)} {words}: {', '.join(names[:NAMES_MAX])}{more}"


OPERATION = Operation(
    name="take-apart",
    definition="urn:salus:operation:take-apart",
    run=run,
    documentation="Take a document that a citizen or another node sent over into the record, entry by entry, "
    "with a Provenance that names who did.",
    instances=("DocumentReference",),
    methods=("POST",),
)
