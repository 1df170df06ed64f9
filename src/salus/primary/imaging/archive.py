"""Archives of pictures that an operator names (`[[imaging]]`), and the node's credentials there."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from salus.core.addresses import is_callable_address
from salus.core.errors import SettingsInvalid
from salus.trust.keys import read_private

ARCHIVES_MAX = 16
"""Most archives of a node: a study that names none is asked for at each."""


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A DICOMweb server (PS3.18) and how the node asks it.

    Args:
        name: short, of lower-case letters, digits and hyphens; it is in addresses, logs and messages.
        base_url: where QIDO-RS and WADO-RS begin; nothing outside is ever asked.
        organisation: whose archive it is, for people.
        patient_system: system of the FHIR identifiers that the archive has as PatientID (0010,0020).
        issuer: what IssuerOfPatientID (0010,0021) must be where the archive states one; "" for any.
        user: to log in with (HTTP Basic), with `password_file`.
        password_file: of the password, in the node's folder or an absolute path; mode 0600.
        token_file: of a bearer token, instead of user and password; mode 0600.
        authorities_file: certificates (PEM) that vouch for the server; "" for those of the system.
    """

    name: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="lower-case letters, digits and hyphens"
        ),
    ]
    base_url: str
    organisation: str
    patient_system: str
    issuer: str = ""
    user: str = ""
    password_file: str = ""
    token_file: str = ""
    authorities_file: str = ""


def check_archives(archives: Sequence[Archive]) -> None:
    """Check what the types do not say.

    Raises:
        SettingsInvalid: naming the archive and what is allowed.
    """
    if len(archives) > ARCHIVES_MAX:
        raise SettingsInvalid(f"imaging: {len(archives)} archives are not allowed; {ARCHIVES_MAX} are")
    for each in archives:
        where = f"imaging {each.name}"
        if not is_callable_address(each.base_url):
            raise SettingsInvalid(
                f"{where}: base_url: is an https address without final slash, or http on this machine"
            )
        if bool(each.user) != bool(each.password_file):
            raise SettingsInvalid(f"{where}: user and password_file: give both, or none")
        if each.user and each.token_file:
            raise SettingsInvalid(f"{where}: token_file: is instead of user; leave one away")
        if not each.patient_system:
            raise SettingsInvalid(f"{where}: patient_system: name the system of the numbers that it knows")
    if len({each.name for each in archives}) < len(archives):
        raise SettingsInvalid("imaging: two archives have the same name")


def authorization_of(archive: Archive, data: Path) -> str:
    """Return the Authorization header, "" for an archive that asks for none.

    Raises:
        SettingsInvalid: a file cannot be read, or others can read it.
    """
    if archive.token_file:
        return f"Bearer {_secret(data / archive.token_file)}"
    if archive.user:
        pair = f"{archive.user}:{_secret(data / archive.password_file)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""


def _secret(path: Path) -> str:
    found = read_private(path).decode("utf-8", errors="replace").strip()
    if not found.isprintable():
        raise SettingsInvalid(f"{path} holds more than one line; put the secret alone into it.")
    return found
