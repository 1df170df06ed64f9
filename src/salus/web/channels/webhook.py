"""A signed POST to an address that the operator allows (`subscription_targets`): for an app of the person.

The body is a JWS of the node (RFC 7515; key and `kid` as in its JWK Set): iss, iat, jti and aud. A redirect
is no yes.
"""

from __future__ import annotations

import httpx

from salus.core.errors import InvalidSearch, PeerUnavailable
from salus.core.identifiers import new_id
from salus.federation.membership_list import key_id
from salus.standards.jose import compact
from salus.web.channel import Channel, Message
from salus.web.fhir.outbound import pin
from salus.web.fhir.subscribing import check_target
from salus.web.services import Services

ANSWER_SECONDS = 5.0
ADDRESS_MAX = 500
TYPE = "notice+jwt"


def _check(services: Services, address: str) -> str:
    if len(address) > ADDRESS_MAX:
        raise InvalidSearch(f"An address has at most {ADDRESS_MAX} characters.")
    check_target(address, services.subscription_targets)
    return address


async def _send(services: Services, message: Message) -> None:
    check_target(message.address, services.subscription_targets)
    pinned = await pin(message.address, services.resolve, services.private_hosts)
    try:
        async with services.client.stream(
            "POST",
            pinned.url,
            content=signed(services, message.address).encode(),
            headers={"host": pinned.host, "content-type": "application/jwt", "connection": "close"},
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            extensions={"sni_hostname": pinned.server_name},
        ) as answer:
            if not 200 <= answer.status_code < 300:
                raise PeerUnavailable(f"The address answered {answer.status_code}.")
    except httpx.HTTPError as error:
        raise PeerUnavailable(f"The address was not reached ({type(error).__name__}).") from error


def signed(services: Services, address: str) -> str:
    """Return the body of a message to an address: that there is something to read at the node, signed."""
    key = services.keys.federation
    claims = {
        "iss": services.base_url,
        "aud": address,
        "iat": int(services.clock().timestamp()),
        "jti": new_id(),
    }
    return compact.sign(claims, key, kid=key_id(key.as_dict(private=False)), typ=TYPE)


CHANNEL = Channel("webhook", lambda services: bool(services.subscription_targets), _check, _send)
