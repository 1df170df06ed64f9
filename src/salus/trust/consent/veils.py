"""From whom a citizen's Consents hide a resource: the store makes veils of it (docs/decisions/0015).

Pure. What is said of a resource is what `salus.trust.consent.voice` says of it, turned round: for one
resource, from everybody whom a denial of it means and no permit of it that outdoes all denials which mean
them. Whom an actor means is told in the words of `salus.trust.audiences`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping

import msgspec

from salus.store.consents import Consents
from salus.store.veils import Said, Veil
from salus.trust.audiences import EXCHANGE, PROFESSIONALS, STUDY
from salus.trust.consent.actors import words_of_actor
from salus.trust.consent.provisions import Interval, Provision, permits_research, provisions_of
from salus.trust.consent.voice import Item, acts, concerns, outdoes, within

_ACCESS = frozenset({"access"})
_PUBLIC_SCOPES = frozenset({"adr", "treatment"})
_DEFAULT = Provision(permits=False, path=())
"""The denial of a jurisdiction where nothing is open that no Consent permits: every permit outdoes it."""


_OPT_OUT = Provision(permits=False, path=(-1,))
"""The denial of who opted out of exchange: no permit outdoes it."""


_STUDY = Provision(permits=False, path=(-2,))
"""The denial of all to a study where some is permitted: only what permits research by name outdoes it."""


class Meant(msgspec.Struct, frozen=True):
    """A provision, and whom it means: who belongs to all audiences of one of the sets."""

    provision: Provision
    audiences: tuple[frozenset[str], ...]


class Rules(msgspec.Struct, frozen=True):
    """All that a citizen says that is about access to data.

    Args:
        denials: the denials.
        permits: the permits.
        relates: whether some speak of what refers to something: then one resource is not judged alone.
    """

    denials: tuple[Meant, ...] = ()
    permits: tuple[Meant, ...] = ()
    relates: bool = False


def rules_of(consents: Consents, *, default_denies: bool) -> Rules:
    """Return what the Consents say; `default_denies`: the law opens nothing that they do not permit."""
    known = [each for each in provisions_of(consents.found) if acts(each, _ACCESS)]
    denials = [_meant(each, consents) for each in known if not each.permits]
    if default_denies and consents.found:
        denials.append(_meant(_DEFAULT, consents))
    if consents.opted_out:
        denials.append(Meant(_OPT_OUT, (frozenset({EXCHANGE}),)))
    if any(permits_research(each) for each in known):
        denials.append(Meant(_STUDY, (frozenset({STUDY}),)))
    permits = [_meant(each, consents) for each in known if each.permits]
    return Rules(
        tuple(denials),
        tuple(each for each in permits if each.audiences),
        any(each.data is not None for each in known),
    )


def veil_over(item: Item, rules: Rules, *, whole: Item | None = None) -> Veil | None:
    """Return the veil that hangs over a resource; None where it is hidden from nobody.

    Args:
        item: the resource.
        rules: what the person says.
        whole: what it is a part of, where it is no data of its own: what permits the whole permits the part.
    """
    part = item
    if whole is not None:
        part = msgspec.structs.replace(item, reference=whole.reference, period=item.period or whole.period)
    denials = [each for each in rules.denials if concerns(each.provision, part)]
    if not denials:
        return None
    permitted = part if whole is None else within(part, whole)
    permits = [
        each
        for each in rules.permits
        if concerns(each.provision, permitted)
        and any(_stands_against(each.provision, denial.provision) for denial in denials)
    ]
    said, places = _places(permits)
    return veil(
        tuple(
            _said(denial, audience, _spares(denial.provision, permits, places))
            for denial in denials
            for audience in denial.audiences
        ),
        said,
    )


def veil(denials: tuple[Said, ...], permits: tuple[Said, ...] = ()) -> Veil:
    """Return a veil, called by what it says."""
    told = msgspec.json.encode((denials, permits))
    return Veil(hashlib.sha256(told).hexdigest()[:16], denials, permits)


PRIVATE = veil((Said((PROFESSIONALS,)),))
"""Over a citizen's own Consents: what they say of whom is nobody's business but theirs."""


def is_private(consent: Mapping[str, object]) -> bool:
    """Return whether a Consent is of the citizen's rules, in force or not: not of treatment, no directive."""
    scope = consent.get("scope")
    codings = scope.get("coding", ()) if isinstance(scope, dict) else ()
    codes = {coding.get("code") for coding in codings if isinstance(coding, dict)}
    return not codes or not codes <= _PUBLIC_SCOPES


def is_hidden(hanging: Veil, audiences: Iterable[str], at: float) -> bool:
    """Return whether a veil hides from who belongs to these audiences: what `salus_veils` says in SQL."""
    words = frozenset(audiences)
    denials = [each for each in hanging.denials if _means(each, words, at)]
    permits = [place for place, each in enumerate(hanging.permits) if _means(each, words, at)]
    stands = any(all(place in denial.spares for denial in denials) for place in permits)
    return bool(denials) and not stands


def _means(said: Said, words: frozenset[str], at: float) -> bool:
    begun = said.starts is None or said.starts <= at
    return begun and (said.ends is None or at < said.ends) and words.issuperset(said.audience)


def _meant(provision: Provision, consents: Consents) -> Meant:
    """Return whom a provision means.

    A denial that names no actor and no purpose means every professional, and so does one that names an actor
    who cannot be told. A permit of an actor who cannot be told means nobody.
    """
    actors: list[frozenset[str]] = [frozenset()]
    if provision.actors is not None:
        told = {
            actor: words_of_actor(actor, consents.named, permits=provision.permits)
            for actor in provision.actors
        }
        words = frozenset[str]().union(*told.values())
        actors = [frozenset({word}) for word in sorted(words)]
        if not provision.permits and not all(told.values()):
            actors.append(frozenset({PROFESSIONALS}))
    purposes = [frozenset[str]()]
    if provision.purposes is not None:
        purposes = [frozenset({f"purpose:{code}"}) for code in sorted(provision.purposes)]
    found = [actor | purpose for actor in actors for purpose in purposes]
    if not provision.permits:
        found = [each or frozenset({PROFESSIONALS}) for each in found]
    return Meant(provision, tuple(dict.fromkeys(found)))


def _places(permits: list[Meant]) -> tuple[tuple[Said, ...], list[list[int]]]:
    """Return what the permits say, one for each audience, and the places of each permit among them."""
    said: list[Said] = []
    places: list[list[int]] = []
    for permit in permits:
        places.append(list(range(len(said), len(said) + len(permit.audiences))))
        said += [_said(permit, audience) for audience in permit.audiences]
    return tuple(said), places


def _spares(denial: Provision, permits: list[Meant], places: list[list[int]]) -> tuple[int, ...]:
    if denial is _OPT_OUT:
        return ()
    return tuple(
        place
        for permit, own in zip(permits, places, strict=True)
        if _stands_against(permit.provision, denial)
        for place in own
    )


def _stands_against(permit: Provision, denial: Provision) -> bool:
    return permits_research(permit) if denial is _STUDY else outdoes(permit, denial)


def _said(meant: Meant, audience: frozenset[str], spares: tuple[int, ...] = ()) -> Said:
    starts, ends = _open(meant.provision.period)
    return Said(tuple(sorted(audience)), starts, ends, spares)


def _open(period: Interval) -> tuple[float | None, float | None]:
    low, high = period
    return None if math.isinf(low) else low, None if math.isinf(high) else high
