import pytest

from salus.web.fhir.evening import leaves_after_ms


@pytest.mark.parametrize(
    ("taken", "leaves"),
    [(0, 4), (0.2, 4), (4, 4), (4.01, 8), (15.9, 16), (16.1, 24), (31, 32), (33, 48), (100, 128)],
)
def test_an_answer_leaves_on_the_next_step(taken, leaves):
    assert leaves_after_ms(taken, beside=0) == leaves


def test_an_answer_leaves_up_to_a_step_after_it():
    assert leaves_after_ms(3, beside=0.5) == 6
    assert leaves_after_ms(17, beside=0.5) == 28


def test_an_answer_that_took_longer_never_leaves_earlier():
    found = [leaves_after_ms(tenth / 10, beside=0.25) for tenth in range(50_000)]
    assert found == sorted(found)


def test_no_answer_leaves_before_it_is_made_or_later_than_a_step_beyond_twice_its_time():
    for taken in range(1, 5_000):
        assert taken <= leaves_after_ms(taken, beside=0)
        assert leaves_after_ms(taken, beside=1) <= 2 * max(4, taken) + 4
