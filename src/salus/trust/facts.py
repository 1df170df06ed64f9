"""What a decision needs to know besides caller and request, read before it by whoever holds it.

The defaults are what is true of an ordinary request: the tie that the caller's role is about is there, the
citizen has said nothing, nothing is restricted.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Relationship(StrEnum):
    """What ties the caller to the person, at the time of asking.

    OWN is the tie that the role is about: the citizen themselves, the professional who treats, the proxy
    whose power is in force, the app that was allowed, the researcher named in a permit or a study. TEAM and
    ROTA tie a professional by the care team or the on-call rota; STATED by nothing but their own word.
    """

    OWN = "own"
    TEAM = "team"
    ROTA = "rota"
    STATED = "stated"
    NONE = "none"
    NOT_YET = "not-yet"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


TIED = frozenset({Relationship.OWN, Relationship.TEAM, Relationship.ROTA, Relationship.STATED})


class Voice(StrEnum):
    """What the citizen's Consents say of a request: NONE if there are none, SILENT if none is about it."""

    NONE = "none"
    SILENT = "silent"
    PERMIT = "permit"
    DENY = "deny"


class Restriction(StrEnum):
    """What a citizen has restricted (EHDS article 8), seen from what is asked."""

    NONE = "none"
    ELSEWHERE = "elsewhere"
    REACHES = "reaches"


class Environment(StrEnum):
    """Where a data user works with person-level data (EHDS article 73)."""

    SECURE = "secure"
    OUTSIDE = "outside"


class Facts(msgspec.Struct, frozen=True):
    """What is known about one request.

    Args:
        relationship: what ties the caller to the person.
        is_proven: whether that tie was proven (wallet, one-time code, document number), not only stated.
        has_session: whether the log-in behind the request still holds.
        voice: what the citizen's Consents say (`salus.trust.consent`).
        restriction: what article 8 hides of what is asked.
        emergency_reason: why the emergency way was taken, "" if no reason was given; None without emergency.
        is_opted_out_of_exchange: article 10.
        is_opted_out_of_secondary_use: article 71, unless overridden under 71(4) or later than the permit.
        mandate: resource types that a proxy's power, an app's permission or a permit covers; None for all.
        has_permit: whether a data permit (article 68) covers the request's data user.
        environment: where a data user works.
        is_output_checked: whether a result passed the check before it leaves (article 73).
        is_own_entry: whether what is written names the caller as its author.
        wants_results_now: whether the person chose to see results that the law delays; decides nothing, but
            from whom the store hides them (`trust.audiences`).
        has_died: whether the person whose log-in it is has died.
        is_veiled_whole: whether an opt-out of exchange hides the whole record in the database; decides
            nothing, and is marked in the leaf.
        is_assisting: whether staff at a desk help all whom the request is about, in a session that is open.
        in_care: the patients whom the decision may open to a professional, where the node asks for a
            treatment relationship (`salus.trust.care`); None for all.
    """

    relationship: Relationship = Relationship.OWN
    is_proven: bool = True
    has_session: bool = True
    voice: Voice = Voice.NONE
    restriction: Restriction = Restriction.NONE
    emergency_reason: str | None = None
    is_opted_out_of_exchange: bool = False
    is_opted_out_of_secondary_use: bool = False
    mandate: frozenset[str] | None = None
    has_permit: bool = False
    environment: Environment = Environment.SECURE
    is_output_checked: bool = False
    is_own_entry: bool = True
    wants_results_now: bool = False
    has_died: bool = False
    is_veiled_whole: bool = False
    is_assisting: bool = True
    in_care: frozenset[str] | None = None


ORDINARY = Facts()
