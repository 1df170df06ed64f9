"""The providers that people may log in with: those of the settings, in a demonstration the embedded one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import httpx
import msgspec

from salus.standards.jose import compact
from salus.trust.login.provider import Provider
from salus.web.login.relying import RelyingParty, secret_of
from salus.web.provider.face import application as embedded_application
from salus.web.provider.terms import embedded
from salus.web.services import Services

Parties = Mapping[str, RelyingParty]


def parties_of(services: Services) -> Parties:
    """Return this node as the relying party of each provider, by the provider's id, in their order.

    Raises:
        SettingsInvalid: a secret cannot be read.
    """
    found = {each.id: _party(services, each, services.client) for each in services.logins}
    if services.demo:
        provider = embedded(services.base_url)
        # The node itself, without a way over the network that a single worker might not answer.
        inside = httpx.AsyncClient(transport=httpx.ASGITransport(embedded_application(services)))
        found[provider.id] = _party(services, provider, inside)
    return found


def _party(services: Services, provider: Provider, client: httpx.AsyncClient) -> RelyingParty:
    key = services.keys.federation
    return RelyingParty(
        provider,
        client,
        limits=services.limits,
        clock=services.clock,
        sign=partial(compact.sign, key=key, kid=key.kid or ""),
        secret=secret_of(provider, services.data),
    )


def redirect_uri(services: Services, provider: str) -> str:
    """Return where a provider sends browsers back: an address of its own, so none is taken for another."""
    return f"{services.base_url}/login/back/{provider}"


class Offered(msgspec.Struct, frozen=True):
    """A provider as a page offers it."""

    id: str
    name: str
    vouches_for_work: bool


def offered(parties: Parties) -> list[Offered]:
    """Return what the log-in page offers."""
    providers = [party.provider for party in parties.values()]
    return [Offered(each.id, each.name, each.professional is not None) for each in providers]
