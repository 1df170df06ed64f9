"""The logins of the node's database: as whom it is served, what that login may become, and who else gets in.

PostgreSQL names logins and roles alike. The owner's login brings the schema up to date and loads by COPY; a
node is served as two others, which own nothing: one for each of the roles that row-level security is written
for (schema 0001). So whoever takes hold of a serving node's connection stays behind the wall, in its class.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

import asyncpg
import msgspec

from salus.core.errors import SettingsInvalid
from salus.store.pool import Connection

ROLES = ("salus_wide", "salus_bound")
LOGINS = {"salus_wide": "salus_app", "salus_bound": "salus_app_bound"}
"""The login that the node makes for each role; it becomes that one only."""

_SCRAM_ROUNDS = 4096  # PostgreSQL's own
_SALT_BYTES = 16

_BY_HAND = (
    "As a login that may make roles, run: CREATE ROLE {wide} LOGIN NOINHERIT PASSWORD '...'; "
    "GRANT salus_wide TO {wide}; REVOKE salus_bound FROM {wide}; "
    "CREATE ROLE {bound} LOGIN NOINHERIT PASSWORD '...'; "
    "GRANT salus_bound TO {bound}; REVOKE salus_wide FROM {bound}; and name both in the node's settings: "
    'database_app = "postgresql://{wide}:...@HOST/DATABASE", '
    'database_app_bound = "postgresql://{bound}:...@HOST/DATABASE" (docs/settings.md).'
)

_MADE = "SELECT FROM pg_roles WHERE rolname = $1"
_LACKING = "SELECT role FROM unnest($2::text[]) AS role WHERE NOT pg_has_role($1, role, 'MEMBER')"
_BEYOND = """
SELECT DISTINCT granted.rolname FROM pg_auth_members m
JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
WHERE member.rolname = $1 AND granted.rolname = ANY ($2)
"""
_TEMPORARY = """
SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database())
WHERE has_database_privilege('salus_wide', current_database(), 'TEMPORARY')
"""
# What a connection of the login that was taken over may have left behind for the ones that follow.
_LEFT_BEHIND = """
SELECT CASE setdatabase WHEN 0 THEN format('ALTER ROLE %I RESET ALL', $1::text)
    ELSE format('ALTER ROLE %I IN DATABASE %I RESET ALL', $1::text, datname) END
FROM pg_db_role_setting LEFT JOIN pg_database ON pg_database.oid = setdatabase
WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)
"""

_TOO_STRONG = """
WITH mine AS (SELECT * FROM pg_roles WHERE rolname = session_user),
reached AS (SELECT oid FROM pg_roles WHERE rolname = ANY ($1::text[]) OR rolname = session_user)
SELECT 'it is a superuser' FROM mine WHERE rolsuper
UNION ALL SELECT 'it passes row-level security (BYPASSRLS)' FROM mine WHERE rolbypassrls
UNION ALL SELECT 'it may make roles (CREATEROLE)' FROM mine WHERE rolcreaterole
UNION ALL SELECT 'it may make databases (CREATEDB)' FROM mine WHERE rolcreatedb
UNION ALL SELECT 'it may copy the whole server (REPLICATION)' FROM mine WHERE rolreplication
UNION ALL SELECT 'it has the rights of its roles without taking one (INHERIT)' FROM mine WHERE rolinherit
UNION ALL SELECT 'it may become ' || rolname FROM pg_roles
    WHERE NOT (SELECT rolsuper FROM mine) AND pg_has_role(session_user, oid, 'MEMBER')
    AND oid NOT IN (SELECT oid FROM reached)
UNION ALL (SELECT 'it owns ' || relname FROM pg_class WHERE relowner IN (SELECT oid FROM reached)
    AND relpersistence <> 't' LIMIT 1)
UNION ALL (SELECT 'it owns ' || proname FROM pg_proc WHERE proowner IN (SELECT oid FROM reached) LIMIT 1)
UNION ALL SELECT 'it owns the database' FROM pg_database
    WHERE datname = current_database() AND datdba IN (SELECT oid FROM reached)
UNION ALL SELECT 'it may make schemas in the database'
    WHERE EXISTS (SELECT FROM reached WHERE has_database_privilege(oid, current_database(), 'CREATE'))
UNION ALL SELECT 'it may make tables and functions in the schema ' || nspname FROM pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp_'
    AND EXISTS (SELECT FROM reached WHERE has_schema_privilege(reached.oid, pg_namespace.oid, 'CREATE'))
"""

_STRANGERS = """
WITH owner AS (SELECT relowner AS oid FROM pg_class WHERE oid = 'public.resource'::regclass),
guarded AS (
    SELECT oid, rolname FROM pg_roles
    WHERE oid = (SELECT oid FROM owner) OR rolname = ANY ($1::text[] || $2::text[] || ARRAY[
        'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
        'pg_execute_server_program'])
),
own AS (SELECT * FROM unnest($1::text[], $2::text[]) AS own (role, login)),
others AS (
    SELECT * FROM pg_roles
    WHERE oid <> (SELECT oid FROM owner) AND rolname <> ALL ($1 || $3::text[]) AND rolname !~ '^pg_'
),
reasons AS (
    SELECT rolname, 1 AS place, 'is a superuser' AS why FROM others WHERE rolsuper
    UNION ALL SELECT rolname, 2, 'passes row-level security' FROM others WHERE rolbypassrls AND NOT rolsuper
    UNION ALL SELECT rolname, 3, 'may copy the whole server' FROM others WHERE rolreplication AND NOT rolsuper
    UNION ALL SELECT others.rolname, 4, 'may become ' || guarded.rolname FROM others, guarded
        WHERE NOT others.rolsuper AND others.oid <> guarded.oid
        AND pg_has_role(others.oid, guarded.oid, 'MEMBER')
        AND (guarded.rolname, others.rolname) NOT IN (SELECT role, login FROM own)
    UNION ALL SELECT rolname, 5, 'has rights of its own on the node''s tables' FROM others
        WHERE NOT rolsuper AND EXISTS (
            SELECT FROM pg_class, aclexplode(relacl) AS given
            WHERE relnamespace = 'public'::regnamespace AND given.grantee = others.oid)
)
SELECT rolname AS name, array_agg(why ORDER BY place, why) AS why
FROM reasons GROUP BY rolname ORDER BY rolname
"""


class Stranger(msgspec.Struct, frozen=True):
    """A login or role of the server that reaches the node's data and that the node does not know.

    Args:
        name: as PostgreSQL has it.
        why: what it may do, in words.
    """

    name: str
    why: tuple[str, ...]


def application_url(owner: str, password: str = "", role: str = "salus_wide") -> str:
    """Return the URL of the same database for the login that serves in a role, from the owner's."""
    parts = urlsplit(owner)
    place = parts.netloc.rpartition("@")[2]
    who = LOGINS[role] + (f":{quote(password, safe='')}" if password else "")
    named = ("user=", "password=")
    query = "&".join(each for each in parts.query.split("&") if not each.startswith(named))
    return urlunsplit(parts._replace(netloc=f"{who}@{place}", query=query))


def login_of(url: str) -> str:
    """Return as whom a URL logs in."""
    named = dict(parse_qsl(urlsplit(url).query))
    return unquote(urlsplit(url).username or "") or named.get("user", "")


def by_hand(logins: Mapping[str, str]) -> str:
    """Return what an operator runs to make these logins, by role."""
    return _BY_HAND.format(wide=logins["salus_wide"], bound=logins["salus_bound"])


async def make_logins(owner: Connection, password: str) -> None:
    """Make the logins that serve, as the owner, or mend what they lack or have beyond their role.

    Raises:
        SettingsInvalid: the owner may not; the message says what to run.
    """
    try:
        for role, login in LOGINS.items():
            if await owner.fetchrow(_MADE, login) is None:
                await _create(owner, login, password)
            for _ in await owner.fetch(_LACKING, login, [role]):
                await owner.execute(f"GRANT {role} TO {login}")
            for (beyond,) in await owner.fetch(_BEYOND, login, [each for each in ROLES if each != role]):
                await owner.execute(f"REVOKE {beyond} FROM {login}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsInvalid(
            "A node is served as logins of its own, which the database's owner may not make. "
            f"{by_hand(LOGINS)}"
        ) from error
    for login in LOGINS.values():
        for (statement,) in await owner.fetch(_LEFT_BEHIND, login):
            await owner.execute(statement)


async def close_temporary(owner: Connection) -> None:
    """Take from everybody the right to make temporary tables, which nothing here needs."""
    for (statement,) in await owner.fetch(_TEMPORARY):
        await owner.execute(statement)


async def check_login(application: Connection, role: str, logins: Mapping[str, str]) -> None:
    """Look at what the login of this connection may do.

    Args:
        application: the connection.
        role: the one that the login is to become.
        logins: that of each role, for what the operator is told to run.

    Raises:
        SettingsInvalid: more than serving a node in that role takes, or not that.
    """
    found = [row[0] for row in await application.fetch(_TOO_STRONG, [role])]
    login = await application.fetchval("SELECT session_user")
    if found:
        raise SettingsInvalid(
            f"The database login {login} may do more than serving a node as {role} takes: "
            f"{'; '.join(found)}. {by_hand(logins)}"
        )
    if await application.fetch(_LACKING, login, [role]):
        raise SettingsInvalid(f"The database login {login} may not become {role}. {by_hand(logins)}")


async def strangers(
    connection: Connection, own: Mapping[str, str] = LOGINS, known: tuple[str, ...] = ()
) -> list[Stranger]:
    """Return who else gets at the node's data, by name: superusers, and who may become a role of the node's.

    A login of the node that may do more than its role is among them.

    Args:
        connection: of a login that serves, in any role.
        own: the login that serves in each role.
        known: names that the operator answers for.
    """
    rows = await connection.fetch(_STRANGERS, list(own), list(own.values()), list(known))
    return [Stranger(row["name"], tuple(row["why"])) for row in rows]


async def _create(owner: Connection, login: str, password: str) -> None:
    secret = f" PASSWORD '{scram_verifier(password)}'" if password else ""
    try:
        await owner.execute(f"CREATE ROLE {login} LOGIN NOINHERIT{secret}")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # another process of the node made it meanwhile


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return what PostgreSQL keeps of a password (RFC 5803), so that no log of statements holds it.

    Args:
        password: ASCII, for which SASLprep changes nothing.
        salt: 16 random bytes unless given.
    """
    assert password.isascii()
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    kept, shown, checked = (b64encode(each).decode("ascii") for each in (salt, stored, server))
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{kept}${shown}:{checked}"
