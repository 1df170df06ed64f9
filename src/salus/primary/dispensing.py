"""What becomes of a prescription and of a hand-over: the tables of docs/decisions/0002, and nothing else.

Pure: the home node (`primary.dispensations`) and the dispensing node (`primary.dispensing_abroad`) gather
what these functions ask for and carry out what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from salus.core.access import Caller
from salus.core.errors import (
    AccessRefused,
    AlreadyDone,
    Conflict,
    InvalidResource,
    KeptAsIs,
    MalformedContent,
    NotAuthenticated,
    NotFound,
    SalusError,
)
from salus.primary.dispensable import check_dispensable, check_time, check_valid, remaining
from salus.primary.prescriptions import Dispensation, Prescription
from salus.primary.products import is_same_product


class Recorder(msgspec.Struct, frozen=True):
    """Who recorded a hand-over.

    Args:
        node: of the pharmacy, "" for the home node.
        pharmacy: its organisation; "" where that is not known, then it is any pharmacy of the node.
    """

    node: str
    pharmacy: str

    def is_one_with(self, other: Recorder) -> bool:
        """Return whether the two are the same pharmacy, as far as is known."""
        return self.node == other.node and (not self.pharmacy or not other.pharmacy or self == other)


def pharmacy_of(caller: Caller) -> str:
    """Return the pharmacy for which somebody hands over: their organisation, or they alone."""
    return caller.organisation or caller.subject


class Recorded(msgspec.Struct, frozen=True):
    """A hand-over as it is recorded, and by whom."""

    dispensation: Dispensation
    by: Recorder


def counted_once(recorded: Iterable[Recorded]) -> list[Dispensation]:
    """Return the hand-overs, each once: records that share an identifier are of the same one.

    What a pharmacy recorded here goes before what was loaded; of two that were loaded, what takes more.
    """
    found: list[Dispensation] = []
    known: set[str] = set()
    for each in sorted(recorded, key=_weight, reverse=True):
        if known.isdisjoint(each.dispensation.known_as):
            found.append(each.dispensation)
        known |= each.dispensation.known_as
    return found


def _weight(each: Recorded) -> tuple[bool, bool, bool, Decimal]:
    amount = each.dispensation.amount
    value = Decimal(0) if amount is None else amount.value
    return bool(each.by.pharmacy), each.dispensation.counts, amount is None, value


class Home(msgspec.Struct, frozen=True):
    """What the home node knows when a dispensation is written.

    Args:
        prescription: None when it is not kept here, or not for this access (restricted, another patient's).
        known: what is recorded on the prescription, whoever may see it, by logical id.
        same: what the dispense id stands for, wherever it is recorded; None for a new one.
        target: the record that the write replaces, None for a new one.
    """

    prescription: Prescription | None
    known: Mapping[str, Recorded]
    same: Recorded | None = None
    target: Recorded | None = None


def check_write(home: Home, offered: Dispensation, by: Recorder, *, now: datetime, country: str) -> None:
    """Check that a dispensation may be written at home.

    Raises:
        AlreadyDone: the same hand-over, or its discard, is recorded.
        KeptAsIs: it is recorded, and this access cannot take it back.
        AccessRefused: another pharmacy recorded what it would replace.
        NotFound: there is no such prescription.
        Conflict: another rule, by name.
    """
    if home.target is not None:
        _check_kept(home.target, offered, by)
        if offered.counts and home.prescription is not None:
            _check_moved(home, home.prescription, offered, now, country)
        return
    if home.same is not None:
        check_known(home.same, offered, by)
        raise AlreadyDone("this is recorded already; repeat it as a conditional create on its identifier")
    if home.prescription is None:
        raise NotFound("the prescription is not kept at this node, or not for this patient")
    if offered.counts:
        counted = counted_once(home.known.values())
        check_dispensable(home.prescription, counted, offered, now=now, country=country)


def check_known(same: Recorded, offered: Dispensation, by: Recorder) -> None:
    """Check that what is offered is what its dispense id stands for.

    Raises:
        Conflict, KeptAsIs: it is not, or no longer.
    """
    if not same.by.is_one_with(by):
        raise Conflict("this dispense id is another pharmacy's; a new hand-over needs a new dispense id")
    _check_same(same.dispensation, offered)
    if same.dispensation.counts and not offered.counts:
        raise KeptAsIs("the hand-over is recorded, and this access cannot take it back")


def _check_kept(target: Recorded, offered: Dispensation, by: Recorder) -> None:
    """A record keeps its recorder, its dispense id and its prescription; it may be taken back, once.

    A pharmacy of another node that takes back what another recorded is told of a conflict: home holds nothing
    of theirs, and the line at their node comes to its end.
    """
    if by.node and not target.by.is_one_with(by) and not offered.counts:
        raise Conflict("this dispense id is another pharmacy's, which alone may take its hand-over back")
    if not target.by.is_one_with(by):
        raise AccessRefused("only the pharmacy that recorded a dispensation may change or discard it")
    was = target.dispensation
    if was.identifier != offered.identifier:
        raise Conflict("a dispensation keeps its dispense id")
    if was.prescription != offered.prescription:
        raise Conflict(
            "a dispensation keeps its prescription; take it back (entered-in-error) and record a new one"
        )
    if offered.modified and not was.modified:
        raise Conflict("the update adds a modifierExtension, which is not known here; send it without")
    _check_same(was, offered)


def _check_moved(
    home: Home, prescription: Prescription, offered: Dispensation, now: datetime, country: str
) -> None:
    """Check that a record that gets another time, or loses its reason, keeps the rules of a new one."""
    assert home.target is not None
    was = home.target.dispensation
    if (was.handed_over, was.early_reason) == (offered.handed_over, offered.early_reason):
        return
    others = [each for each in counted_once(home.known.values()) if offered.identifier not in each.known_as]
    check_time(prescription, others, offered, now)
    if was.handed_over != offered.handed_over:
        check_valid(prescription, others, offered, now=now, country=country)


def _check_same(was: Dispensation, offered: Dispensation) -> None:
    if was.counts != offered.counts and not was.counts:
        raise Conflict("this dispense id was discarded; a new hand-over needs a new dispense id")
    if offered.counts and not _is_same(was, offered):
        raise Conflict(
            "this dispense id stands for another hand-over; a new hand-over needs a new dispense id"
        )


def _is_same(was: Dispensation, offered: Dispensation) -> bool:
    """Return whether both are the same product, in the same amount, on the same prescription.

    Sent again in the same words it is the same hand-over, also where nothing is known of the product.
    """
    return (
        was.prescription == offered.prescription
        and was.amount == offered.amount
        and was.substituted == offered.substituted
        and (was.product == offered.product or is_same_product(was.product, offered.product))
    )


def check_recorded(sent: Dispensation, recorded: Dispensation) -> None:
    """Check, where it was sent, that what another node says it recorded is that.

    Raises:
        Conflict: it is another hand-over.
    """
    if sent.identifier != recorded.identifier:
        raise Conflict("another hand-over was recorded than was sent; hand nothing over")
    _check_same(recorded, sent)


def check_prescribed(prescription: Prescription, counted: Iterable[Dispensation]) -> None:
    """Check that what a prescriber writes is not active where nothing is left: an old copy may be sent back.

    Raises:
        Conflict: saying what to do instead.
    """
    counted = list(counted)
    handed_over = any(each.counts for each in counted)
    if prescription.status == "active" and handed_over and remaining(prescription, counted).none:
        raise Conflict(
            "all of this prescription was handed over, so it is not active any more: read it again; for "
            "more to be handed over, raise numberOfRepeatsAllowed or the quantity, or write a new one"
        )


def status_after(prescription: Prescription, counted: Iterable[Dispensation], *, used_up: bool) -> str:
    """Return the prescription's status once these hand-overs are recorded.

    Args:
        prescription: as it is now.
        counted: all hand-overs on it.
        used_up: whether a hand-over completed it, and nobody wrote it since: only then is it active again
            when something is left. Every other status is its prescriber's word and stays.
    """
    none = remaining(prescription, counted).none
    if prescription.status == "active" and none:
        return "completed"
    if prescription.status == "completed" and used_up and not none:
        return "active"
    return prescription.status


class Line(StrEnum):
    """The state of a hand-over at the node of the pharmacy."""

    OPEN = "open"
    RECORDED = "recorded"
    REFUSED = "refused"
    ABANDONING = "abandoning"
    DISCARDING = "discarding"
    DISCARDED = "discarded"


class Wish(StrEnum):
    """What the pharmacy asks for."""

    DISPENSE = "dispense"
    TAKE_BACK = "take back"


class Answer(StrEnum):
    """What the home node answered to the message of a line."""

    DONE = "done"  # now or before
    KEPT = "kept"  # it is recorded and cannot be taken back
    REFUSED = "refused"  # home looked, and holds nothing of it
    UNKNOWN = "unknown"  # no answer, or none that tells


UNANSWERED = frozenset({Line.OPEN, Line.ABANDONING, Line.DISCARDING})
TAKING_BACK = frozenset({Line.ABANDONING, Line.DISCARDING})
WISHED: Mapping[tuple[Line | None, Wish], Line | str] = {
    (None, Wish.DISPENSE): Line.OPEN,
    (Line.REFUSED, Wish.DISPENSE): Line.OPEN,
    (Line.OPEN, Wish.DISPENSE): Line.OPEN,
    (Line.RECORDED, Wish.DISPENSE): Line.RECORDED,
    (Line.ABANDONING, Wish.DISPENSE): "it is being taken back; a new hand-over needs a new dispense id",
    (Line.DISCARDING, Wish.DISPENSE): "it is being taken back; a new hand-over needs a new dispense id",
    (Line.DISCARDED, Wish.DISPENSE): "it was discarded; a new hand-over needs a new dispense id",
    (None, Wish.TAKE_BACK): "this pharmacy has begun no hand-over of this dispense id",
    (Line.REFUSED, Wish.TAKE_BACK): "this hand-over was refused; there is nothing to take back",
    (Line.OPEN, Wish.TAKE_BACK): Line.ABANDONING,
    (Line.ABANDONING, Wish.TAKE_BACK): Line.ABANDONING,
    (Line.RECORDED, Wish.TAKE_BACK): Line.DISCARDING,
    (Line.DISCARDING, Wish.TAKE_BACK): Line.DISCARDING,
    (Line.DISCARDED, Wish.TAKE_BACK): Line.DISCARDED,
}
"""The next state by what the pharmacy asks for; a text is why it cannot be."""
ANSWERED: Mapping[tuple[Line, Answer], Line] = {
    (Line.OPEN, Answer.DONE): Line.RECORDED,
    (Line.OPEN, Answer.KEPT): Line.RECORDED,
    (Line.OPEN, Answer.REFUSED): Line.REFUSED,
    (Line.OPEN, Answer.UNKNOWN): Line.OPEN,
    (Line.RECORDED, Answer.DONE): Line.RECORDED,
    (Line.RECORDED, Answer.KEPT): Line.RECORDED,
    (Line.RECORDED, Answer.REFUSED): Line.RECORDED,
    (Line.RECORDED, Answer.UNKNOWN): Line.RECORDED,
    (Line.ABANDONING, Answer.DONE): Line.DISCARDED,
    (Line.ABANDONING, Answer.KEPT): Line.RECORDED,
    (Line.ABANDONING, Answer.REFUSED): Line.REFUSED,
    (Line.ABANDONING, Answer.UNKNOWN): Line.ABANDONING,
    (Line.DISCARDING, Answer.DONE): Line.DISCARDED,
    (Line.DISCARDING, Answer.KEPT): Line.RECORDED,
    (Line.DISCARDING, Answer.REFUSED): Line.RECORDED,
    (Line.DISCARDING, Answer.UNKNOWN): Line.DISCARDING,
}
"""The next state by what the home node answered."""


def wished(state: Line | None, wish: Wish) -> Line:
    """Return the state in which the line is sent.

    Raises:
        Conflict: saying why it cannot be.
    """
    found = WISHED[state, wish]
    if not isinstance(found, Line):
        raise Conflict(found)
    return found


def answer_of(error: SalusError, *, in_doubt: bool) -> Answer:
    """Return what a failure tells of the line.

    Args:
        error: what was raised when the message was sent.
        in_doubt: an earlier message may have arrived: then a home node that does not let the pharmacist in
            has not said what it holds.
    """
    match error:
        case AlreadyDone():
            return Answer.DONE
        case KeptAsIs():
            return Answer.KEPT
        case AccessRefused() | NotAuthenticated():
            return Answer.UNKNOWN if in_doubt else Answer.REFUSED
        case Conflict() | InvalidResource() | MalformedContent() | NotFound():
            return Answer.REFUSED
        case _:
            return Answer.UNKNOWN
