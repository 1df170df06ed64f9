"""Where the node hands in its mail: settings, and what an address must look like. TLS always (RFC 8314)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from salus.core.errors import InvalidSearch, SettingsInvalid
from salus.trust.keys import read_private

ADDRESS_MAX = 254
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server that takes the node's mail (submission, RFC 6409).

    Args:
        host, port: of the server.
        sender: the address that messages come from, and that says nothing of health where it can be avoided.
        tls: implicit from the first byte, or by STARTTLS. Never without.
        user: to log in with; "" without.
        password_file: of the password, in the node's folder or an absolute path; mode 0600.
        authorities_file: certificates (PEM) that vouch for the server; "" for those of the system.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="a port from 1 to 65535")] = 465
    sender: str
    tls: Literal["implicit", "starttls"] = "implicit"
    user: str = ""
    password_file: str = ""
    authorities_file: str = ""


def check_address(address: str) -> str:
    """Return a mail address.

    Raises:
        InvalidSearch: it is none (RFC 5321 without quoted and international local parts).
    """
    if len(address) > ADDRESS_MAX or not _ADDRESS.fullmatch(address):
        raise InvalidSearch("Give a mail address such as name@example.org.")
    return address


def check_mail(mail: Mail | None) -> None:
    """Check what the type does not say.

    Raises:
        SettingsInvalid: an address that is none, or a user without a password.
    """
    if mail is None:
        return
    try:
        check_address(mail.sender)
    except InvalidSearch as error:
        raise SettingsInvalid(f"mail.sender: {error.message}") from error
    if bool(mail.user) != bool(mail.password_file):
        raise SettingsInvalid("mail.user and mail.password_file: give both, or none")


def password_of(mail: Mail, data: Path) -> str:
    """Return the password.

    Raises:
        SettingsInvalid: its file cannot be read, or others can read it.
    """
    return read_private(data / mail.password_file).decode("utf-8").strip()
