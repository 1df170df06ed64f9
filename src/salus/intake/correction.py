"""Corrected content for something in quarantine: that it is the same resource, and what is noted of it."""

from __future__ import annotations

import re

import msgspec

from salus.core.errors import Conflict, MalformedContent, SalusError
from salus.core.limits import Limits
from salus.intake.identity import Head
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.codec.xml import parse_xml
from salus.store.quarantine import Rejection

_TYPE = re.compile(
    rb'"resourceType"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z]{1,64})"|<([A-Z][A-Za-z]{1,63})[ \t\r\n/>]'
)
_NAMED_MAX = 5


class _Issues(msgspec.Struct):
    issue: list[dict[str, object]] = []


class _Content(msgspec.Struct):
    """A resource, or an entry that holds one."""

    resourceType: str = ""
    id: object = None
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_entry(self) -> bool:
        """Return whether it is an entry of a Bundle."""
        return bool(bytes(self.resource)) and not self.resourceType


def is_xml(content: bytes) -> bool:
    """Return whether the bytes are XML rather than JSON."""
    return content.lstrip().startswith(b"<")


def as_received(original: bytes, correction: bytes) -> bytes:
    """Return the correction in the frame of the original: an entry keeps the fullUrl others refer to it by.

    Raises:
        MalformedContent: the original is an entry in JSON and the correction is XML.
    """
    received, sent = _content(original), _content(correction)
    if received is None or not received.is_entry or (sent is not None and sent.is_entry):
        return correction
    if is_xml(correction):
        raise MalformedContent(
            "The original is an entry of a Bundle in JSON: give its correction in JSON too."
        )
    return b'{"fullUrl":' + write_json(received.fullUrl) + b',"resource":' + correction + b"}"


def refuse_other(original: Rejection, correction: bytes) -> None:
    """Refuse a correction that is another resource than the original, as far as both can be read.

    Raises:
        Conflict: naming both.
    """
    received, sent = _head(original.content), _head(correction)
    type_name = received.resourceType or original.type
    if type_name and sent.resourceType and type_name != sent.resourceType:
        raise _other(type_name, sent.resourceType)
    ids = (received.id, sent.id)
    if all(isinstance(one, str) and one for one in ids) and received.id != sent.id:
        raise _other(f"{type_name}/{received.id}", f"{sent.resourceType}/{sent.id}")


def corrected_outcome(before: bytes, names: list[str], *, is_kept: bool = False) -> bytes:
    """Return the OperationOutcome of a rejection whose correction was stored as `names`, with its reasons.

    Args:
        before: the OperationOutcome so far.
        names: "Type/id" of what the correction holds.
        is_kept: of some of them the node has what was edited here or came later, and that stays.
    """
    reasons = [one for one in _issues(before) if one.get("severity") != "information"]
    stored = ", ".join(names[:_NAMED_MAX]) or "what was here already"
    more = f" and {len(names) - _NAMED_MAX:,} more" if len(names) > _NAMED_MAX else ""
    what = f"and stored as {stored}{more}."
    if is_kept:
        what = f"but what was edited here or came later stays: see the versions of {stored}{more}."
    told = f"Corrected, {what} What was received stays here until it expires."
    note = {"severity": "information", "code": "informational", "diagnostics": told}
    return write_json({"resourceType": "OperationOutcome", "issue": [note, *reasons]})


def is_corrected(rejection: Rejection) -> bool:
    """Return whether a correction of it was stored."""
    return any(one.get("severity") == "information" for one in _issues(rejection.outcome)[:1])


def _issues(outcome: bytes) -> list[dict[str, object]]:
    return msgspec.json.decode(outcome, type=_Issues).issue


def _other(original: str, correction: str) -> Conflict:
    return Conflict(
        f"The correction is {correction[:160]}, but what was refused is {original[:160]}; nothing was "
        "changed. Give the right file, or say --other-resource if it is to be stored instead."
    )


def _content(content: bytes) -> _Content | None:
    try:
        return msgspec.json.decode(content, type=_Content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _head(content: bytes) -> Head:
    """Return the type and id of a resource or of an entry's, "" and None for what cannot be read."""
    if is_xml(content):
        try:
            resource = parse_xml(content, Limits())
            return Head(str(resource.get("resourceType", "")), resource.get("id"))
        except SalusError:
            return _guessed(content)
    found = _content(content)
    if found is not None and found.is_entry:
        return _head(bytes(found.resource))
    return Head(found.resourceType, found.id) if found is not None else _guessed(content)


def _guessed(content: bytes) -> Head:
    """Return the first type that is named in bytes that cannot be read."""
    found = _TYPE.search(content)
    return Head((found[1] or found[2]).decode() if found else "")
