"""Whose record an account opens: the look-up before the decision, and what is written after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from salus.core.access import Action, Caller, Purpose, Role
from salus.standards.nationalid.identifiers import identifier_of_system, normalise
from salus.store import accounts, resources
from salus.store.accounts import Binding
from salus.store.merged import merges
from salus.trust.gate import enter
from salus.trust.login.binding import (
    CODE_LIFE,
    How,
    Known,
    Outcome,
    decide,
    digest_of,
    document_seen,
    new_code,
)
from salus.trust.login.person import Person
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.portal.lookup import Person as Shown
from salus.web.portal.lookup import find_persons, person_of, read
from salus.web.services import Services

ACCOUNT, CODE = "account", "account-code"


class Whose(msgspec.Struct, frozen=True):
    """What comes of a citizen's log-in, and whose record it is about ("" where it is nobody's)."""

    outcome: Outcome
    patient: str = ""


async def whose_record(services: Services, person: Person) -> Whose:
    """Decide whose record a person's account opens; the look-up is an access of the node itself."""
    asked = AccessRequest(Action.SEARCH, "Patient", "Patient?identifier for a log-in")
    async with enter(services.gatehouse, _node(services), asked) as access:
        stored = await accounts.account(
            access.grant, services.database, person.account.issuer, person.account.subject
        )
        found: dict[str, None] = {}
        for spelling in _spellings(person.identifiers):
            found |= {one.id: None for one in await find_persons(services, access, spelling)}
        if stored.patient:
            access.record([stored.patient], count=0)
    merged = await merges(services.database, services.clock())
    patient = merged.survivor(stored.patient) if stored.patient else ""
    ended = frozenset(map(merged.survivor, stored.ended))
    known = Known(patient, How(stored.how) if stored.how else How.IDENTIFIER, ended)
    outcome = decide(has_number=bool(person.identifiers), found=found, known=known)
    return Whose(outcome, patient if outcome is Outcome.OPEN else next(iter(found), ""))


def citizen(person: Person, patient: str) -> Caller:
    """Return a person as the citizen whose record is bound to their account."""
    return Caller(
        subject=patient, name=person.name or patient, role=Role.CITIZEN, organisation="", issuer="",
        purpose=Purpose.PATIENT_REQUEST, patient=patient, assurance=person.assurance,
    )  # fmt: skip


async def bind(services: Services, person: Person, patient: str, how: How) -> None:
    """Bind the account to the record, as its citizen.

    Raises:
        AlreadyDone: the account opens another record.
    """
    caller = citizen(person, patient)
    async with enter(services.gatehouse, caller, _asked(Action.CREATE, caller)) as access:
        await accounts.bind(
            access.grant,
            services.database,
            issuer=person.account.issuer,
            subject=person.account.subject,
            source=person.source_name,
            how=how.value,
        )


async def redeem(services: Services, person: Person, code: str) -> str:
    """Bind the account by a code of the desk; return whose record it opens now.

    Raises:
        NotFound: the code is not good.
        AlreadyDone: the account opens another record.
    """
    asked = AccessRequest(Action.UPDATE, CODE, CODE)
    async with enter(services.gatehouse, _node(services), asked) as access:
        digest = digest_of(code, services.keys.search)
        patient = await accounts.use_code(access.grant, services.database, digest)
    merged = await merges(services.database, services.clock())
    patient = merged.survivor(patient)
    await bind(services, person, patient, How.CODE)
    return patient


async def find_for_desk(services: Services, identifier: str) -> list[str]:
    """Return the Patients with a national identifier, for staff who give a code."""
    asked = AccessRequest(Action.SEARCH, "Patient", "Patient?identifier for a desk")
    async with enter(services.gatehouse, _node(services), asked) as access:
        return [one.id for one in await find_persons(services, access, identifier)]


async def look_at(services: Services, caller: Caller, patient: str) -> Shown:
    """Return who a Patient is, as the caller may see it.

    Raises:
        AccessRefused, NotFound: they may not, or there is none.
    """
    asked = AccessRequest(Action.READ, "Patient", f"Patient/{patient}", frozenset({patient}))
    async with enter(services.gatehouse, caller, asked) as access:
        stored = await resources.read(access.grant, services.database, "Patient", patient)
        access.record([patient])
    return person_of(read(services, stored))


async def give_code(
    services: Services, caller: Caller, patient: str, *, proof: str, number: str
) -> tuple[str, datetime]:
    """Return a fresh code that binds one account to the patient's record, and until when it is good.

    Staff give it to somebody whose identity they have checked in person, and to nobody else: by a document of
    the kind `proof` (`PROOFS`), whose `number` is written down as a keyed hash.

    Raises:
        InvalidSearch: no document, or no number of it.
        AccessRefused: the caller may not give codes.
        NotFound: there is no such patient.
    """
    seen = document_seen(proof, number, services.keys.search)
    await look_at(services, caller, patient)
    asked = AccessRequest(Action.CREATE, CODE, CODE, frozenset({patient}))
    code, expires_at = new_code(), services.clock() + CODE_LIFE
    async with enter(services.gatehouse, caller, asked) as access:
        digest = digest_of(code, services.keys.search)
        await accounts.make_code(
            access.grant, services.database, patient, digest, expires_at=expires_at, seen=seen
        )
    return code, expires_at


async def bound(services: Services, caller: Caller) -> list[Binding]:
    """Return the accounts that open, or opened, the citizen's record."""
    async with enter_own(services, caller, _asked(Action.READ, caller)) as access:
        found = await accounts.bindings(access.grant, services.database)
        access.record([caller.patient or ""], count=len(found))
    return found


async def end_binding(services: Services, caller: Caller, binding_id: str) -> None:
    """End a binding of the citizen's record; sessions of that account end at once.

    Raises:
        NotFound: there is no such binding that holds.
    """
    async with enter_own(services, caller, _asked(Action.UPDATE, caller)) as access:
        ended = await accounts.end(access.grant, services.database, binding_id)
    until = services.clock() + CODE_LIFE
    services.doorkeeper.revoked.update(dict.fromkeys(ended, until))  # elsewhere by notification


def _asked(action: Action, caller: Caller) -> AccessRequest:
    return AccessRequest(action, ACCOUNT, ACCOUNT, frozenset({caller.patient}) if caller.patient else None)


def _node(services: Services) -> Caller:
    return Caller(
        subject="log-in", name="Log-in", role=Role.OPERATOR, organisation=services.name,
        issuer=services.base_url, purpose=Purpose.OPERATIONS,
    )  # fmt: skip


def _spellings(identifiers: Sequence[tuple[str, str]]) -> list[str]:
    """Return national identifiers in every way that a record may spell them, as "system|number"."""
    found = []
    for system, number in identifiers:
        row = identifier_of_system(system)
        systems = [row.system, f"urn:oid:{row.oid}"] if row and row.oid else [system]
        found += [f"{each}|{text}" for each in systems for text in (number, normalise(number))]
    return list(dict.fromkeys(found))
