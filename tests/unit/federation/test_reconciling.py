"""Accesses of both nodes are compared by who, for what and when; a request is good once, for one node."""

from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from salus.core.access import Leaf, Outcome
from salus.core.errors import AccessRefused, MalformedContent, NotAuthenticated
from salus.federation.membership_list import Member, key_id
from salus.federation.reconciling import TYPE, Answer, Told, compare, read_request
from salus.standards.jose import compact

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
KEY, OTHER = ECKey.generate_key("P-384"), ECKey.generate_key("P-384")
ADDRESS = "https://ee-1.test/ledger/reconcile"


def leaf(name="Mari Tamm", minutes=0, action="read", outcome=Outcome.SERVED, purpose="TREAT", asked=""):
    at = NOW + timedelta(minutes=minutes)
    return Leaf(
        at=at, request="r", patient="ana", subject="s", name=name, role="clinician", organisation="Tartu",
        node="ee-1", purpose=purpose, action=action, what="x", resources=1, outcome=outcome, rule="r",
        asked=asked,
    )  # fmt: skip


def told(name="Mari Tamm", minutes=0, action="read", purpose="TREAT", request="", outcome=Outcome.SERVED):
    return Told(NOW + timedelta(minutes=minutes), name, "Tartu", purpose, action, request, outcome)


CASES = {
    "the same": ([leaf()], [told(minutes=1)], (1, 0, 0)),
    "several calls for one access": ([leaf(), leaf(minutes=1)], [told()], (2, 0, 0)),
    "nothing there": ([leaf()], [], (0, 1, 0)),
    "nothing here": ([], [told()], (0, 0, 1)),
    "another person": ([leaf()], [told("Jaan Kask")], (0, 1, 1)),
    "another purpose": ([leaf()], [told(purpose="ETREAT")], (0, 1, 1)),
    "another day": ([leaf()], [told(minutes=26 * 60)], (0, 1, 1)),
    "a read at another hour": ([leaf()], [told(minutes=90)], (0, 1, 1)),
    "a dispensation handed over later": (
        [leaf(action="create", minutes=300)], [told(action="create")], (1, 0, 0),
    ),
    "the same by its id": ([leaf(asked="a")], [told(request="a")], (1, 0, 0)),
    "several calls of one request": ([leaf(asked="a"), leaf(asked="a")], [told(request="a")], (2, 0, 0)),
    "another request of the same minute": ([leaf(asked="a")], [told(request="b")], (0, 1, 1)),
    "one of two": ([leaf(asked="a"), leaf(asked="b")], [told(request="b")], (1, 1, 0)),
    "an id used again by another person": ([leaf("Jaan Kask", asked="a")], [told(request="a")], (0, 1, 1)),
    "an id used again for another purpose": (
        [leaf(asked="a", purpose="ETREAT")], [told(request="a")], (0, 1, 1),
    ),
    "an id used again the next day": ([leaf(asked="a", minutes=26 * 60)], [told(request="a")], (0, 1, 1)),
    "served here, and lost on the way": (
        [leaf(asked="a")], [told(request="a", outcome=Outcome.FAILED)], (1, 0, 0),
    ),
    "failed there, nothing here": ([], [told(request="a", outcome=Outcome.FAILED)], (0, 0, 0)),
    "an older release here": ([leaf()], [told(request="a")], (1, 0, 0)),
    "an older release there": ([leaf(asked="a")], [told()], (1, 0, 0)),
    "refused here, so nothing served": ([leaf(outcome=Outcome.REFUSED)], [], (0, 0, 0)),
    "refused here, which they noted as done": ([leaf(outcome=Outcome.REFUSED)], [told()], (0, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_sides_are_compared(case):
    here, there, (agreed, only_here, only_there) = case
    found = compare("ee-1", here, Answer(there))
    assert (found.agreed, len(found.only_here), len(found.only_there)) == (agreed, only_here, only_there)
    assert found.is_agreed is not (only_here or only_there)


def test_what_is_older_than_the_answer_reaches_is_not_held_against_it():
    found = compare("ee-1", [leaf(minutes=-9_000), leaf()], Answer([told()], more=True))
    assert found.is_agreed


class Members:
    """A membership of which pt-1 is the only member."""

    def admitted(self, node, now):
        if node != "pt-1":
            raise AccessRefused("no member")
        public = {name: KEY.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        kid = key_id(KEY.as_dict(private=False))
        return Member("pt-1", "PT", "Portugal", "https://pt-1.test", [public | {"kid": kid}], NOW)


def signed(key=KEY, typ=TYPE, **changes):
    claims = {
        "iss": "pt-1", "aud": ADDRESS, "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60,
        "jti": "j-1", "patient": "ana",
    }  # fmt: skip
    return compact.sign(claims | changes, key, kid=key_id(KEY.as_dict(private=False)), typ=typ)


async def read(database, token, now=NOW):
    return await read_request(token, Members(), database, audience=ADDRESS, now=now)


async def test_a_request_is_good_once(database):
    token = signed()
    assert (await read(database, token)).patient == "ana"
    with pytest.raises(NotAuthenticated, match="used before"):
        await read(database, token)


SECONDS = int(NOW.timestamp())
REFUSED = {
    "by another key": (signed(OTHER), NotAuthenticated),
    "for another node": (signed(aud="https://fr-1.test/ledger/reconcile"), NotAuthenticated),
    "of another kind": (signed(typ="JWT"), NotAuthenticated),
    "by no member": (signed(iss="xx-1"), AccessRefused),
    "too old": (signed(iat=SECONDS - 900, exp=SECONDS - 840), NotAuthenticated),
    "of the future": (signed(iat=SECONDS + 900, exp=SECONDS + 960), NotAuthenticated),
    "good for too long": (signed(exp=SECONDS + 86_400), NotAuthenticated),
    "without an id": (signed(jti=""), NotAuthenticated),
    "about no patient": (signed(patient="a b"), MalformedContent),
    "no token": ("x", NotAuthenticated),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_a_request_is_refused(database, case):
    token, error = case
    with pytest.raises(error):
        await read(database, token)
