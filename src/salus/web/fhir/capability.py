"""The CapabilityStatement: what this node does, read from the tables that do it (R4 http.html#capabilities).

Interactions come from `routes.ROUTES`, operations from the folder, search parameters from the registry: what
is not there is not said, and a test compares each claim with behaviour.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from salus.core.errors import MethodNotAllowed, NotSupported
from salus.federation.transactions import TRANSACTIONS
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.parameters import (
    Registry,
    SearchParameter,
    offered_parameters,
    parameters_of,
    reference_targets,
)
from salus.standards.terminology.capabilities import FEATURES, INSTANTIATES, terminology_capabilities
from salus.store.directory import SHARED_TYPES
from salus.store.stored_types import MADE_HERE, TRAVELLING
from salus.web.fhir import routes
from salus.web.fhir.answer import Answer
from salus.web.fhir.negotiation import Format
from salus.web.fhir.operation import operations_found
from salus.web.fhir.request import FhirRequest, first, refuse_unknown
from salus.web.fhir.subset import read_subset
from salus.web.fhir.terminology import installed
from salus.web.services import Services

Json = dict[str, Any]  # FHIR content is open JSON

VERSION = "0.1.0"
RELEASED = "2026-11-24"
INTERACTIONS = (
    ("T/i", "GET", "read"),
    ("T/i/_history/v", "GET", "vread"),
    ("T/i", "PUT", "update"),
    ("T/i", "PATCH", "patch"),
    ("T/i", "DELETE", "delete"),
    ("T/i/_history", "GET", "history-instance"),
    ("T/_history", "GET", "history-type"),
    ("T", "POST", "create"),
    ("T", "GET", "search-type"),
)
DISPENSATION = "https://profiles.ihe.net/PHARM/MPD"
DISPENSATION_TEXT = (
    "A dispensation made abroad comes home as a transaction Bundle: a conditional create of a "
    "MedicationDispense (ifNoneExist on its identifier) that changes the prescription's state exactly once, "
    "also when it is repeated."
)
UPDATE_CREATE = (
    "A new resource is sent by POST, and the node gives it its id. A PUT to an id that is not there answers "
    "404, as one to an id that is hidden does; only an operator's makes the resource."
)
UPDATE_CREATE_SHARED = (
    "A PUT to an id that is not there makes the resource, unless the access is confined to one record."
)

PHONETIC = (
    "Compares how the parts of a name begin, without case and accents, as `name` does; names that only sound "
    "alike are not found."
)
CANONICAL = "By the canonical address, with or without version; not for chains, _include or _revinclude."


def capabilities(services: Services, request: FhirRequest) -> Answer:
    """Answer the CapabilityStatement; the only interaction that needs no token."""
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("This address takes GET only.")
    mode = first(request.pairs, "mode")
    if mode not in (None, "full", "normative", "terminology"):
        raise NotSupported("There is no such mode: mode takes full, normative or terminology.")
    refuse_unknown(request, ("mode", "_summary", "_elements"))
    subset = read_subset(request.pairs)
    registry = services.database.parameters.searching
    if mode == "terminology":
        body = write_json(terminology_statement(services))
    else:
        body = statement_bytes(services.fhir_base, services.name, services.base_url, registry)
    headers = ((b"cache-control", b"max-age=60"),)
    return Answer(200, body if subset is None else subset.of_bytes(body), headers)


@lru_cache(maxsize=2)
def statement_bytes(fhir_base: str, name: str, base_url: str, registry: Registry | None) -> bytes:
    """Return the statement as JSON, made once for each state of the search parameters."""
    return write_json(statement(fhir_base, name, base_url, registry))


def terminology_statement(services: Services) -> Json:
    """Return the TerminologyCapabilities: which code systems packages and releases bring."""
    return terminology_capabilities(
        installed(services.data).systems(),
        url=f"{services.fhir_base}/metadata?mode=terminology",
        base=services.fhir_base,
        title=services.name,
        date=RELEASED,
        software=("Salus", VERSION),
    )


def statement(fhir_base: str, name: str, base_url: str, registry: Registry | None = None) -> Json:
    """Return the CapabilityStatement of a node whose search parameters are those of the registry."""
    return {
        "resourceType": "CapabilityStatement",
        "extension": list(FEATURES),
        "url": f"{fhir_base}/metadata",
        "name": "Salus",
        "title": name,
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "instantiates": [INSTANTIATES],
        "software": {"name": "Salus", "version": VERSION},
        "implementation": {"description": name, "url": fhir_base},
        "fhirVersion": "4.0.1",
        "format": [form.value for form in Format] + ["json", "xml"],
        "patchFormat": ["application/json-patch+json", *(form.value for form in Format)],
        "rest": [rest(base_url, registry)],
    }


def rest(base_url: str, registry: Registry | None = None) -> Json:
    """Return the server's REST part."""
    return {
        "mode": "server",
        "documentation": DISPENSATION_TEXT,
        "security": security(base_url),
        "resource": [resource(kind, registry) for kind in sorted(resource_types() - TRAVELLING)],
        "interaction": [
            {"code": "transaction", "documentation": DISPENSATION_TEXT},
            {"code": "batch"},
            {"code": "history-system"},
            {"code": "search-system", "documentation": "Of the one type that _type names."},
        ],
        "operation": operations("", instance=False),
    }


def security(base_url: str) -> Json:
    """Return how to get in: SMART, bearer tokens only."""
    return {
        "cors": True,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "description": "Every address but metadata needs an access token. Pages of other origins are "
        "answered for registered public apps.",
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": name, "valueUri": f"{base_url}/oauth/{name}"}
                    for name in ("authorize", "token", "introspect", "revoke")
                ],
            }
        ],
    }


def resource(kind: str, registry: Registry | None = None) -> Json:
    """Return what can be done with one resource type."""
    if kind in MADE_HERE:
        return audit(kind)
    codes = [code for shape, method, code in INTERACTIONS if method in routes.ROUTES[shape]]
    found: Json = {
        "type": kind,
        "interaction": [interaction(kind, code) for code in codes],
        "documentation": UPDATE_CREATE_SHARED if kind in SHARED_TYPES else UPDATE_CREATE,
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": kind in SHARED_TYPES,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical", "local"],
        "searchInclude": include_names(kind, registry),
        "searchRevInclude": referring_names(registry).get(kind, []),
        "searchParam": search_parameters(kind, registry),
    }
    extra = operations(kind, instance=True)
    return found | ({"operation": extra} if extra else {})


def interaction(kind: str, code: str) -> Json:
    """Return an interaction, with what the EU Health Data API guide has to do with it."""
    said = TRANSACTIONS.get((kind, code))
    return {"code": code, "documentation": said} if said else {"code": code}


@lru_cache(maxsize=2)
def referring_names(registry: Registry | None) -> dict[str, list[str]]:
    """Return what _revinclude takes, by the type that is referred to."""
    found: dict[str, list[str]] = {}
    for kind in sorted(resource_types() - TRAVELLING - MADE_HERE):
        for code, parameter in offered_parameters(kind, registry).items():
            if parameter.type == "reference":
                for target in reference_targets(parameter):
                    found.setdefault(target, []).append(f"{kind}:{code}")
    return found


def audit(kind: str) -> Json:
    """Return what can be done with the audit: searching it by patient and time."""
    known = [parameters_of(kind)[code] for code in ("patient", "date")]
    return {
        "type": kind,
        "documentation": "Made from the ledger for one patient, who must be named; an event has no address "
        "of its own. Proofs of inclusion are at /ledger.",
        "interaction": [{"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": one.code, "definition": one.url, "type": one.type} for one in known],
    }


def search_parameters(kind: str, registry: Registry | None = None) -> list[Json]:
    """Return the search parameters of a type that the node searches by."""
    return [search_parameter(parameter) for parameter in offered_parameters(kind, registry).values()]


def search_parameter(parameter: SearchParameter) -> Json:
    """Return a search parameter, with what must be known of how the node searches by it."""
    found = {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
    if parameter.type == "reference" and not reference_targets(parameter):
        return found | {"documentation": CANONICAL}
    return found | ({"documentation": PHONETIC} if parameter.code == "phonetic" else {})


def include_names(kind: str, registry: Registry | None = None) -> list[str]:
    """Return what _include takes for a type."""
    return ["*"] + [
        f"{kind}:{code}"
        for code, parameter in offered_parameters(kind, registry).items()
        if parameter.type == "reference" and reference_targets(parameter)
    ]


def operations(kind: str, *, instance: bool) -> list[Json]:
    """Return the operations on a type and its instances, or those of the system."""
    return [
        {
            "name": found.name,
            "definition": found.definition.replace("{type}", kind),
            "documentation": found.documentation,
        }
        for found in operations_found().values()
        if (
            found.is_on(kind, instance=False) or found.is_on(kind, instance=instance)
            if kind
            else found.system
        )
    ]
