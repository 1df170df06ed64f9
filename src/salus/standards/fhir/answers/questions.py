"""Questionnaires as instances: conditions name items that are there (R4, Questionnaire.item.enableWhen)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote

DEPTH_MAX = 60

Json = dict[str, Any]  # Any: FHIR JSON


def check_questionnaire(questionnaire: Json, where: Where, run: Run) -> None:
    """Report conditions on questions that are nowhere, and on the item itself or what is inside it."""
    items = list(_items(questionnaire, where, 0))
    known = {item.get("linkId") for item, _ in items}
    for item, place in items:
        rows = item.get("enableWhen")
        if type(rows) is not list:
            continue
        inner = {one.get("linkId") for one, _ in _items(item, place, 0)} | {item.get("linkId")}
        for index, row in enumerate(rows):
            asked = row.get("question") if type(row) is dict else None
            if type(asked) is not str:
                continue
            if asked not in known:
                message = f"No item has the linkId {quote(asked)}; name one of the questionnaire's items."
            elif asked in inner:
                message = (
                    f"An item cannot depend on itself or what is inside it ({quote(asked)}); name another."
                )
            else:
                continue
            at: Where = ((place, "enableWhen", index), "question", None)
            run.add("error", "business-rule", "question-condition", at, message)


def _items(node: Json, where: Where, depth: int) -> Iterator[tuple[Json, Where]]:
    rows = node.get("item") if depth <= DEPTH_MAX else None
    for index, row in enumerate(rows if type(rows) is list else ()):
        if type(row) is dict:
            yield row, (where, "item", index)
            yield from _items(row, (where, "item", index), depth + 1)
