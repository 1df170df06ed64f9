"""What a local client may see today, for what it began earlier: its registration may have changed since."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from salus.core.access import Caller
from salus.core.errors import AccessRefused
from salus.store.federation import find_client
from salus.store.postgres import Database


async def as_registered(database: Database, caller: Caller) -> Caller:
    """Return a client's caller, or a professional's who came through one, within its registration of today.

    Who logged in here has no scopes and comes back unchanged, as does who comes through another node.

    Raises:
        AccessRefused: the client was switched off, or is registered for none of the caller's scopes any more.
    """
    if not caller.scopes or caller.node is not None:
        return caller
    client = await find_client(database, _client_of(caller.subject))
    if client is None:
        raise AccessRefused("The system that asked for this was switched off.")
    registered = frozenset(client.scopes)
    scopes = tuple(scope for scope in caller.scopes if {scope, _of_system(scope)} & registered)
    if not scopes:
        raise AccessRefused("The system that asked for this is not registered for it any more.")
    return msgspec.structs.replace(caller, scopes=scopes)


def _client_of(subject: str) -> str:
    """Return the client id of a subject (`federation.clients.subject_of`)."""
    return unquote(subject.partition("/")[0])


def _of_system(scope: str) -> str:
    """Return the scope that was registered where a token has it for one patient."""
    return f"system/{scope.partition('/')[2]}"
