"""Two that bear one number are one prescription; what a later one names is replaced."""

import pytest

from salus.primary.same_prescription import is_replaced, named_with_copies


def order(*numbers, status="active", intent="order", prior=None):
    identifiers = [{"system": system, "value": value} for system, value in numbers]
    prior = {} if prior is None else {"priorPrescription": prior}
    return {"status": status, "intent": intent, "identifier": identifiers} | prior


A, B, C = ("urn:rx", "1"), ("urn:ward", "1"), ("urn:rx", "2")


@pytest.mark.parametrize(
    ("beside", "copies"),
    [
        ({}, set()),
        ({"y": order(A)}, {"y"}),
        ({"y": order(A, status="completed")}, {"y"}),
        ({"y": order(B)}, set()),
        ({"y": order(("", "1"))}, set()),
        ({"y": order(A, B), "z": order(B)}, {"y", "z"}),
        ({"y": order(B, C), "z": order(B)}, set()),
    ],
)
def test_orders_that_bear_one_number_are_copies_also_by_way_of_another(beside, copies):
    names = named_with_copies("x", {"x": order(A), **beside})
    assert names.ids == {"x", *copies}


def test_a_number_without_a_system_makes_no_copies():
    orders = {"x": {"identifier": [{"value": "1"}]}, "y": {"identifier": [{"value": "1"}]}}
    assert named_with_copies("x", orders).ids == {"x"}


X, BY_NUMBER = {"reference": "MedicationRequest/x"}, {"identifier": {"system": "urn:rx", "value": "1"}}


@pytest.mark.parametrize(
    ("later", "replaced"),
    [
        (order(C, prior=X), True),
        (order(C, prior={"reference": "MedicationRequest/x/_history/3"}), True),
        (order(C, prior=BY_NUMBER), True),
        (order(C, status="cancelled", prior=X), True),
        (order(A, prior=X), True),
        (order(A, prior=BY_NUMBER), False),
        (order(C), False),
        (order(C, status="draft", prior=X), False),
        (order(C, status="entered-in-error", prior=X), False),
        (order(C, intent="proposal", prior=X), False),
        (order(C, prior={"reference": "MedicationRequest/z"}), False),
        (order(C, prior={"reference": "https://e.example/MedicationRequest/x"}), False),
        (order(C, prior={"identifier": {"system": "urn:ward", "value": "1"}}), False),
    ],
)
def test_what_an_order_names_as_its_prior_prescription_is_replaced(later, replaced):
    orders = {"x": order(A), "later": later}
    assert is_replaced("x", orders, named_with_copies("x", orders)) is replaced
    assert not is_replaced("later", orders, named_with_copies("later", orders))


def test_a_copy_of_what_is_replaced_is_replaced_and_a_copy_of_what_replaces_is_not():
    orders = {"x": order(A), "copy": order(A), "y": order(C, prior=X), "y2": order(C, prior=X)}
    found = {each for each in orders if is_replaced(each, orders, named_with_copies(each, orders))}
    assert found == {"x", "copy"}


def test_one_that_names_itself_is_not_replaced():
    orders = {"x": order(A, prior=X)}
    assert not is_replaced("x", orders, named_with_copies("x", orders))
