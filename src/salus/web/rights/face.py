"""The door of rights: the addresses of every module of this folder."""

from __future__ import annotations

from salus.web.rights import (
    archive,
    assisted,
    choices,
    complaints,
    erasures,
    links,
    recipients,
    rectifications,
    results,
    told_abroad,
)
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, token_door

ADDRESSES: Addresses = {
    "/rights/assisted": {"POST": assisted.handle_begin, "DELETE": assisted.handle_end},
    "/rights/archive": {"GET": archive.handle},
    "/rights/links": {"GET": links.handle_list, "POST": links.handle_make},
    "/rights/links/{id}": {"DELETE": links.handle_end},
    "/rights/rectifications": {"GET": rectifications.handle_own, "POST": rectifications.handle_ask},
    "/rights/requests": {"GET": rectifications.handle_list},
    "/rights/requests/{id}/answer": {"POST": rectifications.handle_answer},
    "/rights/erasures": {"GET": erasures.handle_own, "POST": erasures.handle_ask},
    "/rights/erasure-requests": {"GET": erasures.handle_list},
    "/rights/erasure-requests/{id}/answer": {"POST": erasures.handle_answer},
    "/rights/erasure-recipients": {"GET": erasures.handle_recipients, "POST": erasures.handle_told},
    "/rights/told-abroad": {"GET": told_abroad.handle_own},
    "/rights/peer-notices": {"GET": told_abroad.handle_sent},
    "/rights/peer-notices-received": {"GET": told_abroad.handle_received},
    "/rights/recipients": {"GET": recipients.handle_recipients},
    "/rights/complaint": {"GET": recipients.handle_complaint, "POST": complaints.handle_complain},
    "/rights/complaints": {"GET": complaints.handle_own},
    "/rights/complaints/{number}/evidence": {"GET": complaints.handle_evidence},
    "/rights/complaint-list": {"GET": complaints.handle_list},
    "/rights/results-release": {"POST": results.handle},
    **choices.ADDRESSES,
}


def face(services: Services) -> Face:
    """Return the door of rights."""
    return token_door(services, (choices.PREFIX,), ADDRESSES, takes_bound=True)
