"""What an app is given for the person who logged in through it: scopes, and whom its tokens speak for. Pure.

An app acts with the person's own role, within its scopes: it can do nothing that the person could not. What
it does carries its name beside the person's in the access log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from salus.core.access import Caller, Role
from salus.core.errors import OAuthRefused, SettingsInvalid
from salus.standards.smart.launch import CONTEXT, IDENTITY, LASTING, REDIRECTS_MAX, LaunchRequest, is_redirect
from salus.standards.smart.scopes import parse_scope
from salus.store.federation import Client
from salus.trust.scopes import given, parse_grantable

SCOPES_MAX = 100
PEOPLE = (Role.CITIZEN, Role.PROXY, Role.CLINICIAN, Role.PHARMACIST)
"""Who may log in through an app."""
_OWN_RECORD = (Role.CITIZEN, Role.PROXY)
CONTEXTS = ("patient", "user")


def check_app(app: Client) -> None:
    """Refuse what cannot be registered as an app.

    Raises:
        SettingsInvalid: naming what is wrong.
    """
    wrong = [address for address in app.redirects if not is_redirect(address)]
    if wrong or len(app.redirects) > REDIRECTS_MAX:
        named = wrong[0] if wrong else f"more than {REDIRECTS_MAX} redirect URIs"
        raise SettingsInvalid(
            f"{named}: an app is answered by https, at http://127.0.0.1 or by a scheme as com.example.app"
        )
    if app.launch and not is_redirect(app.launch):
        raise SettingsInvalid(f"{app.launch} is no address at which an app could be opened")
    for scope in app.scopes:
        found = parse_grantable(scope)
        if scope in CONTEXT | IDENTITY | LASTING or (found is not None and found.context in CONTEXTS):
            continue
        raise SettingsInvalid(
            f"{scope} is no scope of an app: it takes patient/..., user/... (a query with r and s only), "
            "openid, fhirUser, launch, launch/patient, offline_access, online_access"
        )


def offered(app: Client, request: LaunchRequest) -> tuple[str, ...]:
    """Return what an app may be given of what it asks for, whoever logs in.

    Raises:
        OAuthRefused: it asks for too much at once, or for nothing that it was registered for.
    """
    if len(request.scopes) > SCOPES_MAX:
        raise OAuthRefused("invalid_scope", f"ask for at most {SCOPES_MAX} scopes")
    found = tuple(dict.fromkeys(part for scope in request.scopes for part in given(scope, app.scopes)))
    if not any(is_data(scope) or scope in IDENTITY for scope in found):
        raise OAuthRefused("invalid_scope", "the app is registered for none of the scopes that it asks for")
    return found


NAMING = frozenset({"fhirUser", "profile"})
"""Scopes by which an app is told who uses it, as a resource."""


def offered_to(
    scopes: Iterable[str], person: Caller, patient: str, *, is_opened: bool, has_resource: bool = False
) -> tuple[str, ...]:
    """Return what of the scopes makes sense for who logged in.

    Args:
        scopes: by `offered`.
        person: who logged in.
        patient: logical id of the patient in context, "" for none.
        is_opened: whether the portal opened the app.
        has_resource: whether the person is a resource of the node's directory; a citizen is a Patient anyway.

    Raises:
        OAuthRefused: a professional must open the app from the patient's page, or nothing is left.
    """
    asked = tuple(scopes)
    own = person.role in _OWN_RECORD
    if not own and not patient and "launch/patient" in asked:
        raise OAuthRefused("invalid_scope", "open the app from the page of the patient in the portal")
    left = tuple(
        scope
        for scope in asked
        if (has_resource and scope in NAMING) or _makes_sense(scope, person, patient, is_opened=is_opened)
    )
    if not any(is_data(scope) or scope == "openid" for scope in left):
        raise OAuthRefused("invalid_scope", "none of the scopes can be given here")
    return left


def _makes_sense(scope: str, person: Caller, patient: str, *, is_opened: bool) -> bool:
    if scope in NAMING:
        return person.role is Role.CITIZEN
    if scope == "offline_access":  # somebody who leaves a hospital leaves its data
        return person.role is Role.CITIZEN
    if scope == "launch":
        return is_opened
    found = parse_scope(scope)
    return found is None or found.context != "patient" or bool(patient)


def is_data(scope: str) -> bool:
    """Return whether a scope is about resources."""
    return parse_scope(scope) is not None


def is_choice(scope: str) -> bool:
    """Return whether the person may leave the scope away: data, and access while they are not there."""
    return is_data(scope) or scope == "offline_access"


def chosen(scopes: Sequence[str], kept: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes without those that the person left away; () when nothing of use is left."""
    wanted = set(kept)
    left = tuple(scope for scope in scopes if not is_choice(scope) or scope in wanted)
    return left if any(is_data(scope) or scope == "openid" for scope in left) else ()


def held_of(scopes: Iterable[str], held: Sequence[str]) -> tuple[str, ...]:
    """Return those of the scopes that are within what was allowed before."""
    return tuple(scope for scope in scopes if given(scope, held) == (scope,))


def speaking_through(app: Client, person: Caller, scopes: tuple[str, ...], patient: str) -> Caller:
    """Return the person as the app speaks for them."""
    return msgspec.structs.replace(
        person,
        name=f"{person.name} ({app.name})",
        scopes=scopes,
        patient=patient or person.patient,
        app=app.id,
        token_id="",
    )
