"""Which patient a professional has in front of them, from finding to leaving: a signed cookie.

Every address of a patient's pages names the patient too; where cookie and address differ (two windows), no
page is shown, so that nobody reads or dispenses for the wrong person.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

import msgspec
from starlette.responses import Response

from salus.core.access import Caller, Purpose
from salus.core.errors import Conflict
from salus.web.portal.cookies import cookie, keep_cookie
from salus.web.portal.lookup import Person
from salus.web.portal.session import SESSION_SECONDS, Sessions
from salus.web.portal.visit import Visit

COOKIE = "salus_patient"
DIGEST_BYTES = 32


class Stated(msgspec.Struct, frozen=True):
    """What the professional states of themselves and the patient (`smart.asker`).

    Args:
        relationship: present, in-care, emergency or none.
        presence_code: that the patient showed, "" without one.
        reason: why it cannot wait, "" without an emergency access.
        emergency_until: when that ends, in seconds since 1970; 0 without.
    """

    relationship: str = "none"
    presence_code: str = ""
    reason: str = ""
    emergency_until: int = 0


class InFront(msgspec.Struct, frozen=True):
    """The patient, where their record is, and what the professional stated.

    Args:
        node: id of the patient's home node; this node's own for a local patient.
        person: as found there; `person.id` is the logical id at that node.
        purpose, stated: stated when the patient was looked up, or since.
        session: the session it belongs to.
        until: when it ends, in seconds since 1970.
    """

    node: str
    person: Person
    purpose: Purpose
    stated: Stated
    session: str
    until: int

    @property
    def path(self) -> str:
        """Return the address of the patient's pages."""
        return f"/patient/{self.node}/{self.person.id}"


def keep(
    visit: Visit, response: Response, node: str, person: Person, purpose: Purpose, stated: Stated
) -> InFront:
    """Remember the patient in the visitor's browser, for this session only."""
    until = int(visit.services.clock().timestamp()) + SESSION_SECONDS
    found = InFront(node, person, purpose, stated, visit.caller.token_id, until)
    body = msgspec.json.encode(found)
    signed = base64.urlsafe_b64encode(_digest(visit.sessions, body) + body).decode()
    keep_cookie(visit.services, response, COOKIE, signed, seconds=SESSION_SECONDS)
    return found


def in_front(visit: Visit) -> InFront:
    """Return the patient whom both the address and the browser name. Raises as `kept_in_front` does."""
    named = visit.request.path_params
    return kept_in_front(visit, named["node"], named["id"])


def kept_in_front(visit: Visit, node: str, patient: str) -> InFront:
    """Return the patient in front of the visitor, who must be the one that a page or form names.

    Raises:
        Conflict: they differ, or nobody was looked up in this session.
    """
    found = _read(visit.sessions, cookie(visit.services, visit.request, COOKIE))
    now = visit.services.clock()
    if found is None or found.session != visit.caller.token_id or _is_over(found, now):
        raise Conflict("Nobody is in front of you in this session; find the patient first.")
    if (found.node, found.person.id) != (node, patient):
        raise Conflict(
            "This window is about another patient than the one found last; find the patient again."
        )
    return _calmed(visit, found, now)


def speaking(visit: Visit, found: InFront) -> Caller:
    """Return the professional with the purpose stated for this patient."""
    return msgspec.structs.replace(visit.caller, purpose=found.purpose)


def _calmed(visit: Visit, found: InFront, now: datetime) -> InFront:
    """Return the patient without an emergency access that has ended: another one is claimed anew."""
    stated = found.stated
    if not stated.emergency_until or _runs(visit, found, now):
        return found
    after = Stated("present" if stated.relationship == "present" else "none", stated.presence_code)
    return msgspec.structs.replace(found, purpose=Purpose.TREATMENT, stated=after)


def _runs(visit: Visit, found: InFront, now: datetime) -> bool:
    """Say whether the emergency access runs; one of this node may have been ended by the second look."""
    if now.timestamp() >= found.stated.emergency_until:
        return False
    if found.node != visit.services.node:
        return True
    person = visit.services.standing.persons.get(found.person.id)
    mine = [each for each in person.rescues if each.subject == visit.caller.subject] if person else []
    return any(each.node == "" and now < each.ends_at for each in mine)


def _is_over(found: InFront, now: datetime) -> bool:
    return now.timestamp() >= found.until


def _read(sessions: Sessions, cookie: str) -> InFront | None:
    try:
        signed = base64.urlsafe_b64decode(cookie)
        digest, body = signed[:DIGEST_BYTES], signed[DIGEST_BYTES:]
        if not hmac.compare_digest(digest, _digest(sessions, body)):
            return None
        return msgspec.json.decode(body, type=InFront)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None


def _digest(sessions: Sessions, body: bytes) -> bytes:
    return hmac.digest(sessions.form_key, b"patient\0" + body, hashlib.sha256)
