"""What a citizen's Consents say of a request before anybody looks at the data. Pure.

A denial of some of the data is a veil (`salus.trust.consent.veils`): the store hides those rows and no
others. So at the gate a permit of any of the data speaks, and of the denials only one of all the data.
To research only a permit speaks that names it: consent to it is specific (GDPR, articles 4(11) and 9(2)(a)).
"""

from __future__ import annotations

from salus.core.access import Caller, Purpose
from salus.store.consents import Consents
from salus.trust.audiences import words_of
from salus.trust.consent.actors import words_of_actor
from salus.trust.consent.provisions import Provision, permits_research, provisions_of
from salus.trust.consent.voice import acts, outdoes
from salus.trust.facts import Voice


def voice_at_the_gate(consents: Consents, caller: Caller, at: float) -> Voice:
    """Return what the citizen says of a request whose data are not known yet.

    Args:
        consents: of the citizen (`salus.store.consents.consents_of`).
        caller: who asks, for their purpose.
        at: when, seconds since 1970.
    """
    known = provisions_of(consents.found)
    if not known:
        return Voice.NONE
    words = words_of(caller)
    fitting = [each for each in known if _fits(each, caller, words, consents, at)]
    denials = [each for each in fitting if not each.permits and _is_of_all(each)]
    permits = [each for each in fitting if each.permits and _is_specific(each, caller)]
    if any(all(outdoes(permit, denial) for denial in denials) for permit in permits):
        return Voice.PERMIT
    return Voice.DENY if denials else Voice.SILENT


def _is_specific(permit: Provision, caller: Caller) -> bool:
    return caller.purpose is not Purpose.RESEARCH or permits_research(permit)


def _is_of_all(provision: Provision) -> bool:
    stated = (provision.classes, provision.codes, provision.labels, provision.data, provision.data_period)
    return all(each is None for each in stated)


def _fits(provision: Provision, caller: Caller, words: frozenset[str], consents: Consents, at: float) -> bool:
    if not provision.period[0] <= at < provision.period[1]:
        return False
    if provision.purposes is not None and caller.purpose.value not in provision.purposes:
        return False
    if not acts(provision, frozenset({"access"})):
        return False
    if provision.actors is None:
        return True
    meant = [words_of_actor(actor, consents.named, permits=provision.permits) for actor in provision.actors]
    untold = not provision.permits and not all(meant)
    return untold or any(not each.isdisjoint(words) for each in meant)
