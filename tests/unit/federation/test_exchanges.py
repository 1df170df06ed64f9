import httpx
import pytest

from salus.core.errors import AccessRefused, PeerUnavailable
from salus.core.tally import Outcome
from salus.federation.exchanges import category_of, outcome_of_answer, outcome_of_error


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("Patient/_search", "look-up"),
        ("Patient/p1/$summary", "patient-summary"),
        ("DocumentReference/_search", "documents"),
        ("Binary/b1", "documents"),
        ("MedicationRequest/_search", "electronic-prescription"),
        ("", "electronic-dispensation"),
        ("Location/l1", "other"),
    ],
)
def test_an_exchange_is_about_what_its_address_names(path, category):
    assert category_of(tuple(filter(None, path.split("/")))) == category


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (
            200,
            b'{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode": "match"}}]}',
            "answered",
        ),
        (200, b'{"resourceType":"Bundle","type": "searchset","total":0}', "empty"),
        (200, b'{"type":"searchset","entry":[{"search":{"mode":"outcome"}}]}', "empty"),
        (200, b"%PDF-1.7", "answered"),
        (404, b"", "refused"),
    ],
)
def test_a_search_that_finds_nothing_is_an_empty_answer(status, body, outcome):
    assert outcome_of_answer(status, body).value == outcome


@pytest.mark.parametrize(
    ("error", "cause", "outcome"),
    [
        (PeerUnavailable("x"), TimeoutError(), Outcome.LATE),
        (PeerUnavailable("x"), httpx.ReadTimeout("x"), Outcome.LATE),
        (PeerUnavailable("x"), httpx.ConnectError("x"), Outcome.UNREACHABLE),
        (PeerUnavailable("x"), None, Outcome.UNREADABLE),
        (AccessRefused("node ee-1 refused: not a member"), None, Outcome.REFUSED),
        (AccessRefused("node ee-1 refused: no reason given"), None, Outcome.REFUSED_WITHOUT_REASON),
    ],
)
def test_a_failure_is_late_not_reached_not_readable_or_refused(error, cause, outcome):
    error.__cause__ = cause
    assert outcome_of_error(error) is outcome
