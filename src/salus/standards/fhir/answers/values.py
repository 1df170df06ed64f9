"""One answer against its question: type, options, bounds, form (R4, Questionnaire.item; SDC extensions)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from salus.core.errors import SalusError
from salus.standards.fhir.fhirpath.patterns import found as found_pattern
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.profiles.values import compare, equals
from salus.standards.fhir.validation.issue import Where, quote

Json = dict[str, Any]  # Any: FHIR JSON
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"

_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch

_KEYS: dict[str, tuple[str, ...]] = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal",),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime", "valueDate"),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "open-choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}


def value_of(node: Json) -> tuple[str, Any]:
    """Return the key and the value of an answer, a default or an option; ("", None) for none."""
    return next(((key, value) for key, value in node.items() if key.startswith("value")), ("", None))


def extension_values(node: Json, *names: str) -> Iterator[Any]:  # Any: JSON values
    """Yield the values of an element's extensions, named by the last part of their address."""
    urls = {prefix + name for name in names for prefix in (_CORE, _CORE + "questionnaire-", _SDC)}
    rows = node.get("extension")
    for row in rows if type(rows) is list else ():
        if type(row) is dict and row.get("url") in urls:
            yield value_of(row)[1]


def check_answer(answer: Json, question: Json, where: Where, run: Run) -> None:
    """Report what is wrong with one answer."""
    key, value = value_of(answer)
    kind = str(question.get("type"))
    allowed = _KEYS.get(kind)
    if allowed is None:
        message = f"An item of type {kind} takes no answer; remove it."
        run.add("error", "structure", "answer-not-allowed", where, message)
        return
    if key == "":
        return
    if key not in allowed:
        said = ", ".join(one.removeprefix("value") for one in allowed)
        message = f"The answer to a question of type {kind} is {said}, not {key.removeprefix('value')}."
        run.add("error", "structure", "answer-type", where, message)
        return
    for check in (
        _check_options,
        _check_value_set,
        _check_bounds,
        _check_form,
        _check_places,
        _check_attachment,
        _check_unit,
    ):
        check(key, value, question, where, run)


def _check_options(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    options = question.get("answerOption")
    if type(options) is not list or not options:
        return
    for option in options:
        other, wanted = value_of(option)
        if other == key and _is_chosen(key, wanted, value):
            return
    if question.get("type") != "open-choice":
        message = f"{_shown(value)} is none of the options of the question; choose one of them."
        run.add("error", "code-invalid", "answer-option", where, message)


def _is_chosen(key: str, wanted: Any, value: Any) -> bool:
    if key == "valueCoding" and type(wanted) is dict and type(value) is dict:
        return all(wanted.get(one) == value.get(one) for one in ("system", "code"))
    return equals(wanted, value)


def _shown(value: Any) -> str:
    if type(value) is dict and "code" in value:
        return quote(f"{value.get('system', '')}|{value['code']}")
    return quote(value)


def _check_value_set(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    canonical = question.get("answerValueSet")
    if type(canonical) is not str or key != "valueCoding" or type(value) is not dict:
        return
    code, system = value.get("code"), value.get("system")
    if type(code) is not str:
        return
    found = run.terminology.judge(canonical, system if type(system) is str else "-", code)
    if found.answer is None:
        run.information("answer-not-checked", where, f"Not checked: needs {found.needs} for {canonical}.")
    elif not found.answer and question.get("type") != "open-choice":
        message = f"{_shown(value)} is not in the value set {canonical} of the question; choose from it."
        run.add("error", "code-invalid", "answer-value-set", where, message)


def _check_bounds(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    for names, word, wrong in (
        (("minValue", "minQuantity"), "least", -1),
        (("maxValue", "maxQuantity"), "most", 1),
    ):
        for limit in extension_values(question, *names):
            order = compare(value, limit)
            if order is None and type(limit) is dict and type(value) is dict:
                message = f"The quantity cannot be compared with the limit {_amount(limit)}; give UCUM units."
                run.add("error", "value", "answer-bound-unit", where, message)
            elif order == wrong:
                message = f"The answer must be at {word} {_amount(limit)}; correct it."
                run.add("error", "value", f"answer-{word}", where, message)


def _amount(limit: Any) -> str:
    if type(limit) is dict:
        return f"{limit.get('value')} {limit.get('unit') or limit.get('code') or ''}".strip()
    return str(limit)


def _check_form(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    if type(value) is not str:
        return
    if key == "valueUri" and value.startswith("urn:uuid:") and not _UUID(value):
        message = (
            f"{quote(value)} is no UUID; write urn:uuid: and 32 lower-case hexadecimal digits in groups."
        )
        run.add("error", "value", "answer-uuid", where, message)
    longest = question.get("maxLength")
    if type(longest) is int and len(value) > longest:
        message = f"The answer has {len(value)} characters, at most {longest} are asked for; shorten it."
        run.add("error", "too-long", "answer-length", where, message)
    for shortest in extension_values(question, "minLength"):
        if type(shortest) is int and len(value) < shortest:
            message = f"The answer has {len(value)} characters, at least {shortest} are asked for."
            run.add("error", "value", "answer-length", where, message)
    for pattern in extension_values(question, "regex"):
        if type(pattern) is str and not _matches(pattern, value):
            message = f"{quote(value)} has not the form that the question asks for ({quote(pattern)})."
            run.add("error", "value", "answer-form", where, message)


def _check_places(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    number = value.get("value") if key == "valueQuantity" and type(value) is dict else value
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        return
    exponent = Decimal(str(number)).as_tuple().exponent
    places = -exponent if type(exponent) is int and exponent < 0 else 0
    for most in extension_values(question, "maxDecimalPlaces"):
        if type(most) is int and places > most:
            message = f"The answer has {places} decimal places, at most {most} are asked for; round it."
            run.add("error", "value", "answer-places", where, message)


def _matches(pattern: str, text: str) -> bool:
    """Return whether a text has a form; a pattern that cannot be read asks for nothing."""
    try:
        return found_pattern(pattern, text)
    except SalusError:
        return True


def _check_attachment(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    if key != "valueAttachment" or type(value) is not dict:
        return
    size = _size_of(value)
    for most in extension_values(question, "maxSize"):
        if size is not None and isinstance(most, int | float) and size > most:
            message = f"The attachment has {size} bytes, at most {most} are asked for."
            run.add("error", "too-long", "answer-size", where, message)
    types = [one for one in extension_values(question, "mimeType") if type(one) is str]
    given = value.get("contentType")
    if types and type(given) is str and given.partition(";")[0] not in types:
        message = f"The attachment is {quote(given)}; asked for is {', '.join(types)}."
        run.add("error", "value", "answer-media", where, message)


def _size_of(attachment: Json) -> int | None:
    size, text = attachment.get("size"), attachment.get("data")
    if type(text) is str:
        try:
            return len(base64.b64decode(re.sub(r"\s", "", text), validate=True))
        except (binascii.Error, ValueError):
            return None
    return size if type(size) is int else None


def _check_unit(key: str, value: Any, question: Json, where: Where, run: Run) -> None:
    units = [one for one in extension_values(question, "unitOption") if type(one) is dict]
    if key != "valueQuantity" or not units or type(value) is not dict:
        return
    if not any(
        one.get("system") == value.get("system") and one.get("code") == value.get("code") for one in units
    ):
        shown = ", ".join(str(one.get("display") or one.get("code")) for one in units)
        message = f"The unit {quote(value.get('code') or value.get('unit') or '')} is none of: {shown}."
        run.add("error", "code-invalid", "answer-unit", where, message)
