"""The tables of docs/decisions/0002 as they are decided."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from salus.core.errors import (
    AccessRefused,
    AlreadyDone,
    Conflict,
    InvalidResource,
    KeptAsIs,
    NotFound,
    PeerUnavailable,
)
from salus.primary.amounts import Amount
from salus.primary.dispensing import (
    ANSWERED,
    UNANSWERED,
    WISHED,
    Answer,
    Home,
    Line,
    Recorded,
    Recorder,
    Wish,
    answer_of,
    check_prescribed,
    check_recorded,
    check_write,
    counted_once,
    status_after,
    wished,
)
from salus.primary.prescriptions import Dispensation, Prescription
from salus.primary.substitution import Leave

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TALLINN, TARTU, LISBON = Recorder("ee-1", "Apteek"), Recorder("ee-1", "Teine"), Recorder("", "Farmácia")
LOADED = Recorder("", "")


def tablets(value):
    return Amount(Decimal(value), "http://unitsofmeasure.org", "{tbl}", "tablet")


def prescription(status="active", fills=1):
    return Prescription(
        "rx", status, "", "", tablets(30), tablets(30 * fills), fills, Leave.ANY, authored="2026-11-01"
    )


def given(value=30, status="completed", name="d1", on="rx"):
    return Dispensation(f"urn:x|{name}", on, status, tablets(value), False, "")


def check(home, offered, by=TALLINN):
    check_write(home, offered, by, now=NOW, country="PT")


MADE, BACK = given(), given(status="entered-in-error")


@pytest.mark.parametrize(
    ("same", "target", "offered", "by", "error"),
    [
        (None, None, MADE, TALLINN, None),
        (None, None, BACK, TALLINN, None),
        (MADE, None, MADE, TALLINN, AlreadyDone),
        (MADE, None, given(29), TALLINN, Conflict),
        (MADE, None, given(on="other"), TALLINN, Conflict),
        (MADE, None, MADE, TARTU, Conflict),
        (MADE, None, MADE, LISBON, Conflict),
        (MADE, None, BACK, TALLINN, KeptAsIs),
        (MADE, None, BACK, LISBON, Conflict),
        (BACK, None, BACK, TALLINN, AlreadyDone),
        (BACK, None, MADE, TALLINN, Conflict),
        (MADE, MADE, BACK, TALLINN, None),
        (BACK, BACK, BACK, TALLINN, None),
        (MADE, MADE, MADE, TALLINN, None),
        (MADE, MADE, BACK, TARTU, Conflict),
        (MADE, MADE, BACK, LISBON, AccessRefused),
        (MADE, MADE, MADE, TARTU, AccessRefused),
        (MADE, MADE, given(29), TALLINN, Conflict),
        (MADE, MADE, given(name="d2"), TALLINN, Conflict),
        (MADE, MADE, given(on="other"), TALLINN, Conflict),
        (MADE, MADE, given(on="other", status="entered-in-error"), TALLINN, Conflict),
        (BACK, BACK, MADE, TALLINN, Conflict),
    ],
)
def test_what_may_be_written_of_a_dispense_id(same, target, offered, by, error):
    known = {"1": Recorded(same, TALLINN)} if same else {}
    home = Home(prescription(), known, known.get("1"), Recorded(target, TALLINN) if target else None)
    if error is None:
        check(home, offered, by)
    else:
        with pytest.raises(error) as raised:
            check(home, offered, by)
        assert type(raised.value) is error


def test_a_hand_over_may_not_be_moved_to_another_time_than_it_can_have_been():
    made = msgspec.structs.replace(MADE, handed_over="2026-11-20")
    home = Home(prescription(), {}, None, Recorded(made, TALLINN))
    check(home, msgspec.structs.replace(made, handed_over="2026-11-23"))
    for other in ("2099-01-01", "2020-01-01", "soon"):
        with pytest.raises(Conflict, match="whenHandedOver"):
            check(home, msgspec.structs.replace(made, handed_over=other))


def test_a_hand_over_may_not_be_moved_out_of_the_validity_of_its_prescription():
    item = msgspec.structs.replace(prescription(), valid_from="2026-11-10", valid_until="2026-11-23")
    made = Recorded(msgspec.structs.replace(MADE, handed_over="2026-11-20"), TALLINN)
    home = Home(item, {"1": made}, target=made)
    for outside in ("2026-11-05", "2026-11-24"):
        with pytest.raises(Conflict, match="validity period"):
            check(home, msgspec.structs.replace(MADE, handed_over=outside))
    check(home, msgspec.structs.replace(MADE, handed_over="2026-11-23"))
    shortened = msgspec.structs.replace(item, valid_until="2026-11-15")
    check(Home(shortened, {"1": made}, target=made), msgspec.structs.replace(MADE, handed_over="2026-11-20"))


def test_a_prescription_on_which_nothing_is_left_is_not_written_active():
    check_prescribed(prescription("completed"), [given()])
    check_prescribed(prescription("active"), [given(29)])
    check_prescribed(prescription("active", fills=2), [given()])
    check_prescribed(prescription("active"), [BACK])
    with pytest.raises(Conflict, match="not active any more"):
        check_prescribed(prescription("active"), [given()])


def test_what_was_loaded_is_taken_back_by_any_pharmacy_of_its_node():
    home = Home(prescription(), {}, None, Recorded(MADE, LOADED))
    check(home, BACK, LISBON)
    with pytest.raises(Conflict):
        check(home, BACK, TALLINN)


def test_a_prescription_that_is_not_there_takes_no_new_hand_over_but_its_record_is_corrected():
    with pytest.raises(NotFound):
        check(Home(None, {}), MADE)
    with pytest.raises(NotFound):
        check(Home(None, {}), BACK)
    check(Home(None, {}, Recorded(MADE, TALLINN), Recorded(MADE, TALLINN)), BACK)
    with pytest.raises(AlreadyDone):
        check(Home(None, {}, Recorded(MADE, TALLINN)), MADE)


@pytest.mark.parametrize(
    ("status", "counted", "used_up", "after"),
    [
        ("active", [given()], False, "completed"),
        ("active", [given(20)], False, "active"),
        ("completed", [BACK], True, "active"),
        ("completed", [BACK], False, "completed"),
        ("completed", [given()], True, "completed"),
        ("cancelled", [BACK], True, "cancelled"),
        ("on-hold", [given()], False, "on-hold"),
    ],
)
def test_only_what_a_hand_over_completed_is_active_again(status, counted, used_up, after):
    assert status_after(prescription(status), counted, used_up=used_up) == after


def test_every_state_has_a_line_in_the_tables():
    assert set(WISHED) == {(state, wish) for state in (None, *Line) for wish in Wish}
    sent = {*UNANSWERED, Line.RECORDED}
    assert set(ANSWERED) == {(state, answer) for state in sent for answer in Answer}
    assert all(ANSWERED[state, Answer.UNKNOWN] is state for state in sent)


@pytest.mark.parametrize("state", [Line.ABANDONING, Line.DISCARDING, Line.DISCARDED])
def test_what_is_taken_back_is_not_handed_over_under_the_same_id(state):
    with pytest.raises(Conflict, match="new dispense id"):
        wished(state, Wish.DISPENSE)


@pytest.mark.parametrize(
    ("error", "in_doubt", "answer"),
    [
        (AlreadyDone("x"), True, Answer.DONE),
        (KeptAsIs("x"), True, Answer.KEPT),
        (Conflict("x"), True, Answer.REFUSED),
        (NotFound("x"), True, Answer.REFUSED),
        (InvalidResource("x"), True, Answer.REFUSED),
        (AccessRefused("x"), False, Answer.REFUSED),
        (AccessRefused("x"), True, Answer.UNKNOWN),
        (PeerUnavailable("x"), False, Answer.UNKNOWN),
    ],
)
def test_what_a_failure_tells(error, in_doubt, answer):
    assert answer_of(error, in_doubt=in_doubt) is answer


def test_what_another_node_says_it_recorded_must_be_what_was_sent():
    check_recorded(MADE, MADE)
    for other in (given(29), given(name="d2"), given(on="other")):
        with pytest.raises(Conflict):
            check_recorded(MADE, other)


def numbered(*names, value=30, status="completed"):
    made = given(value, status, name="own")
    return msgspec.structs.replace(
        made, identifier="own", numbers=frozenset(f"urn:x|{each}" for each in names)
    )


@pytest.mark.parametrize(
    ("recorded", "counted"),
    [
        ([(MADE, LISBON), (given(30), LOADED)], [30]),
        ([(given(10), LOADED), (given(30), LOADED)], [30]),
        ([(given(10), LISBON), (given(30), LOADED)], [10]),
        ([(BACK, LISBON), (given(30), LOADED)], []),
        ([(BACK, LOADED), (given(30), LOADED)], [30]),
        ([(MADE, LISBON), (numbered("d1", "77"), LOADED)], [30]),
        ([(numbered("77", value=10), LOADED), (numbered("d1", "77", value=10), LOADED)], [10]),
        ([(MADE, LISBON), (given(10, name="d2"), LOADED)], [10, 30]),
    ],
)
def test_records_of_one_hand_over_count_once(recorded, counted):
    for pairs in (recorded, recorded[::-1]):
        found = counted_once([Recorded(dispensation, by) for dispensation, by in pairs])
        assert sorted(each.amount.value for each in found if each.counts) == counted
