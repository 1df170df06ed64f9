"""Where this node asks wallets: by the settings, in a demonstration the test wallets."""

from __future__ import annotations

from salus.web.login.statuses import Statuses
from salus.web.login.verifier import open_verifier
from salus.web.login.wallet import Desk
from salus.web.provider.wallet_face import open_test_desk
from salus.web.services import Services


def open_desk(services: Services) -> Desk | None:
    """Return where wallets are asked, None where the node takes none.

    Raises:
        SettingsInvalid: a file that the settings name cannot be used.
    """
    if services.wallet is not None:
        statuses = Statuses(services.client, services.limits, services.clock)
        return Desk(services, open_verifier(services.wallet, services.data), statuses)
    return open_test_desk(services) if services.demo else None
