"""The anchor's offline key: it signs nothing but which keys answer for the anchor, and lies in a safe.

Members pin it, and take from it alone what the anchor says of itself (OpenID Federation 1.0 section 11.2).
Who steals the key that answers day by day is locked out when the operator gives the anchor another with the
offline key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from salus.core.errors import Conflict, SettingsInvalid
from salus.federation.membership_list import key_id, named
from salus.standards.jose.keys import Jwk

ROOT = "root"
"""Member of a JWK of the anchor: this key says which keys are the anchor's; beside it no other does."""


def make_offline_key(path: Path) -> ECKey:
    """Return a new key, written to a file that nobody else may read.

    Raises:
        Conflict: the file is there already.
        SettingsInvalid: it cannot be written.
    """
    key = ECKey.generate_key("P-384", auto_kid=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict(f"{path} is there already; name a file that is not, for the offline key") from error
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(key.as_dict(private=True), file)
    return key


def read_offline_key(path: Path, pins: Sequence[Jwk]) -> ECKey:
    """Return the offline key of the federation whose keys are pinned.

    Raises:
        SettingsInvalid: the file holds no private key, or another one.
    """
    try:
        key = ECKey.import_key(json.loads(path.read_text(encoding="utf-8")))
        kid = key_id(key.as_dict(private=True))
    except (OSError, JoseError, ValueError, KeyError) as error:
        raise SettingsInvalid(
            f"{path} holds no private P-384 key; name the file of the offline key"
        ) from error
    if kid not in {each["kid"] for each in named(pins) if each.get(ROOT)}:
        raise SettingsInvalid(f"{path} holds a key that is not the offline key of this federation")
    return key


def public_keys(keys: Iterable[ECKey], offline: ECKey | None = None) -> list[dict[str, Any]]:
    """Return the public halves of the anchor's keys, the newest first, the offline one marked and last."""
    found: list[dict[str, Any]] = [dict(key.as_dict(private=False)) for key in keys]
    if offline is not None:
        found.append({**offline.as_dict(private=False), ROOT: True})
    return named(found)


def signing(pins: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pinned keys that may sign what the anchor says of itself: the offline one, else all."""
    known = list(pins)
    return [key for key in known if key.get(ROOT)] or known
