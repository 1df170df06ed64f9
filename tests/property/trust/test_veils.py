"""What veils hide is what the citizen's voice denies; the database says of a veil what Python says."""

import json

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.store.consents import Consents
from salus.trust.consent.provisions import provisions_of
from salus.trust.consent.veils import is_hidden, rules_of, veil_over
from salus.trust.consent.voice import Asked, item_of, voice_of
from salus.trust.facts import Voice

NAMES = {f"Practitioner/{name}": {"resourceType": "Practitioner"} for name in "pq"}
TIMES = ("2024-01-01", "2025-01-01", "2026-01-01")
AT = [1_600_000_000.0, 1_720_000_000.0, 1_760_000_000.0, 1_800_000_000.0]
ITEMS = [
    {"resourceType": "Condition", "id": "c", "code": {"coding": [{"system": "s", "code": "a"}]}},
    {"resourceType": "Observation", "id": "o", "effectiveDateTime": "2025-03"},
]
ACTORS = st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=2, unique=True).map(
    lambda names: [{"reference": {"reference": name}} for name in names]
)
PURPOSES = st.lists(st.sampled_from(["TREAT", "HRESCH"]), min_size=1, max_size=2, unique=True).map(
    lambda codes: [{"code": code} for code in codes]
)
CLASSES = st.sampled_from(["Condition", "Observation"]).map(lambda code: [{"code": code}])
CODES = st.just([{"coding": [{"system": "s", "code": "a"}]}])
PERIODS = st.tuples(st.sampled_from(TIMES), st.booleans()).map(
    lambda one: {"end" if one[1] else "start": one[0]}
)


def provisions(depth):
    parts = {
        "actor": ACTORS, "purpose": PURPOSES, "class": CLASSES, "code": CODES, "period": PERIODS,
        "dataPeriod": PERIODS,
    }  # fmt: skip
    if depth:
        parts["provision"] = st.lists(provisions(depth - 1), min_size=1, max_size=2)
    return st.fixed_dictionaries({"type": st.sampled_from(["permit", "deny"])}, optional=parts)


SAID = st.lists(provisions(2), min_size=1, max_size=3)
WHO = st.tuples(st.sampled_from([*"pq", "stranger"]), st.sampled_from(["TREAT", "HRESCH"]))


def veiled(roots, item, *, default_denies):
    consents = Consents(tuple({"status": "active", "provision": root} for root in roots), NAMES)
    return consents, veil_over(item, rules_of(consents, default_denies=default_denies))


@given(SAID, st.sampled_from(ITEMS), WHO, st.sampled_from(AT), st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_veil_hides_what_the_voice_denies(roots, resource, who, at, default_denies):
    item = item_of(resource)
    consents, veil = veiled(roots, item, default_denies=default_denies)
    name, purpose = who
    words = {"professionals", f"person:{name}", f"purpose:{purpose}"}
    asked = Asked(purpose, frozenset({f"Practitioner/{name}"}), at, item)
    voice = voice_of(provisions_of(consents.found), asked)
    denied = voice is not Voice.PERMIT if default_denies else voice is Voice.DENY
    assert (veil is not None and is_hidden(veil, words, at)) is denied


async def test_the_database_says_of_a_veil_what_python_says(database_url):
    found = []

    @given(SAID, st.sampled_from(ITEMS), WHO, st.sampled_from(AT), st.booleans())
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def collect(roots, resource, who, at, default_denies):
        _, veil = veiled(roots, item_of(resource), default_denies=default_denies)
        if veil is not None:
            words = sorted({"professionals", f"person:{who[0]}", f"purpose:{who[1]}"})
            found.append((veil, words, at))

    collect()
    assert found
    connection = await asyncpg.connect(database_url)
    try:
        for veil, words, at in found:
            told = await connection.fetchval(
                "SELECT salus_veils($1::jsonb, $2::jsonb, $3::jsonb)",
                *(json.dumps(msgspec.to_builtins(each)) for each in (veil.denials, veil.permits)),
                json.dumps({"is": words, "at": at}),
            )
            assert told is is_hidden(veil, words, at), (veil, words, at)
    finally:
        await connection.close()
