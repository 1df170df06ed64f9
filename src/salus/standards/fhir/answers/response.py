"""A whole QuestionnaireResponse: every answer has its question, every required question its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from salus.standards.fhir.answers.enabling import Given, expressions_of, is_enabled, is_enabled_by
from salus.standards.fhir.answers.values import Json, check_answer, extension_values, value_of
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote

DEPTH_MAX = 60
_FINISHED = frozenset({"completed", "amended"})

Placed = tuple[Json, Where]


def check_response(response: Json, questionnaire: Json, where: Where, run: Run) -> None:
    """Report what is wrong with a response by its questionnaire."""
    given: Given = {}
    _gather(response, given, 0)
    is_finished = response.get("status") in _FINISHED
    _Response(run, response, given, is_finished).items(
        list(_placed(response, "item", where)), list(_objects(questionnaire, "item")), where, 0
    )


def _objects(node: Json, key: str) -> Iterator[Json]:
    rows = node.get(key)
    for row in rows if type(rows) is list else ():
        if type(row) is dict:
            yield row


def _placed(node: Json, key: str, where: Where) -> Iterator[Placed]:
    rows = node.get(key)
    for index, row in enumerate(rows if type(rows) is list else ()):
        if type(row) is dict:
            yield row, (where, key, index)


def _gather(node: Json, given: Given, depth: int) -> None:
    """Note the answers by linkId, wherever they are."""
    if depth > DEPTH_MAX:
        return
    for item in _objects(node, "item"):
        answers = given.setdefault(str(item.get("linkId")), [])
        for answer in _objects(item, "answer"):
            key, value = value_of(answer)
            if key:
                answers.append(value)
            _gather(answer, given, depth + 1)
        _gather(item, given, depth + 1)


class _Response:
    """One response under way."""

    def __init__(self, run: Run, response: Json, given: Mapping[str, list[Any]], is_finished: bool) -> None:
        self._run = run
        self._response = response
        self._given = given
        self._is_finished = is_finished

    def items(self, found: Sequence[Placed], questions: Sequence[Json], where: Where, depth: int) -> None:
        """Check the items of one level against the questions of that level."""
        if depth > DEPTH_MAX:
            return
        known = {str(one.get("linkId")): one for one in questions}
        by_link: dict[str, list[Placed]] = {}
        order = {link: number for number, link in enumerate(known)}
        last = 0
        for item, place in found:
            link = str(item.get("linkId"))
            if link in known:
                by_link.setdefault(link, []).append((item, place))
                if order[link] < last:
                    message = f"The item {quote(link)} stands too late; keep the questionnaire's order."
                    self._run.add("error", "structure", "answer-order", place, message)
                last = max(last, order[link])
            else:
                message = (
                    f"The questionnaire has no item {quote(link)} here; correct linkId or move the item."
                )
                self._run.add("error", "not-found", "answer-link", place, message)
        for link, question in known.items():
            self._question(link, question, by_link.get(link, []), where, depth)

    def _question(self, link: str, question: Json, found: Sequence[Placed], where: Where, depth: int) -> None:
        enabled = is_enabled(question, self._given) and self._is_enabled_by_expression(question, where)
        answered = [(item, place) for item, place in found if item.get("answer") or item.get("item")]
        if not enabled:
            for _, place in answered:
                message = f"The item {quote(link)} is not enabled by the other answers; remove its answer."
                self._run.add("error", "invalid", "answer-not-enabled", place, message)
            return
        self._count(link, question, found, where)
        for item, place in found:
            self._item(question, item, place, depth)
        if not found and self._is_finished and question.get("type") == "group":
            return

    def _is_enabled_by_expression(self, question: Json, where: Where) -> bool:
        for expression in expressions_of(question):
            answer = is_enabled_by(expression, self._response)
            if answer is None:
                message = f"Not checked: the condition {quote(expression)} cannot be evaluated here."
                self._run.information("answer-not-checked", where, message)
            elif not answer:
                return False
        return True

    def _count(self, link: str, question: Json, found: Sequence[Placed], where: Where) -> None:
        kind = question.get("type")
        answers = sum(len(list(_objects(item, "answer"))) for item, _ in found)
        repeats = question.get("repeats") is True
        count = len(found) if kind == "group" else answers
        if question.get("required") is True and count == 0 and self._is_finished and kind != "display":
            message = f"The question {quote(link)} needs an answer; give it."
            self._run.add("error", "required", "answer-required", (where, "item", None), message)
        if not repeats and (len(found) > 1 or (kind != "group" and answers > 1)):
            message = f"The item {quote(link)} may be answered once; keep one."
            self._run.add("error", "structure", "answer-repeats", found[-1][1], message)
        for most in extension_values(question, "maxOccurs"):
            if type(most) is int and count > most:
                message = f"The item {quote(link)} takes at most {most} answers, {count} were given."
                self._run.add("error", "structure", "answer-max", found[-1][1], message)
        for least in extension_values(question, "minOccurs"):
            if type(least) is int and 0 < count < least and self._is_finished:
                message = f"The item {quote(link)} takes at least {least} answers, {count} were given."
                self._run.add("error", "required", "answer-min", found[-1][1], message)

    def _item(self, question: Json, item: Json, place: Where, depth: int) -> None:
        below = list(_objects(question, "item"))
        answers = list(_placed(item, "answer", place))
        self._text(question, item, place)
        if question.get("type") != "group" and item.get("item"):
            message = "Items of a question stand in its answer, not beside it; move them."
            self._run.add("error", "structure", "answer-nesting", place, message)
        if question.get("type") == "group":
            for _, at in answers:
                message = "A group has items, no answer; move the answer to an item in it."
                self._run.add("error", "structure", "answer-in-group", at, message)
            self.items(list(_placed(item, "item", place)), below, place, depth + 1)
            return
        for answer, at in answers:
            check_answer(answer, question, at, self._run)
            self.items(list(_placed(answer, "item", at)), below, at, depth + 1)
        self._exclusive(question, answers)

    def _text(self, question: Json, item: Json, place: Where) -> None:
        """Report a text that is another one than was asked, in any language of the questionnaire."""
        text, asked = item.get("text"), question.get("text")
        if type(text) is not str or type(asked) is not str or text == asked or text in translations(question):
            return
        message = (
            f"The text is not that of the question {quote(question.get('linkId'))}; copy it, or leave it out."
        )
        self._run.add("error", "invalid", "answer-text", (place, "text", None), message)

    def _exclusive(self, question: Json, answers: Sequence[Placed]) -> None:
        """Report an answer that excludes others beside others."""
        exclusive = [
            value_of(option)[1]
            for option in _objects(question, "answerOption")
            if True in extension_values(option, "optionExclusive")
        ]
        for answer, at in answers if len(answers) > 1 else ():
            value = value_of(answer)[1]
            if any(_same(value, one) for one in exclusive):
                message = "This option excludes all others; keep it alone, or remove it."
                self._run.add("error", "invalid", "answer-exclusive", at, message)


def translations(question: Json) -> Iterator[str]:
    """Yield the texts of a question in other languages (extension translation)."""
    sibling = question.get("_text")
    for row in _objects(sibling, "extension") if type(sibling) is dict else ():
        for part in _objects(row, "extension"):
            if part.get("url") == "content":
                yield str(value_of(part)[1])


def _same(left: Any, right: Any) -> bool:  # Any: JSON values
    if type(left) is dict and type(right) is dict:
        return all(left.get(key) == right.get(key) for key in ("system", "code"))
    return bool(left == right)
