"""Who works at the command line: one who runs the node, named as the operating system names them."""

from __future__ import annotations

import getpass

from salus.core.access import Caller, Purpose, Role
from salus.web.services import Services


def operator_of(services: Services) -> Caller:
    """Return the caller for commands: whoever may read the node's keys is its operator."""
    return _at_the_command_line(services, Role.OPERATOR)


def auditor_of(services: Services) -> Caller:
    """Return the caller for commands on the audit: whoever may read the node's keys may read that too."""
    return _at_the_command_line(services, Role.AUDITOR)


def access_body_of(services: Services) -> Caller:
    """Return the caller for data permits: whoever runs the node enters what its access body decided."""
    return _at_the_command_line(services, Role.ACCESS_BODY)


def _at_the_command_line(services: Services, role: Role) -> Caller:
    user = getpass.getuser()
    return Caller(
        subject=f"os-user:{user}",
        name=f"{user} (command line)",
        role=role,
        organisation=services.name,
        issuer=services.base_url,
        purpose=Purpose.OPERATIONS,
    )
