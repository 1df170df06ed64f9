"""$validate (R4 resource-operation-validate.html): the checks of a write, without the write."""

from __future__ import annotations

import time
from typing import Any

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_profiles, distinct
from salus.standards.fhir.validation.issue import Issue
from salus.standards.fhir.validation.validator import validate
from salus.store import resources
from salus.store.shares import beside
from salus.web.checked import count_check, system_of
from salus.web.fhir import terminology, writing
from salus.web.fhir.answer import UNLIMITED, Answer, json_answer
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest, first
from salus.web.problems import issue, outcome
from salus.web.services import Services

MODES = ("create", "update", "delete", "profile")
BASE = "http://hl7.org/fhir/StructureDefinition/"
UNCHECKED = "the resource was checked against FHIR R4 only."
CLAIMS_MAX = 20
Issues = list[dict[str, Any]]  # FHIR content is open JSON


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer 200 with an OperationOutcome of everything found, also when the resource is not valid."""
    kind = request.segments[0] if len(request.segments) > 1 else ""
    identity = known_id(request.segments[1]) if len(request.segments) > 2 else ""
    sent, content = None, b""
    if not is_bare(request):
        sent, content = await writing.read_resource(request, services.limits, single=True)
    mode, profiles, resource = inputs(request, sent)
    if mode is not None and mode not in MODES:
        raise MalformedContent(f"mode takes {', '.join(MODES)}.")
    if resource is None and identity:
        resource = await stored(services, caller, kind, identity)
    if mode == "delete":
        text = "Nothing hinders the deletion." if identity else "A deletion needs no content."
        return json_answer(200, outcome([issue("information", "informational", text)]))
    if resource is None:
        raise MalformedContent("Send the resource to validate, alone or as the parameter resource.")
    expected = identity if mode == "update" else ""
    book = terminology.book(services.data) if services.data else shipped_book()
    started = time.perf_counter()
    found = await beside(len(content), check, resource, kind, expected, mode, tuple(profiles), book)
    seconds = time.perf_counter() - started
    await count_check(services, "validate", system_of(caller), resource, _broken(found), seconds)
    found += unknown_profiles(profiles, str(resource.get("resourceType", "")))
    found += warn_of_claims(resource, asked=profiles)
    if not found:
        found = [
            issue("information", "informational", "No issues were found: the resource is valid FHIR R4.")
        ]
    return json_answer(200, outcome(found))


def _broken(found: Issues) -> list[str]:
    """Return the ids of the rules that are broken; an issue without one is counted by its code."""
    return [
        str(one.get("extension", [{}])[0].get("valueString") or one["code"])
        for one in found
        if one["severity"] in ("error", "fatal")
    ]


def is_bare(request: FhirRequest) -> bool:
    """Return whether a request brings no resource: by GET, or a deletion, which needs none."""
    if request.method == "GET":
        return True
    empty = request.header("content-length") in ("", "0") and not request.header("transfer-encoding")
    return empty and first(request.pairs, "mode") == "delete"


def inputs(request: FhirRequest, sent: Resource | None) -> tuple[str | None, list[str], Resource | None]:
    """Return mode, profiles and resource from the query and the body."""
    mode = first(request.pairs, "mode")
    profiles = [text for name, text in request.pairs if name == "profile"]
    if sent is None or sent.get("resourceType") != "Parameters":
        return mode, profiles, sent
    resource = None
    for parameter in sent.get("parameter", ()):
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if name == "resource" and isinstance(parameter.get("resource"), dict):
            resource = parameter["resource"]
        elif name == "mode":
            mode = str(parameter.get("valueCode") or parameter.get("valueString") or "")
        elif name == "profile":
            profiles.append(
                str(
                    parameter.get("valueUri")
                    or parameter.get("valueCanonical")
                    or parameter.get("valueString")
                )
            )
    return mode, profiles, resource


async def stored(services: Services, caller: Caller, kind: str, identity: str) -> Resource:
    """Return the stored resource that is to be validated."""
    patients = frozenset((identity,)) if kind == "Patient" else None
    what = f"{kind}/{identity}/$validate"
    passage = pass_gate(services, caller, Action.READ, kind, what, patients=patients, narrows=True)
    async with passage as access:
        found = await resources.read(access.grant, services.database, kind, identity)
        access.record(found.patients)
    return parse_json(found.content, UNLIMITED) | {"id": identity}


def check(
    resource: Resource,
    kind: str,
    identity: str,
    mode: str | None,
    profiles: tuple[str, ...] = (),
    book: Book | None = None,
) -> Issues:
    """Return the issues of a resource: of its type and id against the address, of its content, by profiles.

    Those asked for and those claimed are checked as far as they are at hand: the rules of the six priority
    categories (`standards/fhir/profiles`).
    """
    named = resource.get("resourceType")
    if not isinstance(named, str) or named not in resource_types():
        return [issue("error", "structure", "The resource has no resourceType that FHIR R4 knows.")]
    found: Issues = []
    if kind and named != kind:
        found.append(issue("error", "invalid", f"The resource is no {kind}.", expression=str(named)))
    if identity and resource.get("id") != identity:
        found.append(
            issue("error", "invalid", "An update needs the id of the address.", expression=f"{named}.id")
        )
    if mode == "create" and "id" in resource:
        text = "The id is replaced when the resource is created."
        found.append(issue("information", "informational", text, expression=f"{named}.id"))
    return found + [
        issue(one.severity, one.code, one.message, expression=one.expression, message_id=one.message_id)
        for one in distinct([*validate(resource), *_by_profiles(resource, profiles, book or shipped_book())])
    ]


def _by_profiles(resource: Resource, profiles: tuple[str, ...], book: Book) -> list[Issue]:
    """Return what is wrong by profiles at hand; those that are not are named apart (`warn_of_claims`)."""
    known = [one for one in profiles if book.find(one) is not None]
    place = str(resource.get("resourceType"))
    return [
        one
        for one in check_profiles(resource, book, known)
        if one.message_id != "not-checked" or one.expression != place
    ]


def unknown_profiles(profiles: list[str], kind: str) -> Issues:
    """Return an issue for each profile that the node cannot validate against, or that is of another type."""
    found: Issues = []
    for profile in profiles:
        name = profile.partition("|")[0]
        if name == BASE + kind or shipped_book().find(profile) is not None:
            continue
        if name.removeprefix(BASE) in resource_types():
            found.append(issue("error", "invalid", f"The profile is not one of {kind}."))
            continue
        text = f"The profile '{_shown(profile)}' is not known here: {UNCHECKED}"
        found.append(issue("error", "not-supported", text))
    return found


def warn_of_claims(resource: Resource, *, asked: list[str]) -> Issues:
    """Return a warning for each profile that a resource claims and that this node does not check.

    Without it "no errors" reads as if the resource conformed. Those `asked` for have an error already.
    """
    meta, kind = resource.get("meta"), resource.get("resourceType")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    texts = [each for each in claimed if isinstance(each, str)] if isinstance(claimed, list) else []
    unknown = [
        each
        for each in dict.fromkeys(texts)
        if each.partition("|")[0] != f"{BASE}{kind}"
        and each not in asked
        and shipped_book().find(each) is None
    ]
    sentences = [
        f"The resource says that it conforms to '{_shown(each)}', which is not known here: {UNCHECKED}"
        for each in unknown[:CLAIMS_MAX]
    ]
    if (left := len(unknown) - CLAIMS_MAX) > 0:
        sentences.append(f"It names {left} more profiles that are not known here.")
    place = f"{kind}.meta.profile"
    return [issue("warning", "not-supported", each, expression=place) for each in sentences]


def _shown(profile: str) -> str:
    return profile[:80].replace("<", "")


OPERATION = Operation(
    name="validate",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-validate",
    run=run,
    documentation="Validate a resource against FHIR R4 and the European profiles without storing it.",
    system=True,
    types=("*",),
    instances=("*",),
    parameters=("mode", "profile"),
)
