"""Bodies of requests: refused by a count before they are parsed.

Counting a character takes milliseconds for the largest body; parsing what the count refuses takes seconds.
"""

from __future__ import annotations

from typing import Any

from salus.core.errors import TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import parse_json, write_json_like
from salus.web.fhir.negotiation import Format

VALUES_AN_ELEMENT = 8


def check_bytes(body: bytes, limits: Limits) -> None:
    """Refuse a body that is to be one resource and is over the limit of one.

    Raises:
        TooLarge: it is.
    """
    if len(body) > limits.resource_bytes_max:
        raise TooLarge(f"A resource may have {limits.resource_bytes_max} bytes: keep large data in a Binary.")


def check_counts(body: bytes, limits: Limits) -> None:
    """Refuse a body of more objects, arrays and tags, or of more values, than the node takes.

    Raises:
        TooLarge: it has more; it was not parsed.
    """
    elements = body.count(b"{") + body.count(b"[") + body.count(b"<")
    if elements > limits.body_elements_max or body.count(b",") > limits.body_elements_max * VALUES_AN_ELEMENT:
        raise TooLarge(
            f"The body has more than {limits.body_elements_max} objects, arrays and tags: "
            "split it, or load it as a file."
        )


def check_repetitions(value: Any, limits: Limits) -> None:  # Any: JSON
    """Refuse JSON with an array or object of more members than the node takes.

    Raises:
        TooLarge: it has one.
    """
    level = [value]
    while level:
        inner: list[Any] = []
        for one in level:
            if len(one) > limits.repetitions_max:
                raise TooLarge(
                    f"An element repeats more than {limits.repetitions_max} times: split the resource."
                )
            members = one.values() if type(one) is dict else one
            inner += [member for member in members if type(member) is dict or type(member) is list]
        level = inner


def parse(body: bytes, form: Format, limits: Limits) -> tuple[Resource, bytes]:
    """Return the resource in a body and the bytes to store: those received, or JSON for FHIR XML.

    Raises:
        MalformedContent, TooLarge: it cannot be read, or has more of something than is taken.
    """
    check_counts(body, limits)
    content = body
    if form is Format.XML:
        from salus.standards.fhir.codec.xml import parse_xml  # lxml is loaded only where XML comes in

        resource = parse_xml(body, limits)
        content = write_json_like(resource, body)
    else:
        resource = parse_json(body, limits)
    if form is Format.XML or body.count(b",") >= limits.repetitions_max:
        check_repetitions(resource, limits)
    return resource, content
