"""From somebody whom an issuer vouches for to a session of the portal, or to what they must show besides."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from salus.core.access import Assurance, Caller, Leaf, Outcome, Purpose, Role
from salus.core.errors import AccessRefused
from salus.store.login_sessions import LoginSession, keep_session
from salus.trust.login.binding import How
from salus.trust.login.binding import Outcome as Found
from salus.trust.login.person import LOGGED_IN, RANKS, Person, is_enough
from salus.web.login.attempt import STRANGER, Wish, forget, keep, new_stranger
from salus.web.login.parties import Parties
from salus.web.login.records import bind, citizen, whose_record
from salus.web.portal.session import SESSION_SECONDS, local_path, log_in
from salus.web.portal.visit import Visit
from salus.web.portal.ways import home_of

PURPOSES = {
    Role.CLINICIAN: Purpose.TREATMENT,
    Role.PHARMACIST: Purpose.TREATMENT,
    Role.EMERGENCY: Purpose.EMERGENCY,
    Role.DESK: Purpose.PATIENT_REQUEST,
}


async def enter_person(
    visit: Visit, parties: Parties, person: Person, wish: Wish, *, id_token: str = ""
) -> Response:
    """Give the person a session, or say what is missing.

    Raises:
        AccessRefused: they want to work here, and nobody vouches for that.
    """
    least = least_for(visit, wish)
    if not is_enough(person.assurance, least):
        return stronger_page(visit, parties, wish, had=person.assurance, least=least)
    if wish.as_professional:
        return await _admit(visit, _professional(person), person, wish, id_token=id_token)
    whose = await whose_record(visit.services, person)
    if whose.outcome is Found.BIND:
        await bind(visit.services, person, whose.patient, How.IDENTIFIER)
    elif whose.outcome is not Found.OPEN:
        return stranger_page(visit, person, wish, whose.outcome)
    return await admit_citizen(visit, person, whose.patient, wish, id_token=id_token)


async def admit_citizen(
    visit: Visit, person: Person, patient: str, wish: Wish, *, id_token: str = ""
) -> Response:
    """Give the citizen whose account opens this record a session."""
    return await _admit(visit, citizen(person, patient), person, wish, id_token=id_token)


def least_for(visit: Visit, wish: Wish) -> Assurance:
    """Return how sure a log-in must be: what the country's law asks, or more where more was asked for."""
    needed = visit.services.gatehouse.law.assurance.value
    by_law = needed.professional if wish.as_professional else needed.citizen
    asked = Assurance(wish.least) if wish.least else by_law
    return max(by_law, asked, key=RANKS.__getitem__)


def stronger_page(
    visit: Visit, parties: Parties, wish: Wish, *, had: Assurance | None, least: Assurance
) -> Response:
    """Return the page that asks for a surer log-in, with the ways there are."""
    able = [
        party.provider
        for party in parties.values()
        if any(is_enough(level, least) for level in party.provider.assurance.values())
        and (party.provider.professional is not None or not wish.as_professional)
    ]
    return visit.show(
        "stronger.html",
        visit.say("stronger-title"),
        status=403,
        had=visit.say(f"assurance-{had.value}") if had else "",
        least=visit.say(f"assurance-{least.value}"),
        level=least.value,
        providers=[{"id": each.id, "name": each.name} for each in able],
        wish=wish,
    )


def stranger_page(visit: Visit, person: Person, wish: Wish, outcome: Found, *, problem: str = "") -> Response:
    """Return the page for somebody whose account opens no record yet, and remember who it is."""
    answer = visit.show(
        "stranger.html",
        visit.say("stranger-title"),
        status=403,
        name=person.name,
        source=person.source_name,
        outcome=outcome.value,
        problem=problem,
    )
    keep(visit, answer, STRANGER, new_stranger(visit, person, wish))
    return answer


def _professional(person: Person) -> Caller:
    if person.role is None:
        raise AccessRefused(
            f"{person.source_name} does not say that you work as a health professional; log in as a citizen, "
            "or by the provider of your professional register."
        )
    return Caller(
        subject=f"{person.source}-{person.account.subject}",
        name=person.name or person.account.subject,
        role=person.role,
        organisation=person.organisation,
        organisation_id=person.organisation_id,
        issuer="",
        purpose=PURPOSES.get(person.role, Purpose.OPERATIONS),
        assurance=person.assurance,
    )


async def _admit(visit: Visit, caller: Caller, person: Person, wish: Wish, *, id_token: str) -> Response:
    services = visit.services
    home = home_of(caller.role)
    answer = RedirectResponse(local_path(wish.going_to) or f"{home}?language={wish.language}", 303)
    token_id = log_in(visit.sessions, answer, caller)
    now = services.clock()
    login = LoginSession(
        token_id=token_id,
        source=person.source,
        issuer=person.account.issuer,
        subject=person.account.subject,
        session=person.session,
        id_token=id_token,
        expires_at=now + timedelta(seconds=SESSION_SECONDS),
        name=person.source_name,
    )
    await keep_session(services.database, login, now)
    await services.journal.write([_leaf(visit, caller, person)])
    forget(visit, answer, STRANGER)
    return answer


def _leaf(visit: Visit, caller: Caller, person: Person) -> Leaf:
    """Return the line of the audit that says who logged in, how and how surely."""
    return Leaf(
        at=visit.services.clock(),
        request=str(visit.request.scope.get("request_id", "")),
        patient=caller.patient or "",
        subject=caller.subject,
        name=caller.name,
        role=caller.role,
        organisation=caller.organisation,
        node="",
        purpose=caller.purpose,
        action="authenticate",
        what=f"log-in by {person.source_name}, assurance {person.assurance.value}",
        resources=0,
        outcome=Outcome.SERVED,
        rule=LOGGED_IN,
        organisation_id=caller.organisation_id,
    )
