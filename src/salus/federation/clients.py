"""Who may have a token, and what it opens: member nodes and registered local systems.

A member node always asks for a person and for one patient; its token is confined to that patient. Before
the patient is known it may only look one up (PDQm ITI-78), by a token that opens nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from salus.core.access import Assurance, Caller, Leaf, Outcome, Purpose, Role
from salus.core.errors import AccessRefused, MalformedContent, NotAuthenticated
from salus.core.identifiers import is_fhir_id
from salus.core.limits import Limits
from salus.federation.chains import Chains, Held, Vouched
from salus.federation.membership_list import Member
from salus.standards.jose import compact
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import ALGORITHMS, Assertion, check_claims
from salus.store.federation import Client, find_client, is_first_use
from salus.store.postgres import Database
from salus.trust.circumstances import needed_assurance
from salus.trust.jurisdictions.law import Jurisdiction
from salus.trust.login.person import is_enough
from salus.trust.scopes import given, parse_scope

LOOKUP = "lookup"
SCOPES_MAX = 50
CLIENT_LENGTH_MAX = 200
# What a professional abroad may be given, as letters of SMART v2 (create read update delete search).
DISPENSING = {"*": "rs", "MedicationDispense": "crus"}
TREATING = {"*": "rs", "DocumentReference": "crs"}  # a letter home: MHD ITI-105
RESCUING = {"*": "rs"}
ABROAD = {Role.CLINICIAN: TREATING, Role.PHARMACIST: DISPENSING, Role.EMERGENCY: RESCUING}
TIES = {
    Purpose.TREATMENT: frozenset({"present", "in-care"}),
    Purpose.EMERGENCY: frozenset({"emergency", "present"}),
}


class Applicant(msgspec.Struct, frozen=True):
    """An authenticated client.

    Args:
        client: its client id.
        name: for the access log.
        node: its node id if it is a member of the federation, else None.
        scopes: the scopes it was registered with; empty for a member, whose role decides.
        assertion: what it said.
        roles: for whom it was registered to speak; of no meaning for a member.
        purposes: for what it was registered to ask on their behalf.
        vouched_until: when the trust chain of a member ends, in seconds since 1970; None for no member.
        cut_off: that chain has ended, and the federation's anchor cannot be asked for another.
        organisation_id: identifier of the organisation that it was registered for, "" without one.
        introspects: whether it was registered to ask of tokens that others send it (RFC 7662).
    """

    client: str
    name: str
    node: str | None
    scopes: tuple[str, ...]
    assertion: Assertion
    roles: tuple[Role, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    vouched_until: float | None = None
    cut_off: bool = False
    organisation_id: str = ""
    introspects: bool = False


def claimed_client(token: str) -> str:
    """Return the client id that an assertion claims, before anything about it is known to hold.

    Raises:
        NotAuthenticated: it is no assertion, or names no client that there could be.
    """
    client = compact.unverified(token).claims.get("iss")
    if not isinstance(client, str) or not 0 < len(client) <= CLIENT_LENGTH_MAX or not client.isprintable():
        raise NotAuthenticated("iss must be the client id")
    return client


async def authenticate_client(
    token: str,
    *,
    endpoint: str,
    chains: Chains,
    database: Database,
    now: datetime,
    limits: Limits,
) -> Applicant:
    """Return who signed the client assertion, once everything about it holds and it is used the first time.

    Raises:
        NotAuthenticated: the assertion is wrong, stale, used already, or its client is unknown.
        AccessRefused: the client is a node whose membership has expired or was revoked, or for which there is
            no trust chain.
    """
    client = claimed_client(token)
    held: Held | None = None
    found = Vouched.NONE
    current = chains.membership.current
    if current is not None and current.state(client, now) != "unknown":
        held, found = await _vouched(token, chains, current.admitted(client, now))
        known = Client(client, held.member.name, held.member.keys, ())
    else:
        registered = await find_client(database, client)
        if registered is None:
            raise NotAuthenticated("the client is neither a member node nor registered here")
        known = registered
    signed = compact.verify(token, known.keys, algorithms=ALGORITHMS)
    assertion = check_claims(
        signed.claims, endpoint=endpoint, now=now.timestamp(), skew_seconds=limits.clock_skew_seconds
    )
    forget_at = datetime.fromtimestamp(assertion.expires_at + limits.clock_skew_seconds + 1, UTC)
    if not await is_first_use(database, client, assertion.jti, forget_at=forget_at, now=now):
        raise NotAuthenticated("the assertion was used already; sign a new one with a new jti")
    return Applicant(
        client=client,
        name=known.name,
        node=held.member.node if held else None,
        scopes=known.scopes,
        assertion=assertion,
        roles=known.roles,
        purposes=known.purposes,
        vouched_until=held.chain.expires_at if held else None,
        cut_off=found is Vouched.CUT_OFF,
        organisation_id=known.organisation_id,
        introspects=known.introspects,
    )


async def _vouched(token: str, chains: Chains, member: Member) -> tuple[Held, Vouched]:
    """Return the member's trust chain, fetched anew when it does not name the key that signed."""
    held, found = await chains.vouched(member)
    kid = compact.unverified(token).header.get("kid")
    if any(key["kid"] == kid for key in held.member.keys):
        return held, found
    return await chains.vouched(member, renew=True)


def caller_for(applicant: Applicant, scope: str, *, issuer: str, law: Jurisdiction) -> Caller:
    """Return the caller that the token will speak for.

    Args:
        applicant: who asks.
        scope: the scopes asked for, separated by blanks.
        issuer: this node's address.
        law: of its country, which says how sure a professional's log-in must be.

    Raises:
        AccessRefused: the statement about person, purpose and patient permits no access, or does not say that
            the person logged in surely enough.
        MalformedContent: the scopes cannot be read.
    """
    caller = _spoken_for(applicant, scope, issuer)
    if applicant.assertion.asker is not None:
        _require_sure(caller, law)
    return caller


def _require_sure(caller: Caller, law: Jurisdiction) -> None:
    """Refuse a person of whose log-in nothing is stated, or that it was not sure enough."""
    needed = needed_assurance(caller, "", law)
    if needed is Assurance.LOW or (caller.assurance is not None and is_enough(caller.assurance, needed)):
        return
    had = f"; stated is {caller.assurance.value}" if caller.assurance is not None else ""
    raise AccessRefused(
        f"state how surely the professional logged in (extensions, salus.acr): {needed.value} or more{had}"
    )


def _spoken_for(applicant: Applicant, scope: str, issuer: str) -> Caller:
    wanted = scope.split()
    if len(wanted) > SCOPES_MAX:
        raise MalformedContent(f"ask for at most {SCOPES_MAX} scopes")
    asker = applicant.assertion.asker
    if applicant.node is None:
        return _local(applicant, asker, wanted, issuer)
    if asker is None:
        raise AccessRefused("a member node must say for whom it asks (extensions: ihe_iua or hl7-b2b)")
    if applicant.cut_off and asker.purpose is not Purpose.EMERGENCY:
        raise AccessRefused(
            "this node cannot reach the federation's anchor and answers emergencies only (purpose ETREAT)"
        )
    narrowed = next((each for each in wanted if "?" in each), None)
    if narrowed is not None:
        raise MalformedContent(
            f"scope {narrowed[:80]} narrows by a query: across borders ask without the query"
        )
    granted = _abroad(asker, wanted)
    return _speaking_for(asker, applicant, granted, issuer)


def subject_of(client: str, person: str = "") -> str:
    """Return the subject of a client itself, or of a person of its; no two clients make the same one.

    A client id may be an address: its slashes are written as in one (RFC 3986, 2.1).
    """
    name = client.replace("%", "%25").replace("/", "%2F")
    return f"{name}/{person}" if person else name


def refusal(asker: Asker, applicant: Applicant, *, request: str, now: datetime, rule: str) -> Leaf:
    """Return the leaf of a token that was refused to a known node or client for the person it stated."""
    subject = asker.subject if applicant.node else subject_of(applicant.client, asker.subject)
    return Leaf(
        at=now, request=request, patient=asker.patient, subject=subject, name=asker.name,
        role=asker.role.value, organisation=asker.organisation, node=applicant.node or "",
        purpose=asker.purpose.value, action="token", what="oauth/token", resources=0, outcome=Outcome.REFUSED,
        rule=rule, organisation_id=asker.organisation_id,
    )  # fmt: skip


def _abroad(asker: Asker, wanted: list[str]) -> tuple[str, ...]:
    letters = ABROAD.get(asker.role)
    if letters is None:
        raise AccessRefused("citizens use their home node; other nodes ask for professionals only")
    ties = TIES.get(asker.purpose)
    if ties is None:
        raise AccessRefused(f"purpose {asker.purpose.value} is not answered across borders")
    if asker.role is Role.EMERGENCY and asker.purpose is not Purpose.EMERGENCY:
        raise AccessRefused("an emergency service asks in emergencies (purpose ETREAT)")
    if not asker.patient:
        return (LOOKUP,)
    if not is_fhir_id(asker.patient):
        raise AccessRefused("person_id must be the patient's logical id at this node")
    if asker.relationship not in ties:
        raise AccessRefused(
            f"purpose {asker.purpose.value} needs a relationship to the patient: {' or '.join(sorted(ties))}"
        )
    granted = tuple(narrowed for each in wanted if (narrowed := _narrow(each, letters)))
    if not granted:
        raise AccessRefused("none of the scopes asked for is given to this role")
    return granted


def _narrow(scope: str, letters: dict[str, str]) -> str:
    """Return the scope confined to the patient and to the letters of the role, "" if nothing is left."""
    asked = parse_scope(scope)
    if asked is None:
        return ""
    allowed = letters.get(asked.type, letters["*"])
    left = "".join(letter for letter in "cruds" if letter in asked.letters and letter in allowed)
    return f"patient/{asked.type}.{left}" if left else ""


def _local(applicant: Applicant, asker: Asker | None, wanted: list[str], issuer: str) -> Caller:
    if applicant.introspects:
        raise AccessRefused(
            "this client asks of the tokens of others (/oauth/introspect), and gets none itself"
        )
    if not applicant.roles:
        raise AccessRefused("people log in through this app (authorization_code); it asks nothing by itself")
    parts = (given(scope, applicant.scopes) for scope in wanted or applicant.scopes)
    granted = tuple(dict.fromkeys(part for found in parts for part in found))
    if not granted:
        raise AccessRefused("none of the scopes asked for is registered for this client")
    if asker is not None:
        return _speaking_for(asker, applicant, _vouched_for(applicant, asker, granted), issuer)
    if Role.APP not in applicant.roles:
        raise AccessRefused("this client speaks for professionals only; say for whom it asks (extensions)")
    return Caller(
        subject=subject_of(applicant.client),
        name=applicant.name,
        role=Role.APP,
        organisation=applicant.name,
        issuer=issuer,
        purpose=Purpose.PUBLIC_HEALTH if Purpose.PUBLIC_HEALTH in applicant.purposes else Purpose.OPERATIONS,
        scopes=granted,
        organisation_id=applicant.organisation_id,
    )


def _vouched_for(applicant: Applicant, asker: Asker, granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes for a person whom a local client states: its registration decides, not its word."""
    if asker.role is Role.CITIZEN or asker.role not in applicant.roles:
        raise AccessRefused(
            f"this client is not registered to speak for a {asker.role.value}; "
            "the node's operator says for whom it may: salus client register --role"
        )
    if asker.purpose not in applicant.purposes:
        raise AccessRefused(f"this client is not registered for purpose {asker.purpose.value}")
    registered = applicant.organisation_id
    if registered and asker.organisation_id not in ("", registered):
        raise AccessRefused(
            f"this client is registered for the organisation {registered}; state that identifier, or none"
        )
    if not asker.patient:
        return granted
    if not is_fhir_id(asker.patient):
        raise AccessRefused("person_id must be the patient's logical id at this node")
    return tuple(f"patient/{scope.partition('/')[2]}" for scope in granted)


def _speaking_for(asker: Asker, applicant: Applicant, scopes: tuple[str, ...], issuer: str) -> Caller:
    return Caller(
        subject=subject_of(applicant.client, asker.subject),
        name=asker.name,
        role=asker.role,
        organisation=asker.organisation,
        issuer=issuer,
        purpose=asker.purpose,
        patient=asker.patient or None,
        scopes=scopes,
        node=applicant.node,
        assurance=asker.assurance,
        cut_off=applicant.cut_off,
        organisation_id=asker.organisation_id or applicant.organisation_id,
    )
