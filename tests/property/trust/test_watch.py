"""The watch over hospitals that differ in size, work and wards: insiders are found, others left alone."""

from __future__ import annotations

import msgspec
import pytest
from bench._hospital import Shape, hospital
from bench.breach import watch

from salus.trust.breach.memory import Watch
from salus.trust.breach.thresholds import thresholds
from salus.trust.breach.watch import see

SHAPES = {
    "with facts": Shape(staff=120, days=45, insiders=1),
    "from the leaves alone": Shape(staff=150, days=40, insiders=1, units_known=False, contacts_known=False),
}


@pytest.fixture(scope="module")
def house():
    return hospital(11, Shape(staff=60, days=21, insiders=1))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_insiders_are_found_and_few_others(shape):
    found, insiders, false, accesses = 0, 0, 0, 0
    for seed in (12, 13):
        many = hospital(seed, shape)
        subjects = [finding.subject for finding in watch(many)]
        found += len(set(subjects) & set(many.insiders))
        insiders += len(many.insiders)
        false += sum(subject not in many.insiders for subject in subjects)
        accesses += len(many.leaves)
    assert false <= accesses / 5_000
    assert found >= 0.6 * insiders  # a third of the staff and half of the time of the figure in bench/


def test_a_house_without_insiders_is_left_alone():
    quiet = hospital(15, Shape(staff=150, days=40, insiders=0))
    assert len(watch(quiet)) <= 1 + len(quiet.leaves) / 5_000


def test_a_memory_that_was_kept_and_read_back_goes_on_as_if_it_had_not(house):
    memory, told = Watch(), []
    for index, leaf in enumerate(house.leaves):
        if index % 1_000 == 0:
            memory = msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=Watch)
        told += see(memory, house.facts, index, leaf)
    assert told
    assert told == watch(house)


def test_the_memory_of_a_person_and_of_a_patient_is_bounded(house):
    terms, memory = thresholds(), Watch()
    harvester = house.leaves[0].subject
    for index, leaf in enumerate(house.leaves):
        see(memory, house.facts, index, leaf)
    last = house.leaves[-1]
    for number in range(5_000):
        see(
            memory, house.facts, len(house.leaves) + number,
            msgspec.structs.replace(last, subject=harvester, patient=f"q{number}"),
        )  # fmt: skip
    for person in memory.people.values():
        assert len(person.days) <= terms.settle_days + 1
        assert all(len(day) <= terms.sightings_per_day_max for day in person.days.values())
        assert len(person.ties) <= terms.colleagues_max
        assert len(person.strangers) <= terms.strangers_max
        assert all(len(leaves) <= terms.evidence_max for leaves in person.evidence.values())
    assert all(len(trail.visits) <= terms.company_max for trail in memory.trails.values())


def test_every_finding_names_who_what_and_the_leaves_that_show_it(house):
    for finding in watch(house):
        assert finding.reasons
        for reason in finding.reasons:
            assert reason.sentence in finding.sentence
            assert reason.leaves
            assert all(house.leaves[leaf].subject == finding.subject for leaf in reason.leaves)
