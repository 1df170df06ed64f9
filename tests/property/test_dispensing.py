"""In whatever order, with answers lost and ids taken: the invariants of docs/decisions/0002 hold.

The home node and three pharmacies are kept as values here; every decision is `salus.primary.dispensing`'s.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from salus.core.errors import Conflict, NotFound, PeerUnavailable, SalusError
from salus.primary.amounts import Amount
from salus.primary.dispensable import remaining
from salus.primary.dispensing import (
    ANSWERED,
    TAKING_BACK,
    UNANSWERED,
    Answer,
    Home,
    Line,
    Recorded,
    Recorder,
    Wish,
    answer_of,
    check_known,
    check_prescribed,
    check_write,
    counted_once,
    status_after,
    wished,
)
from salus.primary.intervals import Interval
from salus.primary.prescriptions import Dispensation, Prescription
from salus.primary.substitution import Leave

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PHARMACIES = [Recorder("ee-1", "Apteek"), Recorder("ee-1", "Teine"), Recorder("fr-1", "Pharmacie")]
LOCAL = Recorder("", "Farmácia")
OVERALL = 60
pharmacies, names = st.sampled_from(PHARMACIES), st.sampled_from("abc")
reasons = st.sampled_from(["", "", "travels"])
amounts = st.one_of(st.none(), st.integers(1, 35))
fates = st.sampled_from(["answered", "answered", "answer lost", "never arrived"])


def tablets(value):
    return Amount(Decimal(value), "http://unitsofmeasure.org", "{tbl}", "tablet")


def hand_over(name, value, status="completed", on="rx", at=NOW, reason=""):
    amount = None if value is None else tablets(value)
    when = at.isoformat()
    return Dispensation(f"urn:x|{name}", on, status, amount, False, when, early_reason=reason)


def discarded(dispensation):
    return msgspec.structs.replace(dispensation, status="entered-in-error")


class HomeNode:
    """What the home node stores, and what it does with a message."""

    def __init__(self, prescription):
        self.prescription = prescription
        self.records = {}  # by logical id
        self.loaded = {}  # the same hand-overs as a source sent them, by logical id
        self.used_up = False
        self.edited = False  # by somebody here; then what the source sends is not taken
        self.now = NOW
        self.reachable = True  # not restricted by the citizen, and of a record that the pharmacies open

    def receive(self, offered, by, *, target=None):
        """Take a conditional create, a conditional discard, or an update of the record `target`."""
        same = next(
            (name for name, one in self.records.items() if one.dispensation.identifier == offered.identifier),
            None,
        )
        if target is not None and not self.reachable:
            raise NotFound("no such dispensation")
        if target is None and same is not None and self.reachable:
            if offered.counts:
                check_known(self.records[same], offered, by)
                return
            target = same
        known = self.records | self.loaded if self.reachable else {}
        prescription = self.prescription if self.reachable else None
        home = Home(prescription, known, self.records.get(same), self.records.get(target))
        check_write(home, offered, by, now=self.now, country="PT")
        before = self.records.get(target)
        self.records[target or f"{len(self.records)}"] = Recorded(offered, before.by if before else by)
        self._derive()

    def _derive(self):
        counted = counted_once([*self.records.values(), *self.loaded.values()])
        status = status_after(self.prescription, counted, used_up=self.used_up)
        if status != self.prescription.status:
            self.used_up = status == "completed"
            self.prescription = msgspec.structs.replace(self.prescription, status=status)

    def prescribe(self, **members):
        """The prescriber writes the prescription anew: not active where nothing is left of it."""
        written = msgspec.structs.replace(self.prescription, **members)
        check_prescribed(written, self.counted())
        self.prescription = written
        self.used_up, self.edited = False, True

    def take(self, **members):
        """Load what the source says of the prescription; return whether it was taken."""
        if self.edited:
            return False
        self.prescription = msgspec.structs.replace(self.prescription, **members)
        self.used_up = False
        if any(one.dispensation.counts for one in self.records.values()):
            self._derive()
        return True

    def counted(self, by=None):
        if by is None:
            found = counted_once([*self.records.values(), *self.loaded.values()])
        else:
            found = [one.dispensation for one in self.records.values() if one.by == by]
        return [each for each in found if each.counts]


class Dispensing(RuleBasedStateMachine):
    @initialize(by_amount=st.booleans(), days=st.sampled_from([0, 0, 28]))
    def prescribed(self, by_amount, days):
        each, total = (tablets(30), tablets(OVERALL)) if by_amount else (None, None)
        self.by_amount = by_amount
        self.interval = Interval(rest=timedelta(days)) if days else None
        item = Prescription("rx", "active", "", "2040", each, total, 2, Leave.ANY, authored="2026-11-01")
        self.home = HomeNode(msgspec.structs.replace(item, interval=self.interval))
        self.lines = {}  # (pharmacy, dispense id): (state, message)
        self.given = {}  # (pharmacy, dispense id): what the patient left with
        self.ended = False

    def send(self, key, fate, *, in_doubt):
        """Send the message of a line and bring it to its next state; return the error it ended with."""
        by, _ = key
        state, message = self.lines[key]
        try:
            if fate == "never arrived":
                raise PeerUnavailable("nobody answers")
            self.home.receive(discarded(message) if state in TAKING_BACK else message, by)
            if fate == "answer lost":
                raise PeerUnavailable("the line broke")
            answer, error = Answer.DONE, None
        except SalusError as caught:
            error = PeerUnavailable("the line broke") if fate == "answer lost" else caught
            answer = answer_of(error, in_doubt=in_doubt)
        after = ANSWERED[state, answer]
        self.lines[key] = (after, message)
        if after is Line.RECORDED and state is Line.OPEN:
            self.given[key] = message
        if after is Line.DISCARDED:
            self.given.pop(key, None)
        return error

    @rule(days=st.integers(1, 20))
    def time_passes(self, days):
        self.home.now += timedelta(days)

    @rule(by=pharmacies, name=names, value=amounts, fate=fates, reason=reasons)
    def dispense(self, by, name, value, fate, reason):
        key = (by, name)
        made = hand_over(name, value, at=self.home.now, reason=reason)
        state, message = self.lines.get(key, (None, made))
        if state is Line.REFUSED:
            message = made
        try:
            after = wished(state, Wish.DISPENSE)
        except Conflict:
            return
        self.lines[key] = (after, message)
        self.send(key, fate, in_doubt=state in UNANSWERED)

    @rule(by=pharmacies, name=names, fate=fates)
    def take_back(self, by, name, fate):
        key = (by, name)
        state, message = self.lines.get(key, (None, None))
        try:
            after = wished(state, Wish.TAKE_BACK)
        except Conflict:
            return
        if after is Line.DISCARDED:
            return
        self.lines[key] = (after, message)
        self.send(key, fate, in_doubt=not after == Line.DISCARDING != state)

    @rule()
    def finish(self):
        """Every pharmacy asks until it is answered; then both countries hold the same."""
        for key, (state, _) in list(self.lines.items()):
            if state in UNANSWERED:
                self.send(key, "answered", in_doubt=True)
        for (by, name), (state, message) in self.lines.items():
            assert state not in UNANSWERED
            kept = [
                one.dispensation
                for one in self.home.records.values()
                if one.by == by and one.dispensation.identifier == f"urn:x|{name}"
            ]
            counts = [one for one in kept if one.counts]
            assert len(counts) == (state is Line.RECORDED)
            if counts:
                assert counts[0].amount == message.amount

    @rule(
        name=names, value=amounts, status=st.sampled_from(["completed", "entered-in-error"]), reason=reasons
    )
    def dispense_at_home(self, name, value, status, reason):
        try:
            self.home.receive(hand_over(name, value, status, at=self.home.now, reason=reason), LOCAL)
        except SalusError:
            return

    @rule(
        data=st.data(),
        by=st.sampled_from([*PHARMACIES, LOCAL]),
        name=names,
        value=amounts,
        back=st.integers(0, 20),
        reason=reasons,
    )
    def change_a_record(self, data, by, name, value, back, reason):
        """Anybody puts or patches a recorded dispensation: only its recorder may, and only to discard it."""
        if not self.home.records:
            return
        target = data.draw(st.sampled_from(sorted(self.home.records)))
        status = data.draw(st.sampled_from(["completed", "in-progress", "entered-in-error"]))
        on = data.draw(st.sampled_from(["rx", "another"]))
        before = self.home.records[target]
        if by in PHARMACIES and before.by == by:
            return  # a node changes its own by its line
        try:
            made = hand_over(name, value, status, on, self.home.now - timedelta(back), reason)
            self.home.receive(made, by, target=target)
        except SalusError:
            assert self.home.records[target] == before
            return
        after = self.home.records[target]
        assert after.by == before.by == by
        was, now = before.dispensation, after.dispensation
        assert (was.identifier, was.prescription) == (now.identifier, now.prescription)
        assert was.counts or not now.counts
        assert not now.counts or was.amount == now.amount

    @rule(data=st.data(), told=st.booleans())
    def load(self, data, told):
        """A source sends what was recorded here, `told`: with an identifier of its own too."""
        if not self.home.records:
            return
        target = data.draw(st.sampled_from(sorted(self.home.records)))
        made = self.home.records[target].dispensation
        sent = msgspec.structs.replace(made, identifier=f"own|{target}", numbers=frozenset({made.identifier}))
        self.home.loaded[f"loaded-{target}"] = Recorded(sent if told else made, Recorder("", ""))

    @rule(status=st.sampled_from(["cancelled", "completed", "stopped"]))
    def end(self, status):
        self.home.prescribe(status=status)
        self.ended = True

    @rule(status=st.sampled_from(["active", "active", "cancelled", "stopped", "completed"]))
    def its_source_sends_it_again(self, status):
        """What hand-overs made of its status is nobody's word: the source's is taken, and derived again."""
        if self.home.take(status=status):
            self.ended = status != "active"

    @rule()
    def note(self):
        """The prescriber changes something else, and sends the status that they read."""
        self.home.prescribe(authored="2026-11-02")
        self.ended = self.ended or self.home.prescription.status != "active"

    @rule()
    def reopen(self):
        """The prescriber writes it active, knowingly or from an old copy."""
        try:
            self.home.prescribe(status="active")
        except Conflict:
            assert remaining(self.home.prescription, self.home.counted()).none
            return
        self.ended = False

    @invariant()
    def what_is_active_has_something_left(self):
        if hasattr(self, "home") and self.home.prescription.status == "active":
            assert not remaining(self.home.prescription, self.home.counted()).none

    @rule(reachable=st.booleans())
    def restrict_or_unmerge(self, reachable):
        self.home.reachable = reachable

    @invariant()
    def what_its_prescriber_ended_stays_ended(self):
        if hasattr(self, "home"):
            assert not self.ended or self.home.prescription.status != "active"

    @invariant()
    def never_too_early_without_a_reason(self):
        """Of any two hand-overs that count there was time between, or one says why not."""
        if not hasattr(self, "home") or self.interval is None:
            return
        for before, after in combinations(self.home.counted(), 2):
            first, last = sorted(datetime.fromisoformat(each.handed_over) for each in (before, after))
            assert (
                before.early_reason or after.early_reason or last.date() - first.date() >= self.interval.rest
            )

    @invariant()
    def never_more_than_prescribed(self):
        if not hasattr(self, "home"):
            return
        counted, left = self.home.counted(), remaining(self.home.prescription, self.home.counted())
        if self.by_amount:
            handed_over = sum(one.amount.value for one in counted)
            assert handed_over + left.amount.value == OVERALL
        else:
            assert len(counted) + left.fills == 2

    @invariant()
    def what_a_patient_left_with_counts_exactly_once(self):
        if not hasattr(self, "home"):
            return
        for (by, name), message in self.given.items():
            state = self.lines[by, name][0]
            kept = [one for one in self.home.counted(by) if one.identifier == f"urn:x|{name}"]
            assert len(kept) == 1 or (state in TAKING_BACK and not kept)
            assert all(one.amount == message.amount for one in kept)


Dispensing.TestCase.settings = settings(
    Dispensing.TestCase.settings, max_examples=150, stateful_step_count=40, deadline=None
)
TestDispensing = Dispensing.TestCase
