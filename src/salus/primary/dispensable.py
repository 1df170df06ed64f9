"""What may still be dispensed on a prescription: pure rules, asked at home and abroad (docs/decisions/0002).

Source: R4 MedicationRequest and MedicationDispense. A hindrance is a row of `HINDRANCES`; what a pharmacist
may decide otherwise, with a reason that is kept in the dispensation, is in `BY_REASON`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from salus.core.errors import Conflict
from salus.primary.amounts import Amount
from salus.primary.intervals import earliest_next, latest_moment
from salus.primary.prescriptions import TOO_EARLY, Dispensation, Prescription
from salus.primary.substitution import why_not_given
from salus.primary.validity import is_within, last_day

HANDED_OVER = frozenset({"completed", "in-progress"})
ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
"""Intents (R4 medicationrequest-intent) that authorise a hand-over; proposal, plan, option are no orders."""
SKEW = timedelta(minutes=5)
ZONE_MAX = timedelta(hours=14)
"""How long before its day begins in UTC a bare date may have begun where it was written."""


class Remaining(msgspec.Struct, frozen=True):
    """What is left: an amount where the prescription names one, else hand-overs."""

    amount: Amount | None
    fills: int

    @property
    def none(self) -> bool:
        """Return whether nothing is left."""
        return self.amount.value <= 0 if self.amount is not None else self.fills <= 0


class Hindrance(msgspec.Struct, frozen=True):
    """Why nothing may be dispensed: a key of `HINDRANCES`, with the status, intent or date that it names."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        """Return it as an English sentence without its stop."""
        return HINDRANCES[self.code].format(self.detail)

    @property
    def by_reason(self) -> bool:
        """Return whether the pharmacist may hand over all the same, and say why."""
        return self.code in BY_REASON


HINDRANCES = {
    "modified": "its source changes its meaning in a way not known here (modifierExtension); ask there",
    "forbidden": "it says that this medicine must not be given (doNotPerform)",
    "no-order": "it is no prescription (its intent is {})",
    "inpatient": "it is for use within a hospital",
    "status": "it is {}",
    "replaced": "a later prescription replaces it (priorPrescription); hand over on that one",
    "not-yet": "it is dated {}, which is still to come",
    "not-begun": "its validity period begins only on {}",
    "outside": "it is outside its validity period",
    "undated": "it has no validity period and no date of writing",
    "too-early": "the next hand-over may be from {} on (dispenseInterval)",
    "interval": "it asks for a time between hand-overs, and whether that has passed cannot be told",
}
BY_REASON = frozenset({"too-early", "interval"})


def remaining(prescription: Prescription, dispensations: Iterable[Dispensation]) -> Remaining:
    """Return what is left after the given hand-overs; those discarded or declined count nothing.

    One whose amount cannot be told in the prescription's unit counts as much as one hand-over may give, so
    that never too much is left.
    """
    counted = [each for each in dispensations if each.counts]
    fills = max(prescription.fills - len(counted), 0)
    if prescription.total is None:
        return Remaining(None, fills)
    total = prescription.total
    used = sum((_used(prescription, total, each) for each in counted), Decimal(0))
    left = msgspec.structs.replace(total, value=max(total.value - used, Decimal(0)))
    return Remaining(left, max(fills, 1) if left.value > 0 else 0)


def _used(prescription: Prescription, total: Amount, each: Dispensation) -> Decimal:
    value = each.amount.in_unit_of(total) if each.amount is not None else None
    if value is not None and value >= 0:
        return value
    once = prescription.each.in_unit_of(total) if prescription.each is not None else None
    return once if once is not None else total.value


def check_dispensable(
    prescription: Prescription,
    known: Iterable[Dispensation],
    offered: Dispensation,
    *,
    now: datetime,
    country: str,
) -> None:
    """Check that a new hand-over may be recorded on a prescription of `country`.

    Raises:
        Conflict: naming the rule that forbids it and what is left.
    """
    known = list(known)
    if offered.status not in HANDED_OVER:
        raise Conflict(f"a hand-over has status completed or in-progress, not {offered.status[:40]}")
    if offered.modified:
        raise Conflict("the dispensation has a modifierExtension, which is not known here; send it without")
    left = remaining(prescription, known)
    if left.none:
        raise Conflict(f"nothing is left on this prescription{_of_copies(prescription)}")
    if reason := _why_never(prescription) or _why_not_written(prescription, now):
        raise Conflict(f"nothing may be dispensed on this prescription: {reason}")
    _check_moment(prescription, offered, now)
    check_valid(prescription, known, offered, now=now, country=country)
    check_time(prescription, known, offered, now)
    product, leave = prescription.product, prescription.leave
    if refusal := why_not_given(leave, product, offered.product, substituted=offered.substituted):
        raise Conflict(refusal)
    _check_amount(prescription, known, offered, left.amount)


def check_valid(
    prescription: Prescription,
    known: Iterable[Dispensation],
    offered: Dispensation,
    *,
    now: datetime,
    country: str,
) -> None:
    """Check that the prescription was valid when it was handed over; where that is not said, now.

    So what was given on its last day can be recorded on the next, and nothing is given before its first.

    Raises:
        Conflict: it was not, or not yet.
    """
    at = min(latest_moment(offered.handed_over) or now, now)
    if reason := _why_not_valid(prescription, at, country, known):
        raise Conflict(f"nothing may be dispensed on this prescription: {reason}")


def _of_copies(prescription: Prescription) -> str:
    if not prescription.copies:
        return ""
    return (
        f": it is kept here {prescription.copies + 1} times under one number, and what is handed over on one "
        "counts on all"
    )


def check_time(
    prescription: Prescription, known: Iterable[Dispensation], offered: Dispensation, now: datetime
) -> None:
    """Check when it was handed over: after the prescription was written, up to now, and not too soon.

    Args:
        prescription: the item.
        known: the other hand-overs on it.
        offered: the hand-over; it may say why it is before its time.
        now: the moment.

    Raises:
        Conflict: naming what is wrong with whenHandedOver, or from when on it may be.
    """
    _check_moment(prescription, offered, now)
    early = too_early(prescription, known, now, offered.handed_over)
    if early is not None and not offered.early_reason:
        raise Conflict(
            f"too early: {early}; to hand over all the same, give the reason as a note with the extension "
            f"{TOO_EARLY}"
        )


def _check_moment(prescription: Prescription, offered: Dispensation, now: datetime) -> None:
    if not offered.handed_over:
        if prescription.interval is not None:
            raise Conflict("this prescription asks for a time between hand-overs: give whenHandedOver")
        return
    try:
        written, moment = offered.handed_over, latest_moment(offered.handed_over)
        if moment is None or not is_within(now + (SKEW if "T" in written else ZONE_MAX), written, ""):
            raise Conflict("whenHandedOver is not a moment up to now; give when the medicine was handed over")
    except (ValueError, TypeError):
        raise Conflict("whenHandedOver cannot be read; give when the medicine was handed over") from None
    if not _has_begun(prescription.authored, moment):
        raise Conflict(f"the prescription was written on {prescription.authored}: correct whenHandedOver")


def _has_begun(written: str, moment: datetime) -> bool:
    """Return whether the moment is not before a dateTime as written, clocks and zones allowed for."""
    if not written:
        return True
    return is_within(moment + (SKEW if "T" in written else ZONE_MAX), written, "")


def too_early(
    prescription: Prescription, known: Iterable[Dispensation], now: datetime, at: str = ""
) -> Hindrance | None:
    """Return whether the time between two hand-overs has not passed yet, or cannot be told; else None.

    Args:
        prescription: the item.
        known: the hand-overs on it; those discarded or declined are none.
        now: the moment.
        at: when it is handed over, as written, "" for now.
    """
    counted = [each for each in known if each.counts]
    if prescription.interval is None or not counted:
        return None
    read = [latest_moment(each.handed_over) for each in counted]
    moments = [min(each, now) for each in read if each is not None]
    if len(moments) < len(counted) or not prescription.interval.is_readable:
        return Hindrance("interval")
    moment = min(latest_moment(at) or now, now)
    earliest = earliest_next(prescription.interval, moments, moment)
    if earliest is None:
        return None
    form = "%Y-%m-%dT%H:%MZ" if prescription.interval.by_moment else "%Y-%m-%d"
    told = earliest.astimezone(UTC).strftime(form)
    return Hindrance("too-early", told)


def _check_amount(
    prescription: Prescription, known: Sequence[Dispensation], offered: Dispensation, left: Amount | None
) -> None:
    once = _at_once(prescription, known)
    unit = left or once
    if unit is None:
        return
    if offered.amount is None or offered.amount.value <= 0:
        raise Conflict("the dispensation must give the quantity handed over, greater than zero")
    if not offered.amount.same_unit(unit):
        raise Conflict(f"the quantity must be given in the prescription's unit ({unit.unit or unit.code})")
    if left is not None and offered.amount.value > left.value:
        raise Conflict(f"only {left} is left on this prescription{_of_copies(prescription)}")
    if once is None:
        return
    most = once.in_unit_of(unit)
    if most is None:
        raise Conflict(f"at most {once} may be handed over now: its unit is not known to be {unit.unit}")
    if offered.amount.value > most:
        raise Conflict(f"at most {once} may be handed over at once")


def most_now(prescription: Prescription, known: Iterable[Dispensation]) -> Amount | None:
    """Return the most that the next hand-over may give, in the unit of what is left.

    None where hand-overs are counted, not amounts.
    """
    known = list(known)
    left, once = remaining(prescription, known).amount, _at_once(prescription, known)
    if left is None or once is None:
        return left or once
    most = once.in_unit_of(left)
    return left if most is None or most >= left.value else msgspec.structs.replace(left, value=most)


def _at_once(prescription: Prescription, known: Iterable[Dispensation]) -> Amount | None:
    """Return the most that one hand-over may give; the first may have a limit of its own (initialFill)."""
    first = not any(each.counts for each in known)
    return prescription.initial if first and prescription.initial is not None else prescription.each


def why_not(
    prescription: Prescription, at: datetime, country: str, known: Iterable[Dispensation] = ()
) -> Hindrance | None:
    """Return why nothing may be dispensed on it at a moment, whatever is left; None when something may.

    Args:
        prescription: the item.
        at: the moment.
        country: where it was prescribed (ISO 3166-1 alpha-2), for its validity where none is written.
        known: the hand-overs on it; those discarded or declined are none.
    """
    return _why_never(prescription) or _why_not_valid(prescription, at, country, known)


def _why_never(prescription: Prescription) -> Hindrance | None:
    """Return why nothing may be dispensed on it, whenever it is asked."""
    if prescription.modified:
        return Hindrance("modified")
    if prescription.forbids:
        return Hindrance("forbidden")
    if prescription.intent not in ORDERS:
        return Hindrance("no-order", prescription.intent[:40] or "not stated")
    if prescription.inpatient:
        return Hindrance("inpatient")
    if prescription.status != "active":
        return Hindrance("status", prescription.status[:40])
    if prescription.replaced:
        return Hindrance("replaced")
    if not (prescription.valid_from or prescription.valid_until or prescription.authored):
        return Hindrance("undated")
    return None


def _why_not_valid(
    prescription: Prescription, at: datetime, country: str, known: Iterable[Dispensation]
) -> Hindrance | None:
    if is_valid_at(prescription, at, country, begun=any(each.counts for each in known)):
        return None
    return _why_not_written(prescription, at) or _why_not_begun(prescription, at) or Hindrance("outside")


def is_valid_at(prescription: Prescription, at: datetime, country: str, *, begun: bool = False) -> bool:
    """Return whether the moment lies in the validity period, and not before the prescription was written.

    Without a written end it is that of `validity.toml`, counted from when it was written or from the start of
    the period, whichever is later; without either, or with dates that cannot be read, it is never valid.

    Args:
        prescription: the item.
        at: the moment.
        country: where it was prescribed (ISO 3166-1 alpha-2).
        begun: whether something was handed over on it.
    """
    end = prescription.valid_until
    try:
        if not end:
            dates = (prescription.authored, prescription.valid_from)
            end = last_day(dates, country, prescription.fills, begun=begun).isoformat()
        return is_within(at, prescription.valid_from, end) and _has_begun(prescription.authored, at)
    except (ValueError, TypeError):  # no date; or a time without zone, which cannot be compared
        return False


def _why_not_written(prescription: Prescription, at: datetime) -> Hindrance | None:
    """Return that its date is still to come; None where it is not, or cannot be read."""
    try:
        written = _has_begun(prescription.authored, at)
    except (ValueError, TypeError):
        return None
    return None if written else Hindrance("not-yet", prescription.authored)


def _why_not_begun(prescription: Prescription, at: datetime) -> Hindrance | None:
    """Return that its validity period is still to come; None where it is not, or cannot be read."""
    try:
        begun = is_within(at, prescription.valid_from, "")
    except (ValueError, TypeError):
        return None
    return None if begun else Hindrance("not-begun", prescription.valid_from)
