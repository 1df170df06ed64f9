"""That a database and a key store belong together: the database knows the id of its own."""

from __future__ import annotations

from salus.core.errors import SettingsInvalid
from salus.store.keystore import KeyStore
from salus.store.pool import Connection

_KNOW = "INSERT INTO key_store (id) VALUES ($1) ON CONFLICT DO NOTHING"


async def require_own(connection: Connection, keys: KeyStore) -> None:
    """Note the key store in a database that knows none.

    Raises:
        SettingsInvalid: the database was written with another one.
    """
    own = keys.identity()
    known = await connection.fetchval("SELECT id FROM key_store")
    if known is None:
        await connection.execute(_KNOW, own)
        known = await connection.fetchval("SELECT id FROM key_store")
    if known != own:
        raise SettingsInvalid(
            f"The key store {keys.folder} is not the one that this database was written with, and opens "
            f"nothing in "
            "it. Restore the newest backup of the key store there, or set key_store to where it is; "
            "move an empty "
            "one that a start has made out of the way."
        )
