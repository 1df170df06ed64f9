"""The assertions of a TestScript (R4 testscript.html, TestScript.setup.action.assert)."""

from __future__ import annotations

from collections.abc import Callable

from conformance.scoreboard.testscript.script import Json, Played, ScriptFailed
from conformance.scoreboard.testscript.values import selected
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.validation.validator import validate

_CODES = {
    "okay": 200,
    "created": 201,
    "noContent": 204,
    "notModified": 304,
    "bad": 400,
    "forbidden": 403,
    "notFound": 404,
    "methodNotAllowed": 405,
    "conflict": 409,
    "gone": 410,
    "preconditionFailed": 412,
    "unprocessable": 422,
}
_TOLD_CHARS_MAX = 600
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_MEDIA = {"json": "application/fhir+json", "xml": "application/fhir+xml"}
_LINKS = frozenset({"self", "first", "previous", "prev", "next", "last"})


def _order(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def ordered(found: str, wanted: str) -> bool:
        try:
            return compare(float(found), float(wanted))
        except ValueError:
            return compare(float(found > wanted) - float(found < wanted), 0.0)

    return ordered


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "notEquals": lambda found, wanted: found != wanted,
    "in": lambda found, wanted: found in [one.strip() for one in wanted.split(",")],
    "notIn": lambda found, wanted: found not in [one.strip() for one in wanted.split(",")],
    "contains": lambda found, wanted: wanted in found,
    "notContains": lambda found, wanted: wanted not in found,
    "greaterThan": _order(lambda found, wanted: found > wanted),
    "lessThan": _order(lambda found, wanted: found < wanted),
    "empty": lambda found, _: found == "",
    "notEmpty": lambda found, _: found != "",
}


def check(assertion: Json, played: Played) -> str:
    """Return why an assertion does not hold, "" where it does.

    Raises:
        ScriptFailed: what it speaks of is not there, or it asserts nothing that is known.
    """
    for name, kind in _KINDS.items():
        if name in assertion:
            return kind(assertion, played)
    raise ScriptFailed("an assertion asserts nothing")


def _compared(assertion: Json, found: str, wanted: str) -> str:
    operator = assertion.get("operator", "equals")
    if operator not in _OPERATORS:
        raise ScriptFailed(f"the operator '{operator}' is not known")
    return (
        "" if _OPERATORS[operator](found, wanted) else f"'{found[:80]}' {operator} '{wanted[:80]}' is false"
    )


def _response(assertion: Json, played: Played) -> str:
    wanted = _CODES.get(assertion["response"])
    if wanted is None:
        raise ScriptFailed(f"the response '{assertion['response']}' is not known")
    return _status(assertion, str(wanted), played)


def _response_code(assertion: Json, played: Played) -> str:
    return _status(assertion, assertion["responseCode"], played)


def _status(assertion: Json, wanted: str, played: Played) -> str:
    """Compare the status of an answer; where it is another, say what the server told."""
    answer = played.answer(assertion.get("sourceId"))
    failure = _compared(assertion, str(answer.status_code), wanted)
    return failure and f"{failure}; answered: {answer.text[:_TOLD_CHARS_MAX]}"


def _content_type(assertion: Json, played: Played) -> str:
    found = played.answer(assertion.get("sourceId")).headers.get("content-type", "").partition(";")[0]
    wanted: str = assertion["contentType"]
    return _compared(assertion, found, _MEDIA.get(wanted, wanted))


def _header(assertion: Json, played: Played) -> str:
    answer = played.answer(assertion.get("sourceId"))
    headers = answer.request.headers if assertion.get("direction") == "request" else answer.headers
    found = headers.get(assertion["headerField"], "")
    return _compared(assertion, found, played.filled(assertion.get("value", "")))


def _request_url(assertion: Json, played: Played) -> str:
    return _compared(assertion, str(played.answer().request.url), played.filled(assertion["requestURL"]))


def _request_method(assertion: Json, played: Played) -> str:
    return _compared(assertion, played.answer().request.method.lower(), assertion["requestMethod"])


def _resource_type(assertion: Json, played: Played) -> str:
    found = str(played.resource(assertion.get("sourceId")).get("resourceType", ""))
    return _compared(assertion, found, assertion["resource"])


def _conforms(assertion: Json, played: Played) -> str:
    """Validate by the base definition of a type; any other profile is not at hand."""
    profiles = {one["id"]: one["reference"] for one in played.script.get("profile", ())}
    reference = profiles.get(assertion["validateProfileId"], "")
    kind = reference.removeprefix(_BASE)
    if kind not in resource_types():
        raise ScriptFailed(f"the profile '{reference}' is not at hand")
    resource = played.resource(assertion.get("sourceId"))
    if resource.get("resourceType") != kind:
        return f"the resource is a {resource.get('resourceType')}, not a {kind}"
    errors = [issue.message for issue in validate(resource) if issue.severity == "error"]
    return f"not valid: {errors[0]}" if errors else ""


def _minimum(assertion: Json, played: Played) -> str:
    wanted = played.resource(assertion["minimumId"])
    found = played.resource(assertion.get("sourceId"))
    missing = _missing(wanted, found, str(wanted.get("resourceType", "")))
    return f"{missing} is not as in '{assertion['minimumId']}'" if missing else ""


def _missing(wanted: object, found: object, place: str) -> str:
    """Return the first place where `found` does not hold what is wanted, "" where it holds all."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return place
        parts = (_missing(value, found.get(key), f"{place}.{key}") for key, value in wanted.items())
        return next((part for part in parts if part), "")
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return place
        for number, value in enumerate(wanted):
            if all(_missing(value, one, place) for one in found):
                return f"{place}[{number}]"
        return ""
    return "" if wanted == found else place


def _links(assertion: Json, played: Played) -> str:
    """The links of a Bundle have an address and a relation of paging; `self` is one of them."""
    links = played.resource(assertion.get("sourceId")).get("link", [])
    relations = [link.get("relation") for link in links if link.get("url")]
    sound = "self" in relations and len(relations) == len(links) and _LINKS.issuperset(relations)
    return "" if sound == bool(assertion["navigationLinks"]) else f"the Bundle's links are {relations}"


def _value(assertion: Json, played: Played) -> str:
    """Compare what an expression or a path selects with a value or with another resource's."""
    found = selected(played.resource(assertion.get("sourceId")), assertion)
    if "compareToSourceId" in assertion:
        other = {name: assertion[key] for key, name in _OTHER.items() if key in assertion}
        wanted = selected(played.resource(assertion["compareToSourceId"]), other)
        return _compared(assertion, ",".join(found), ",".join(wanted))
    if "value" not in assertion and "operator" not in assertion:
        return (
            "" if found == ["true"] else f"{assertion.get('expression') or assertion.get('path')} is {found}"
        )
    return _compared(assertion, found[0] if found else "", played.filled(assertion.get("value", "")))


_OTHER = {"compareToSourceExpression": "expression", "compareToSourcePath": "path"}
_KINDS: dict[str, Callable[[Json, Played], str]] = {
    "expression": _value,
    "path": _value,
    "minimumId": _minimum,
    "validateProfileId": _conforms,
    "navigationLinks": _links,
    "headerField": _header,
    "contentType": _content_type,
    "requestURL": _request_url,
    "requestMethod": _request_method,
    "resource": _resource_type,
    "responseCode": _response_code,
    "response": _response,
}
