"""What a node believes of another: a chain to the anchor that it pinned, and nothing that looks like one."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey

from salus.core.access import Purpose
from salus.core.errors import AccessRefused, NotAuthenticated
from salus.federation.authority import (
    STATEMENT_SECONDS,
    Authority,
    configuration,
    mark_for,
    statement_about,
)
from salus.federation.chains import EMERGENCY_SECONDS, Chains, Contact, Vouched
from salus.federation.entity import member_mark, metadata_of, node_configuration
from salus.federation.membership import Membership, install_list
from salus.federation.membership_list import Member, MembershipList, key_id, sign_list
from salus.standards.jose.compact import unverified
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX
from salus.standards.openid_federation.statement import sign_statement
from salus.standards.openid_federation.trust_mark import sign_trust_mark

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
AT = NOW.timestamp()
YEAR = NOW + timedelta(days=365)
ANCHOR = "https://pt.example/federation/anchor"
KEYS = {name: ECKey.generate_key("P-384") for name in ("anchor", "stranger", "ee-1", "pt-1")}


def public(name):
    found = KEYS[name].as_dict(private=False)
    return {part: found[part] for part in ("kty", "crv", "x", "y")} | {"kid": key_id(found)}


def member(name):
    return Member(name, name[:2].upper(), f"Node {name}", f"https://{name}.example", [public(name)], YEAR)


EE, PT = member("ee-1"), member("pt-1")
REGISTER = MembershipList("demo", 1, NOW, YEAR, (EE, PT), ANCHOR)
TRUE = Authority(REGISTER, (KEYS["anchor"],))
MARK = mark_for(TRUE, EE.base_url, now=NOW)


def own(*, now=NOW, marks=(MARK,), key="ee-1", node=EE, **changes):
    token = node_configuration(node, KEYS[key], anchor=ANCHOR, marks=marks, now=now)
    return signed(unverified(token, size_max=100_000).claims | changes, key) if changes else token


def signed(claims, key):
    return sign_statement(claims, KEYS[key], kid=public(key)["kid"])


def about(*, authority=TRUE, node=EE, now=NOW, key=None, **changes):
    token = statement_about(authority, node.base_url, now=now)
    if key is None and not changes:
        return token
    return signed(unverified(token, size_max=100_000).claims | changes, key or "anchor")


def top(authority=TRUE, now=NOW):
    return configuration(authority, now=now)


class Body(httpx.AsyncByteStream):
    def __init__(self, content):
        self.content = content

    async def __aiter__(self):
        yield self.content


class Web:
    """The addresses that answer; all else cannot be reached. It counts what it is asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    def __call__(self, request):
        address = str(request.url).partition("?")[0]
        self.asked.append(address)
        found = self.answers.get(address)
        if found is None:
            raise httpx.ConnectError("nobody")
        status, headers, body = found if isinstance(found, tuple) else (200, {}, found)
        return httpx.Response(status, headers=headers, stream=Body(body.encode()))

    def tell_all(self, now=NOW, subjects=(EE.base_url, PT.base_url)):
        self.answers = {
            f"{ANCHOR}/.well-known/openid-federation": top(now=now),
            f"{ANCHOR}/fetch": about(now=now),
            f"{ANCHOR}/list": msgspec.json.encode(list(subjects)).decode(),
            f"{EE.base_url}/.well-known/openid-federation": own(now=now),
        }


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def world(tmp_path):
    install_list(tmp_path, sign_list(REGISTER, KEYS["anchor"]), anchor=public("anchor"))
    web, clock = Web(), Clock()
    client = httpx.AsyncClient(transport=httpx.MockTransport(web))
    return Chains(tmp_path, Membership(tmp_path), client, clock, skew_seconds=60), web, clock


def test_a_chain_to_the_pinned_anchor_holds_for_a_quarter_of_an_hour(world):
    chains, _, _ = world
    held = chains.keep(EE, (own(), about(), top()), fetched_at=AT)
    assert held.member == EE
    assert held.chain.superiors == (ANCHOR,)
    assert held.chain.expires_at == AT + LIFE_SECONDS_MAX
    assert [chains.standing("ee-1", AT + s) for s in (0, 899, 900, 900 + EMERGENCY_SECONDS)] == [
        Vouched.LIVE,
        Vouched.LIVE,
        Vouched.CUT_OFF,
        Vouched.NONE,
    ]


def test_what_a_member_says_of_itself_is_bounded_by_what_the_anchor_says_of_it(world):
    chains, _, _ = world
    boast = metadata_of(EE)
    boast["oauth_authorization_server"]["token_endpoint"] = "https://evil.example/token"
    boast["oauth_client"]["dpop_bound_access_tokens"] = False
    boast["federation_trust_anchor"] = {"x": "y"}
    held = chains.keep(EE, (own(metadata=boast), about(), top()), fetched_at=AT)
    assert held.chain.metadata["oauth_authorization_server"]["token_endpoint"] == EE.token_endpoint
    assert held.chain.metadata["oauth_client"]["dpop_bound_access_tokens"] is True
    assert "federation_trust_anchor" not in held.chain.metadata


FALSE = Authority(REGISTER, (KEYS["stranger"],))
ELSEWHERE = Authority(
    msgspec.structs.replace(REGISTER, anchor="https://evil.example/federation/anchor"), (KEYS["stranger"],)
)
KEYLESS = {
    kind: {name: one for name, one in each.items() if name != "jwks"}
    for kind, each in metadata_of(EE).items()
}
MIDDLE = signed(
    {
        "iss": PT.base_url,
        "sub": EE.base_url,
        "iat": int(AT),
        "exp": int(AT) + 900,
        "jwks": {"keys": [public("ee-1")]},
    },
    "pt-1",
)
SELF_MADE = sign_trust_mark(
    {
        "iss": EE.base_url,
        "sub": EE.base_url,
        "trust_mark_type": member_mark(ANCHOR),
        "iat": int(AT),
        "exp": int(AT) + 900,
    },
    KEYS["ee-1"],
    kid=public("ee-1")["kid"],
)
DAY_OLD = NOW - timedelta(hours=25)
LATER = NOW + timedelta(seconds=61)
FORGED = {
    "a statement by a stranger": (own(), about(key="stranger"), top()),
    "a statement by a stranger in the anchor's name": (
        own(),
        sign_statement(unverified(about()).claims, KEYS["stranger"], kid=public("anchor")["kid"]),
        top(),
    ),
    "the anchor's name with other keys": (own(), about(authority=FALSE), top(FALSE)),
    "another anchor": (own(authority_hints=[ELSEWHERE.entity]), about(authority=ELSEWHERE), top(ELSEWHERE)),
    "another anchor's word under the anchor's roof": (own(), about(authority=ELSEWHERE), top()),
    "a member that names no superior": (own(authority_hints=["https://x.example"]), about(), top()),
    "a member's word by another key": (own(key="stranger"), about(), top()),
    "keys that the anchor did not name": (own(), about(jwks={"keys": [public("stranger")]}), top()),
    "a chain about another member": (own(node=PT, key="pt-1"), about(node=PT), top()),
    "another country": (own(), about(metadata_policy={"health_node": {"country": {"value": "XX"}}}), top()),
    "a policy that does not hold": (own(metadata=KEYLESS), about(), top()),
    "policies that nobody understands": (own(), about(metadata_policy_crit=["regexp"]), top()),
    "types that the anchor does not allow": (
        own(),
        about(constraints={"allowed_entity_types": ["openid_provider"]}),
        top(),
    ),
    "a name that the anchor excludes": (
        own(),
        about(constraints={"naming_constraints": {"excluded": [".example"]}}),
        top(),
    ),
    "a path longer than allowed": (own(authority_hints=[PT.base_url]), MIDDLE, about(node=PT)),
    "one statement too many": (own(), about(), top(), top()),
    "one statement too few": (own(), about()),
    "no mark": (own(marks=()), about(), top()),
    "another member's mark": (own(marks=(mark_for(TRUE, PT.base_url, now=NOW),)), about(), top()),
    "a mark that it gave itself": (own(marks=(SELF_MADE,)), about(), top()),
    "a mark that has ended": (own(marks=(mark_for(TRUE, EE.base_url, now=DAY_OLD),)), about(), top()),
    "a statement that has ended": (own(), about(now=NOW - timedelta(seconds=STATEMENT_SECONDS)), top()),
    "a member's word that has ended": (own(now=DAY_OLD), about(), top()),
    "the anchor's word that has ended": (own(), about(), top(now=DAY_OLD)),
    "a statement of the future": (own(), about(now=LATER), top()),
    "a member's word of the future": (own(now=LATER), about(), top()),
    "nonsense": ("x", "y", "z"),
}


@pytest.mark.parametrize("name", FORGED)
def test_whatever_else_looks_like_a_chain_is_none(world, name):
    chains, _, _ = world
    with pytest.raises(NotAuthenticated):
        chains.keep(EE, FORGED[name], fetched_at=AT)
    assert chains.standing("ee-1", AT) is Vouched.NONE


def test_clocks_may_differ_by_a_minute(world):
    chains, _, _ = world
    ahead = NOW + timedelta(seconds=60)
    chains.keep(EE, (own(now=ahead), about(now=ahead), top(now=ahead)), fetched_at=AT)
    assert chains.standing("ee-1", AT + LIFE_SECONDS_MAX) is Vouched.CUT_OFF


def test_a_chain_altered_on_disk_is_not_believed(world, tmp_path):
    chains, _, clock = world
    chains.keep(EE, (own(), about(), top()), fetched_at=AT)
    kept = tmp_path / "federation" / "chain-ee-1.json"
    for text in ("", "{}", kept.read_text().replace("ey", "ez", 1), '{"tokens":[],"fetched_at":1e99}'):
        kept.write_text(text)
        fresh = Chains(tmp_path, Membership(tmp_path), chains._client, clock, skew_seconds=60)
        assert fresh.standing("ee-1", AT) is Vouched.NONE


async def test_a_chain_is_fetched_when_it_is_needed_and_then_held(world):
    chains, web, _ = world
    web.tell_all()
    held, found = await chains.vouched(EE)
    assert (held.member.node, found) == ("ee-1", Vouched.LIVE)
    asked = len(web.asked)
    await chains.vouched(EE)
    assert len(web.asked) == asked
    assert chains.contact() is Contact.IN_TOUCH
    assert chains.admits("ee-1", Purpose.TREATMENT)


async def test_whom_nobody_vouches_for_gets_nothing_and_is_not_asked_about_at_every_knock(world):
    chains, web, clock = world
    with pytest.raises(AccessRefused, match="cannot be reached"):
        await chains.vouched(EE)
    asked = len(web.asked)
    with pytest.raises(AccessRefused):
        await chains.vouched(EE)
    assert len(web.asked) == asked
    web.tell_all()
    clock.now += timedelta(seconds=5)
    assert (await chains.vouched(EE))[1] is Vouched.LIVE


async def test_who_does_not_wait_for_a_sleeping_member_leaves_the_next_one_free_to_ask(tmp_path):
    install_list(tmp_path, sign_list(REGISTER, KEYS["anchor"]), anchor=public("anchor"))
    web, awake, knocked = Web(), asyncio.Event(), asyncio.Event()
    web.tell_all()

    async def answer(request):
        if str(request.url).startswith(EE.base_url):
            knocked.set()
            await awake.wait()
        return web(request)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    chains = Chains(tmp_path, Membership(tmp_path), client, Clock(), skew_seconds=60)
    impatient = asyncio.create_task(chains.vouched(EE))
    await knocked.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    awake.set()
    assert (await chains.vouched(EE))[1] is Vouched.LIVE


async def test_who_is_struck_off_has_no_chain_at_the_next_look(world):
    chains, web, clock = world
    web.tell_all()
    await chains.vouched(EE)
    web.tell_all(subjects=[PT.base_url])
    clock.now += timedelta(seconds=20)
    await chains.tend()
    assert chains.standing("ee-1", clock.now.timestamp()) is Vouched.NONE
    assert not chains.admits("ee-1", Purpose.EMERGENCY)


async def test_a_silent_anchor_leaves_emergencies_and_an_answer_ends_that(world):
    chains, web, clock = world
    web.tell_all()
    await chains.vouched(EE)
    web.answers.clear()
    clock.now += timedelta(seconds=LIFE_SECONDS_MAX)
    assert (await chains.vouched(EE))[1] is Vouched.CUT_OFF
    assert (chains.admits("ee-1", Purpose.TREATMENT), chains.admits("ee-1", Purpose.EMERGENCY)) == (
        False,
        True,
    )
    assert chains.contact() is Contact.CUT_OFF
    web.tell_all(now=clock.now)
    web.answers[f"{ANCHOR}/fetch"] = (404, {}, "")
    clock.now += timedelta(seconds=6)
    with pytest.raises(AccessRefused, match="no trust chain"):
        await chains.vouched(EE)
    assert not chains.admits("ee-1", Purpose.EMERGENCY)


HOSTILE = {
    "a redirect": (302, {"location": "http://169.254.169.254/"}, ""),
    "too much": (200, {}, "x" * 300_000),
    "something compressed": (200, {"content-encoding": "gzip"}, "x"),
    "nonsense": "é\x00",
    "a failure": (500, {}, ""),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "place", [f"{ANCHOR}/list", f"{ANCHOR}/fetch", f"{EE.base_url}/.well-known/openid-federation"]
)
async def test_hostile_answers_break_nothing(world, name, place):
    chains, web, _ = world
    web.tell_all()
    web.answers[place] = HOSTILE[name]
    await chains.tend()
    assert "169.254" not in " ".join(web.asked)
    expected = Vouched.LIVE if place.endswith("/list") else Vouched.NONE
    assert chains.standing("ee-1", AT) is expected


async def test_a_node_gets_its_own_mark_once(world, tmp_path):
    chains, web, clock = world
    assert await chains.superior.own_marks(EE.base_url) == ()
    web.tell_all()
    web.answers[f"{ANCHOR}/trust_mark"] = MARK
    clock.now += timedelta(seconds=6)
    assert await chains.superior.own_marks(EE.base_url) == (MARK,)
    web.answers.clear()
    fresh = Chains(tmp_path, Membership(tmp_path), chains._client, clock, skew_seconds=60)
    assert await fresh.superior.own_marks(EE.base_url) == (MARK,)
    assert await fresh.superior.own_marks(PT.base_url) == ()


async def test_all_who_come_while_a_node_asks_for_its_mark_get_it(world):
    chains, web, _ = world
    web.tell_all()
    web.answers[f"{ANCHOR}/trust_mark"] = MARK
    found = await asyncio.gather(*(chains.superior.own_marks(EE.base_url) for _ in range(3)))
    assert found == [(MARK,)] * 3
    assert sum("trust_mark" in address for address in web.asked) == 1


async def test_what_changes_in_trust_is_told_once_for_the_audit(world):
    chains, web, clock = world
    web.tell_all()
    await chains.tend()
    assert chains.take_events() == ["node ee-1 is vouched for"]
    await chains.tend()
    assert chains.take_events() == []
    web.tell_all(now=clock.now, subjects=[PT.base_url])
    await chains.tend()
    assert chains.take_events() == ["node ee-1 is struck off"]
    web.answers.clear()
    clock.now += timedelta(seconds=LIFE_SECONDS_MAX)
    await chains.tend()
    web.tell_all(now=clock.now)
    await chains.tend()
    assert chains.take_events() == [
        "this node is cut off from the anchor",
        "node ee-1 is vouched for",
        "this node is no more cut off from the anchor",
    ]


async def test_a_silent_members_last_word_serves_while_the_anchor_vouches_for_it(world):
    chains, web, clock = world
    web.tell_all()
    await chains.vouched(EE)
    clock.now += timedelta(seconds=LIFE_SECONDS_MAX)
    web.tell_all(now=clock.now)
    del web.answers[f"{EE.base_url}/.well-known/openid-federation"]
    assert (await chains.vouched(EE))[1] is Vouched.LIVE


async def test_a_member_that_was_given_another_key_is_not_trusted_by_the_old_one(world):
    chains, web, _ = world
    web.tell_all()
    await chains.vouched(EE)
    moved = msgspec.structs.replace(EE, keys=[public("stranger")])
    renewed = msgspec.structs.replace(REGISTER, version=2, members=(moved, PT))
    chains.membership.install(sign_list(renewed, KEYS["anchor"]))
    assert chains.standing("ee-1", AT) is Vouched.NONE
    assert not chains.admits("ee-1", Purpose.TREATMENT)


async def test_a_member_may_sign_with_a_new_key_that_it_names_itself(world):
    chains, web, clock = world
    web.tell_all()
    await chains.vouched(EE)
    renewed = metadata_of(EE)
    renewed["oauth_client"]["jwks"] = {"keys": [public("stranger")]}
    web.answers[f"{EE.base_url}/.well-known/openid-federation"] = own(metadata=renewed)
    clock.now += timedelta(seconds=6)
    held, _ = await chains.vouched(EE, renew=True)
    assert held.member.keys == [public("stranger")]


def test_without_a_federation_there_is_no_chain(tmp_path):
    chains = Chains(tmp_path, Membership(tmp_path), httpx.AsyncClient(), lambda: NOW, skew_seconds=60)
    assert chains.standing("ee-1", AT) is Vouched.NONE
    assert chains.contact() is Contact.NO_FEDERATION
    assert not chains.admits("ee-1", Purpose.EMERGENCY)
