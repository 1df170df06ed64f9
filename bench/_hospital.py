"""A synthetic hospital's accesses with insiders among the staff, seeded. No person in it exists.

It knows nothing of the detectors: people work shifts, patients come, move and go, and records are opened for
reasons. Every number that a real house could have otherwise is drawn anew for each seed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from salus.core.access import Leaf, Outcome
from salus.trust.breach.facts import Contact, Facts

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOUSE = "Hospital Sintético"


class Shape(msgspec.Struct, frozen=True):
    """What is asked for.

    Args:
        staff: how many work there.
        days: how long.
        insiders: how many of each kind.
        units_known: whether the facts name the wards.
        contacts_known: whether the facts hold the encounters.
    """

    staff: int = 500
    days: int = 90
    insiders: int = 2
    units_known: bool = True
    contacts_known: bool = True


class Hospital(msgspec.Struct, frozen=True):
    """What happened: the leaves in order, what is known besides, and who did wrong, by kind."""

    leaves: list[Leaf]
    facts: Facts
    insiders: dict[str, str]


class _Stay(msgspec.Struct):
    patient: str
    begins: int  # hours since BEGIN
    ends: int
    wards: list[tuple[int, int]]  # from which hour, which ward


class _Worker(msgspec.Struct):
    subject: str
    job: str
    ward: int
    first: int
    last: int
    away: list[tuple[int, int]]
    busy: float
    phase: int
    is_locum: bool = False


class _Maker:
    """One run; every draw comes from one generator."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.random = random.Random(seed)
        self.shape = shape
        self.hours = shape.days * 24
        self.rows: list[tuple[float, int, Leaf]] = []
        draw = self.random
        self.wards = max(3, round(shape.staff / draw.uniform(18, 32)))
        self.style = {
            "beds": draw.randint(14, 30),
            "stay_days": draw.uniform(3, 8),
            "transfer": draw.uniform(0.1, 0.35),
            "slip": draw.uniform(0.001, 0.008),
            "after": draw.uniform(0.01, 0.05),
            "write": draw.uniform(0.1, 0.4),
            "per_shift": draw.uniform(0.6, 1.2),
            "glass": draw.uniform(0.1, 0.6),
            "glass_alone": draw.uniform(0.0, 0.03),
            "refused": draw.uniform(0.002, 0.01),
            "famous": draw.uniform(0.001, 0.004),
        }
        self.patients = [self._patient(number) for number in range(shape.staff * 30)]
        self.stays: list[_Stay] = []
        self.by_ward: dict[tuple[int, int], list[str]] = {}
        self.last_ward: dict[str, tuple[int, int]] = {}
        self.booked: dict[tuple[str, int], list[str]] = {}
        self.contacts: dict[str, list[Contact]] = {}
        self.workers = [self._worker(number) for number in range(shape.staff)]
        ids = draw.sample(self.patients, round(shape.staff * 0.5) + 60)
        works_here = ids[: round(shape.staff * 0.15)]
        self.staff = dict(
            zip(works_here, draw.sample([w.subject for w in self.workers], len(works_here)), strict=True)
        )
        own = {subject: patient for patient, subject in self.staff.items()}
        self.kin = {subject: frozenset({patient}) for subject, patient in own.items()}
        for worker in draw.sample(self.workers, round(shape.staff * 0.3)):
            family = draw.sample(ids[len(works_here) :], draw.randint(1, 3))
            self.kin[worker.subject] = self.kin.get(worker.subject, frozenset()) | frozenset(family)
        self.famous = frozenset(
            draw.sample(self.patients, max(5, round(len(self.patients) * self.style["famous"])))
        )
        taken = set(ids) | self.famous
        self.honey = frozenset(f"p{700_000 + each}" for each in draw.sample(range(9_999), 20))
        self.strange = [patient for patient in self.patients if patient not in taken]

    def _patient(self, number: int) -> str:
        return f"p{100_000 + number * 3 + self.random.randrange(3)}"

    def _worker(self, number: int) -> _Worker:
        draw, days = self.random, self.shape.days
        job = draw.choices(
            ["nurse", "doctor", "clinic", "emergency", "pharmacist", "laboratory", "office", "float"],
            [50, 20, 8, 7, 3, 5, 4, 3],
        )[0]
        is_locum = draw.random() < 0.08
        first, last = 0, days
        if is_locum:
            first = draw.randrange(max(1, days - 14))
            last = min(days, first + draw.randint(7, 40))
        away = []
        for _ in range(draw.choice([0, 1, 1, 2])):
            begins = draw.randrange(days)
            away.append((begins, begins + draw.choice([2, 5, 7, 14, 21])))
        busy = draw.lognormvariate(0, 0.35)
        return _Worker(
            f"s{number:04}",
            job,
            draw.randrange(self.wards),
            first,
            last,
            away,
            busy,
            draw.randrange(28),
            is_locum,
        )

    # Patients

    def admit(self) -> None:
        """Fill the wards: stays with moves between wards, and appointments at the clinics."""
        draw, style = self.random, self.style
        free = [
            (draw.uniform(-style["stay_days"], style["stay_days"]) * 24, ward, bed)
            for ward in range(self.wards)
            for bed in range(int(style["beds"]))
        ]
        heapq.heapify(free)
        pool = list(self.patients)
        draw.shuffle(pool)
        place = 0
        while free:
            at, ward, bed = heapq.heappop(free)
            if at >= self.hours:
                continue
            patient = pool[place % len(pool)]
            place += 1
            length = max(6, round(draw.lognormvariate(0, 0.8) * style["stay_days"] * 24))
            begins, ends = round(at), round(at) + length
            wards = [(begins, ward)]
            if draw.random() < style["transfer"]:
                wards.append((draw.randrange(begins, ends), draw.randrange(self.wards)))
            self.stays.append(_Stay(patient, begins, ends, wards))
            heapq.heappush(free, (ends + draw.expovariate(1 / 10), ward, bed))
        for stay in self.stays:
            for number, (begins, ward) in enumerate(stay.wards):
                ends = stay.wards[number + 1][0] if number + 1 < len(stay.wards) else stay.ends
                self._contact(stay.patient, begins, ends, f"ward {ward}")
                for hour in range(max(begins, 0), min(ends + 1, self.hours)):
                    self.by_ward.setdefault((ward, hour), []).append(stay.patient)

    def _contact(self, patient: str, begins: int, ends: int, unit: str) -> None:
        contact = Contact(BEGIN + timedelta(hours=begins), BEGIN + timedelta(hours=ends), unit)
        self.contacts.setdefault(patient, []).append(contact)

    # Work

    def work(self) -> None:
        """Play every worker's shifts."""
        for worker in self.workers:
            for day in range(worker.first, worker.last):
                if any(begins <= day < ends for begins, ends in worker.away):
                    continue
                shift = self.shift(worker, day)
                if shift is not None:
                    self._play(worker, day, *shift)

    def shift(self, worker: _Worker, day: int) -> tuple[int, int] | None:
        """Return from which hour the worker works on the day, and how long; None when off."""
        weekend = (day + BEGIN.weekday()) % 7 >= 5
        cycle = (day + worker.phase) % 28
        if worker.job in ("nurse", "emergency", "float"):
            block = cycle % 7
            if block >= 5:
                return None
            return ((6, 14, 22)[(cycle // 7) % 3], 8)
        if worker.job == "doctor" and cycle % 9 == 4:
            return (17, 15)  # on call, for several wards
        if worker.job == "laboratory" and cycle % 10 == 3:
            return (20, 10)
        return None if weekend else (8, 9)

    def _play(self, worker: _Worker, day: int, start: int, length: int) -> None:
        draw, style = self.random, self.style
        if worker.is_locum and day % 7 == 0:
            worker.ward = draw.randrange(self.wards)
        rate = {
            "nurse": 9,
            "doctor": 13,
            "clinic": 14,
            "emergency": 16,
            "pharmacist": 35,
            "laboratory": 30,
            "office": 25,
            "float": 9,
        }[worker.job]
        count = round(draw.gauss(rate, rate**0.5) * worker.busy * style["per_shift"])
        ward = draw.randrange(self.wards) if worker.job == "float" else worker.ward
        on_call = worker.job == "doctor" and length > 9
        for _ in range(max(count, 1)):
            hour = day * 24 + start + int(draw.random() * length)
            if hour >= self.hours:
                continue
            patient, purpose = self._case(worker, hour, ward, on_call)
            if patient is None:
                continue
            if draw.random() < style["slip"]:
                patient = draw.choice(self.patients)
            if draw.random() < style["refused"]:
                self.leaf(worker, hour, patient, outcome=Outcome.REFUSED)
                continue
            for _ in range(draw.choice([1, 1, 2, 3])):
                write = draw.random() < style["write"] and worker.job not in ("office", "pharmacist")
                self.leaf(worker, hour, patient, purpose=purpose, action="create" if write else "read")

    def _case(self, worker: _Worker, hour: int, ward: int, on_call: bool) -> tuple[str | None, str]:
        """Return whose record the work is about now, and for what purpose it is opened."""
        draw, style = self.random, self.style
        if worker.job == "clinic":
            return self._appointment(worker, hour), "TREAT"
        if worker.job == "emergency":
            return self._arrival(worker, hour)
        if worker.job == "office":
            stay = draw.choice(self.stays)
            return stay.patient, "TREAT"
        if worker.job in ("pharmacist", "laboratory") or on_call:
            ward = (worker.ward + draw.randrange(6)) % self.wards if on_call else draw.randrange(self.wards)
        elif draw.random() < style["after"]:
            hour = max(0, hour - draw.randrange(24 * 20))  # a letter, a late result
        here = self.by_ward.get((ward, min(hour, self.hours - 1)))
        return (draw.choice(here) if here else None), "TREAT"

    def _appointment(self, worker: _Worker, hour: int) -> str:
        key = (worker.subject, hour // 24)
        if key not in self.booked:
            self.booked[key] = self.random.sample(self.patients, 14)
            for patient in self.booked[key]:
                self._contact(patient, hour // 24 * 24 + 8, hour // 24 * 24 + 17, f"ward {worker.ward}")
        return self.random.choice(self.booked[key])

    def _arrival(self, worker: _Worker, hour: int) -> tuple[str, str]:
        draw, style = self.random, self.style
        key = ("emergency", hour // 6)
        if key not in self.booked:
            self.booked[key] = draw.sample(self.patients, 12)
            for patient in self.booked[key]:
                self._contact(patient, hour // 6 * 6, hour // 6 * 6 + 8, "emergency")
        if draw.random() < style["glass_alone"]:
            return draw.choice(self.patients), "ETREAT"  # called, never arrived
        return draw.choice(self.booked[key]), "ETREAT" if draw.random() < style["glass"] else "TREAT"

    def leaf(
        self, worker: _Worker, hour: int, patient: str, *, purpose: str = "TREAT", action: str = "read",
        outcome: Outcome = Outcome.SERVED, times: int = 1,
    ) -> None:  # fmt: skip
        """Write one leaf down, at some moment of the hour."""
        at = hour + self.random.random()
        number = len(self.rows)
        what = self.random.choice(
            ["Observation?patient", "MedicationRequest?patient", f"Patient/{patient}", "summary"]
        )
        role = {"pharmacist": "pharmacist", "office": "operator"}.get(worker.job, "clinician")
        self.rows.append((at, number, Leaf(
            at=BEGIN + timedelta(hours=at), request=f"r{number}", patient=patient, subject=worker.subject,
            name=f"Worker {worker.subject[1:]}", role=role, organisation=HOUSE, node="", purpose=purpose,
            action=action, what=what, resources=times if outcome is Outcome.SERVED else 0, outcome=outcome,
            rule="clinician-reads-for-treatment",
        )))  # fmt: skip

    def unknown(self, hour: int, times: int) -> None:
        """Write down refused tokens, as the node counts them."""
        at, number = hour + self.random.random(), len(self.rows)
        self.rows.append((at, number, Leaf(
            at=BEGIN + timedelta(hours=at), request=f"r{number}", patient="", subject="", name="", role="",
            organisation="", node="", purpose="", action="authenticate", what="bearer token", resources=times,
            outcome=Outcome.REFUSED, rule="not-authenticated",
        )))  # fmt: skip

    # Wrong

    def corrupt(self) -> dict[str, str]:
        """Let some of the staff do wrong besides their work; return them with their kind."""
        able = [
            w for w in self.workers if not w.is_locum and w.job in ("nurse", "doctor", "clinic", "laboratory")
        ]
        with_kin = [w for w in able if w.subject in self.kin]
        found: dict[str, str] = {}
        for kind, play in KINDS.items():
            pool = with_kin if kind == "family" else able
            for worker in self.random.sample(
                [w for w in pool if w.subject not in found], self.shape.insiders
            ):
                found[worker.subject] = kind
                first = self.random.randint(self.shape.days // 6, self.shape.days * 2 // 3)
                for day in range(first, self.shape.days):
                    play(self, worker, day, day - first)
        return found

    def moment(self, worker: _Worker, day: int) -> int:
        """Return an hour of the worker's shift of the day, or of office hours when off."""
        start, length = self.shift(worker, day) or (9, 8)
        return min(day * 24 + start + self.random.randrange(length), self.hours - 1)


Play = Callable[[_Maker, _Worker, int, int], None]


def _harvest(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Copy many records, on a few days."""
    if maker.random.random() < 0.12:
        hour = maker.moment(worker, day)
        for patient in maker.random.sample(maker.strange, maker.random.randint(40, 150)):
            maker.leaf(worker, hour, patient)


def _night(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Look at records deep in the night, off duty, some of the own ward."""
    if maker.random.random() < 0.3:
        hour = day * 24 + maker.random.choice([1, 2, 3, 4])
        own = maker.by_ward.get((worker.ward, hour), [])
        for _ in range(maker.random.randint(2, 6)):
            maker.leaf(
                worker,
                hour,
                maker.random.choice(own if own and maker.random.random() < 0.3 else maker.strange),
            )


def _famous(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Be curious about people in the public eye."""
    if maker.random.random() < 0.2:
        maker.leaf(worker, maker.moment(worker, day), maker.random.choice(sorted(maker.famous)))


def _colleagues(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Be curious about the people one works with."""
    if maker.random.random() < 0.2:
        maker.leaf(worker, maker.moment(worker, day), maker.random.choice(sorted(maker.staff)))


def _family(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Follow one's family."""
    if maker.random.random() < 0.2:
        maker.leaf(worker, maker.moment(worker, day), maker.random.choice(sorted(maker.kin[worker.subject])))


def _glass(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Call an emergency what is none."""
    if maker.random.random() < 0.15:
        for patient in maker.random.sample(maker.strange, maker.random.randint(1, 3)):
            maker.leaf(worker, maker.moment(worker, day), patient, purpose="ETREAT")


def _enumerate(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Try one id after the other; most are nobody's, and one may be honey."""
    if maker.random.random() < 0.15:
        hour, start = maker.moment(worker, day), maker.random.randrange(len(maker.patients) - 40)
        known = set(maker.patients)
        first = int(maker.patients[start][1:])
        for number in range(first, first + maker.random.randint(15, 45)):
            real = f"p{number}" in known
            maker.leaf(worker, hour, f"p{number}", outcome=Outcome.SERVED if real else Outcome.FAILED)


def _strangers(maker: _Maker, worker: _Worker, day: int, since: int) -> None:
    """Look up acquaintances and neighbours: few, often again."""
    if maker.random.random() < 0.35:
        circle = random.Random(worker.subject).sample(maker.strange, 12)
        for _ in range(maker.random.randint(1, 2)):
            maker.leaf(worker, maker.moment(worker, day), maker.random.choice(circle))


KINDS: dict[str, Play] = {
    "harvest": _harvest,
    "night": _night,
    "famous": _famous,
    "colleagues": _colleagues,
    "family": _family,
    "glass": _glass,
    "enumerate": _enumerate,
    "strangers": _strangers,
}


def hospital(seed: int, shape: Shape) -> Hospital:
    """Return what happened in the synthetic hospital of the seed."""
    maker = _Maker(seed, shape)
    maker.admit()
    maker.work()
    insiders = maker.corrupt()
    for hour in range(maker.hours):
        if maker.random.random() < 0.4:
            maker.unknown(hour, maker.random.randint(1, 6))
    maker.rows.sort(key=lambda row: row[:2])
    facts = Facts(
        units={w.subject: f"ward {w.ward}" if w.job in ("nurse", "doctor", "clinic") else w.job
               for w in maker.workers} if shape.units_known else {},
        contacts=maker.contacts if shape.contacts_known else {},
        honey=maker.honey,
        protected=maker.famous,
        staff=maker.staff,
        kin=maker.kin,
    )  # fmt: skip
    return Hospital([leaf for _, _, leaf in maker.rows], facts, insiders)
