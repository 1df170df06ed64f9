"""The pages of the log-in: which way, there and back, what is missing, and out again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Assurance, Role
from salus.core.errors import AlreadyDone, NotAuthenticated, NotFound, PeerUnavailable, SalusError, Throttled
from salus.core.identifiers import is_fhir_id
from salus.standards.openid.authorization import (
    AuthorizationRequest,
    authorization_address,
    end_session_address,
    read_answer,
)
from salus.store.login_sessions import take_session
from salus.trust.login.binding import How
from salus.trust.login.binding import Outcome as Found
from salus.trust.login.person import acr_values, person_of
from salus.trust.refusals import LOGIN
from salus.web.login.attempt import (
    ATTEMPT,
    STRANGER,
    Attempt,
    Stranger,
    Wish,
    forget,
    keep,
    kept,
    new_attempt,
)
from salus.web.login.entering import admit_citizen, enter_person, least_for, stranger_page, stronger_page
from salus.web.login.parties import Parties, offered, redirect_uri
from salus.web.login.records import bind, bound, end_binding, redeem, whose_record
from salus.web.login.relying import RelyingParty, Tokens
from salus.web.portal.personas import personas, require_demo
from salus.web.portal.session import local_path, log_out
from salus.web.portal.visit import Visit
from salus.web.provider.terms import ID as EMBEDDED
from salus.web.provider.terms import write_hint

Page = Callable[[Visit], Awaitable[Response]]


async def login(parties: Parties, visit: Visit) -> Response:
    """Offer the ways to log in; a test person chosen in the form goes on to the embedded provider."""
    if visit.request.method == "GET":
        return login_page(visit, parties)
    require_demo(demo=visit.services.demo)
    form = visit.form
    chosen = form.get("persona", "")
    if chosen != Role.CITIZEN and chosen not in personas(visit.services.country):
        return login_page(visit, parties, problem=visit.say("login-choose"), status=422)
    hint = write_hint(chosen, form.get("assurance", ""), form.get("identifier", ""))
    wish = Wish(
        as_professional=chosen != Role.CITIZEN,
        going_to=local_path(form.get("next", "")),
        language=visit.language,
    )
    return await _set_out(visit, parties, parties[EMBEDDED], wish, hint=hint)


async def set_out(parties: Parties, visit: Visit) -> Response:
    """Send the browser to the provider that the address names."""
    return await _set_out(visit, parties, _party(parties, visit), wish_of(visit))


async def back(parties: Parties, visit: Visit) -> Response:
    """Take the browser back from a provider: once, if it is the one that was sent out."""
    party, attempt = _party(parties, visit), kept(visit, ATTEMPT, Attempt)
    visit = in_language(visit, attempt.wish) if attempt else visit
    try:
        if attempt is None or attempt.source != party.provider.id:
            raise NotAuthenticated("no log-in with this provider was begun in this browser")
        tokens = await _exchange(visit, party, attempt)
        person = person_of(party.provider, tokens.claims)
        answer = await enter_person(visit, parties, person, attempt.wish, id_token=tokens.id_token)
    except (NotAuthenticated, PeerUnavailable) as error:
        visit.services.doorkeeper.refusals.note(LOGIN)
        answer = failed_page(visit, parties, error)
    forget(visit, answer, ATTEMPT)
    return answer


async def _exchange(visit: Visit, party: RelyingParty, attempt: Attempt) -> Tokens:
    pairs = visit.request.query_params.multi_items()
    code = read_answer(pairs, state=attempt.state, metadata=await party.metadata())
    return await party.exchange(
        code,
        verifier=attempt.verifier,
        redirect_uri=redirect_uri(visit.services, party.provider.id),
        nonce=attempt.nonce,
    )


async def stronger(parties: Parties, visit: Visit) -> Response:
    """Offer the surer ways to log in."""
    wish = wish_of(visit)
    had = visit.visitor.assurance if visit.visitor else None
    return stronger_page(visit, parties, wish, had=had, least=least_for(visit, wish))


async def link(visit: Visit) -> Response:
    """Bind the account of whoever came unknown: by a code of the desk, or again where they once ended it.

    A GET shows the page again, in another language or after it was loaded anew.
    """
    stranger = kept(visit, STRANGER, Stranger)
    if stranger is None:
        return RedirectResponse(f"/login?language={visit.language}", 303)
    person, wish = stranger.person, stranger.wish
    if visit.request.method != "POST":
        outcome = (await whose_record(visit.services, person)).outcome
        return stranger_page(visit, person, wish, outcome)
    try:
        if visit.form.get("again") == "yes":
            patient = await _bind_again(visit, stranger)
        else:
            _slow_down(visit)
            patient = await redeem(visit.services, person, visit.form.get("code", ""))
    except (NotFound, AlreadyDone) as error:
        _note_failure(visit)
        return stranger_page(visit, person, wish, Found.CODE, problem=visit.say(f"link-{error.issue}"))
    return await admit_citizen(visit, person, patient, wish)


async def _bind_again(visit: Visit, stranger: Stranger) -> str:
    whose = await whose_record(visit.services, stranger.person)
    if whose.outcome is not Found.ASK:
        raise NotFound("There is nothing to bind again; log in anew.")
    await bind(visit.services, stranger.person, whose.patient, How.IDENTIFIER)
    return whose.patient


async def logout(parties: Parties, visit: Visit) -> Response:
    """End the session here; where the provider keeps one too, offer to end that."""
    source, id_token = await take_session(visit.services.database, visit.caller.token_id)
    address = await _end_address(visit, parties.get(source), id_token)
    answer: Response = RedirectResponse(f"/?language={visit.language}", 303)
    if address:
        answer = visit.show("logged-out.html", visit.say("log-out"), address=address, anonymous=True)
    await log_out(visit.sessions, answer, visit.caller)
    return answer


async def account(visit: Visit) -> Response:
    """Show the citizen which accounts open their record; take one back."""
    if visit.request.method == "POST":
        binding = visit.form.get("id", "")
        if not is_fhir_id(binding):
            raise NotFound("There is no such account, or it was taken back already.")
        await end_binding(visit.services, visit.caller, binding)
        return RedirectResponse(f"/login/accounts?language={visit.language}", 303)
    found = await bound(visit.services, visit.caller)
    return visit.show("accounts.html", visit.say("my-accounts"), accounts=found)


def login_page(
    visit: Visit, parties: Parties, *, problem: str = "", detail: str = "", status: int = 200
) -> Response:
    """Return the page that offers the ways to log in."""
    people = personas(visit.services.country).items() if visit.services.demo else ()
    return visit.show(
        "login.html",
        visit.say("log-in"),
        status=status,
        providers=offered(parties),
        personas=[
            {"key": key, "name": each.name, "describes": each.describes, "organisation": each.organisation}
            for key, each in people
        ],
        problem=problem,
        detail=detail,
        unsent=visit.request.query_params.get("unsent") == "yes",
        identifier=visit.form.get("identifier", ""),
        next=local_path(visit.form.get("next", "") or visit.request.query_params.get("next", "")),
    )


def failed_page(visit: Visit, parties: Parties, error: SalusError) -> Response:
    """Return the page after a log-in that came to nothing, with the reason."""
    failed = visit.say("login-failed")
    return login_page(visit, parties, problem=failed, detail=error.message, status=error.status)


async def _set_out(
    visit: Visit, parties: Parties, party: RelyingParty, wish: Wish, *, hint: str = ""
) -> Response:
    provider, attempt = party.provider, new_attempt(visit, party.provider.id, wish)
    try:
        metadata = await party.metadata()
    except (NotAuthenticated, PeerUnavailable) as error:
        return failed_page(visit, parties, error)
    request = AuthorizationRequest(
        client_id=provider.client_id,
        redirect_uri=redirect_uri(visit.services, provider.id),
        scopes=provider.scopes,
        state=attempt.state,
        nonce=attempt.nonce,
        verifier=attempt.verifier,
        acr_values=acr_values(provider, least_for(visit, wish)),
        login_hint=hint,
        language=visit.language,
        is_fresh=bool(wish.least),
    )
    answer = RedirectResponse(authorization_address(request, metadata), 303)
    keep(visit, answer, ATTEMPT, attempt)
    return answer


async def _end_address(visit: Visit, party: RelyingParty | None, id_token: str) -> str:
    """Return where the provider's own session is ended, "" where it has none or is out of reach."""
    if party is None:
        return ""
    try:
        return end_session_address(
            await party.metadata(), party.provider.client_id, id_token, f"{visit.services.base_url}/"
        )
    except (NotAuthenticated, PeerUnavailable):
        return ""


def in_language(visit: Visit, wish: Wish) -> Visit:
    """Return the visit of a browser that comes back, in the language it set out in."""
    return msgspec.structs.replace(visit, form={**visit.form, "language": wish.language})


def wish_of(visit: Visit) -> Wish:
    """Return what the address says that somebody wants."""
    asked = visit.request.query_params
    least = asked.get("least", "")
    return Wish(
        as_professional=asked.get("as") == "professional",
        least=least if least in set(Assurance) else "",
        going_to=local_path(asked.get("next", "")),
        language=visit.language,
    )


def _party(parties: Parties, visit: Visit) -> RelyingParty:
    party = parties.get(visit.request.path_params["provider"])
    if party is None:
        raise NotFound("This node knows no such log-in provider.")
    return party


def _address(visit: Visit) -> str:
    return visit.request.client.host if visit.request.client else ""


def _slow_down(visit: Visit) -> None:
    failures = visit.services.doorkeeper.refusals.failures
    wait = failures.seconds_left(_address(visit), "", visit.services.clock())
    if wait:
        raise Throttled(f"Too many codes that were wrong came from your address; wait {wait} seconds.")


def _note_failure(visit: Visit) -> None:
    refusals = visit.services.doorkeeper.refusals
    refusals.note(LOGIN)
    refusals.failures.note(_address(visit), visit.services.clock())


def with_parties(parties: Parties, page: Callable[[Parties, Visit], Awaitable[Response]]) -> Page:
    """Return the page as one that knows the providers."""
    return partial(page, parties)
