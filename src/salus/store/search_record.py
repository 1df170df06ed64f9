"""The search that a consultation makes most: in one patient's record, newest first, such as all of one code.

It needs no text of its own for each search and no plan, so that those of concurrent requests go to the
database in one round trip (schema 0012). Every other search goes the way of `search_plan`.
"""

from __future__ import annotations

import msgspec

from salus.core.access import Grant
from salus.standards.fhir.search.hashing import Hasher
from salus.standards.fhir.search.query import Condition, Query
from salus.store.narrowed import narrowing_of
from salus.store.search_check import Checker
from salus.store.search_order import Order, orders
from salus.store.search_tokens import bound_patients, required_token

NEWEST_FIRST = Order("date", True, None)


class RecordSearch(msgspec.Struct, frozen=True):
    """What of a record is searched.

    Args:
        patient: whose record; its token is the last of `tokens`.
        tokens: a row has all of them.
        checker: confirms the rows.
    """

    patient: str
    tokens: list[int]
    checker: Checker


def record_search(grant: Grant, query: Query, hash_of: Hasher) -> RecordSearch | None:
    """Return the search as one of a record, None when it asks for more than its first page newest first."""
    if narrowing_of(grant, query.type):
        return None
    if query.cursor or query.includes or not query.count or query.total != "none":
        return None
    if orders(query, narrow=True) != [NEWEST_FIRST]:
        return None
    patient = ""
    tokens: list[int] = []
    checker = Checker()
    for criterion in query.criteria:
        found = required_token(hash_of, criterion) if isinstance(criterion, Condition) else None
        if found is None or not isinstance(criterion, Condition):
            return None
        checker.add(criterion, found.check)
        patients = bound_patients(criterion) if criterion.parameter.type == "reference" else []
        if patients and not patient:
            patient = patients[0]
            tokens.append(found.token)
        else:
            tokens.insert(0, found.token)
    within = grant.patients is None or patient in grant.patients
    if not (patient and within and query.compartment in ("", patient)):
        return None
    return RecordSearch(patient, tokens, checker)
