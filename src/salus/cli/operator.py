"""Who works at the command line: an operator of the node, named as the operating system names them."""

from __future__ import annotations

import getpass

from salus.core.access import Caller, Purpose, Role
from salus.web.services import Services


def operator_of(services: Services) -> Caller:
    """Return the caller for commands: whoever may read the node's keys is its operator."""
    user = getpass.getuser()
    return Caller(
        subject=f"os-user:{user}",
        name=f"{user} (command line)",
        role=Role.OPERATOR,
        organisation=services.name,
        issuer=services.base_url,
        purpose=Purpose.OPERATIONS,
    )
