"""ConceptMap/$translate (R4), in both directions: what a code is in another system, by the maps at hand.

The original code and its display travel with every translation (part `source`); a code that no map knows is
reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from salus.standards.terminology.asked import Asked, parameter
from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.concept_maps import (
    Mapped,
    canonical_of,
    coding,
    groups,
    relation_of,
    scope_of,
)
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.inquiry import NESTED_MAX, Inquiry
from salus.standards.terminology.issues import Unanswerable, issue, message
from salus.standards.terminology.membership import Checker
from salus.standards.terminology.versions import matches, order, split

MATCHES_MAX = 1_000


def translate(inquiry: Inquiry, concept_map: Json | None = None) -> Json:
    """Answer $translate.

    Args:
        inquiry: the request.
        concept_map: that of an instance; otherwise the request names it, or all at hand are asked.

    Raises:
        Unanswerable: no code is stated, or a map or value set is not at hand.
    """
    asked = inquiry.asked
    given, is_reverse = _given(asked)
    near, far = _scopes(asked)
    if is_reverse and asked.is_true("reverse"):
        near, far = far, near
    other_system = _other_system(asked, given, is_reverse)
    if near and not _is_in(near, given, inquiry):
        return _nothing(
            message("NOT_IN_SCOPE", code=given["code"], system=given.get("system", ""), canonical=near)
        )
    maps = [concept_map] if concept_map else list(_maps(inquiry, given, other_system, far, is_reverse))
    side = "target" if is_reverse else "source"
    covering = [one for one in maps if not scope_of(one, side) or _is_in(scope_of(one, side), given, inquiry)]
    if not covering:
        message_id = "NOT_IN_SCOPE" if maps else "NO_CONCEPT_MAP"
        return _nothing(
            message(
                message_id,
                code=given["code"],
                system=given.get("system", ""),
                wanted=other_system or far,
                canonical=", ".join(map(canonical_of, maps)),
            )
        )
    found = _found(covering, given, other_system, inquiry, is_reverse)
    return _answer(found, given)


def _given(asked: Asked) -> tuple[Json, bool]:
    """Return the coding to translate, and whether it is of the maps' target side."""
    for side, is_reverse in (("source", False), ("", False), ("target", True)):
        name = f"{side}Coding" if side else "coding"
        concept = asked.part(f"{side}CodeableConcept" if side else "codeableConcept") or {}
        found = asked.part(name) or next(iter(concept.get("coding", ())), None)
        code = asked.text(f"{side}Code" if side else "code")
        if found is None and code:
            system = asked.text(f"{side}System") or ("" if is_reverse else asked.text("system"))
            found = {"system": system, "code": code}
        if found and found.get("code") and found.get("system"):
            return found, is_reverse or asked.is_true("reverse")
    raise Unanswerable(issue("error", "invalid", "", "", "NOT_STATED_TRANSLATE"), status=400)


def _scopes(asked: Asked) -> tuple[str, str]:
    """Return the value sets that bound what is asked about, and what may be answered."""
    return asked.text("sourceScope") or asked.text("source"), asked.text("targetScope") or asked.text(
        "target"
    )


def _other_system(asked: Asked, given: Json, is_reverse: bool) -> str:
    """Return the system that the answer is to be of, "" for any."""
    if is_reverse and not asked.is_true("reverse"):
        return asked.text("sourceSystem") or asked.text("system")
    return asked.text("targetSystem") or asked.text("targetsystem")


def _is_in(canonical: str, given: Json, inquiry: Inquiry) -> bool:
    value_set = inquiry.value_set(canonical)
    if value_set is None:
        raise Unanswerable(
            issue("error", "not-found", "not-found", "", "Unable_to_resolve_value_Set_", value_set=canonical),
            status=404,
        )
    system, version, code = (str(given.get(key, "")) for key in ("system", "version", "code"))
    coded = Coded("Coding", system, version, code, "")
    return Checker(value_set, inquiry).check(coded, Findings()) is True


def _maps(inquiry: Inquiry, given: Json, other: str, far: str, is_reverse: bool) -> Iterator[Json]:
    """Yield the map that the request names, else all that lead where it wants; the newest first."""
    asked = inquiry.asked
    sent = asked.part("conceptMap")
    url, stated = split(asked.text("url"))
    if sent is not None or url:
        version = asked.text("conceptMapVersion") or stated
        found = sent or _named(inquiry, url, version)
        if found is None:
            finding = issue(
                "error", "not-found", "not-found", "", "CONCEPT_MAP_UNKNOWN", canonical=asked.text("url")
            )
            raise Unanswerable(finding, status=404)
        yield found
        return
    source, target = (other, given["system"]) if is_reverse else (given["system"], other)
    fitting = [
        one
        for one in inquiry.library.concept_maps()
        if any(True for _ in groups(one, source, target))
        and (not far or scope_of(one, "source" if is_reverse else "target") in ("", far))
    ]
    yield from sorted(fitting, key=lambda one: str(one.get("date", "")), reverse=True)


def _named(inquiry: Inquiry, url: str, version: str) -> Json | None:
    fitting = [
        one
        for one in inquiry.library.concept_maps()
        if one.get("url") == url and matches(version, str(one.get("version", "")))
    ]
    return max(fitting, key=lambda one: order(str(one.get("version", ""))), default=None)


def _found(maps: Sequence[Json], given: Json, other: str, inquiry: Inquiry, is_reverse: bool) -> list[Mapped]:
    found: dict[tuple[str, str, str, str], Mapped] = {}
    for one in maps:
        rows = (
            _backward(one, given, other)
            if is_reverse
            else _forward(one, given, other, inquiry, (), canonical_of(one))
        )
        for row in rows:
            inquiry.step()
            ends = (row.source, row.target)
            key = tuple(str(end.get(part, "")) for end in ends for part in ("system", "code"))
            if len(found) < MATCHES_MAX:
                found.setdefault(key, row)  # type: ignore[arg-type]  # four parts
    return list(found.values())


def _backward(concept_map: Json, given: Json, source: str) -> Iterator[Mapped]:
    for group in groups(concept_map, source, given["system"]):
        for element in group.get("element", ()):
            for row in element.get("target", ()):
                if row.get("code") == given["code"]:
                    yield _mapped(group, element, row, canonical_of(concept_map), given, is_reverse=True)


def _forward(
    concept_map: Json, given: Json, target: str, inquiry: Inquiry, above: Sequence[str], origin: str
) -> Iterator[Mapped]:
    for group in groups(concept_map, given["system"], target):
        rows = [
            _mapped(group, element, row, origin, given, is_reverse=False)
            for element in group.get("element", ())
            if element.get("code") == given["code"]
            for row in element.get("target", ())
        ]
        stated = any(element.get("code") == given["code"] for element in group.get("element", ()))
        if rows or stated:
            yield from rows
        else:
            yield from _unmapped(concept_map, group, given, target, inquiry, above, origin)


def _mapped(
    group: Json, element: Json, row: Json, canonical: str, given: Json, *, is_reverse: bool
) -> Mapped:
    relation, equivalence = relation_of(row)
    source = coding(group.get("source"), element.get("code"), element.get("display"))
    target = coding(group.get("target"), row.get("code"), row.get("display"))
    if given.get("display"):
        (target if is_reverse else source)["display"] = given["display"]
    return Mapped(source, target, relation, equivalence, canonical, str(row.get("comment", "")))


def _unmapped(
    concept_map: Json,
    group: Json,
    given: Json,
    target: str,
    inquiry: Inquiry,
    above: Sequence[str],
    origin: str,
) -> Iterator[Mapped]:
    """Yield what a group says of the codes that it does not list."""
    row = group.get("unmapped") or {}
    relation, equivalence = relation_of(row)
    source = coding(given["system"], given["code"], given.get("display"))
    mode = row.get("mode")
    if mode in ("use-source-code", "provided"):
        yield Mapped(source, coding(group.get("target"), given["code"]), relation, equivalence, origin)
    elif mode == "fixed" and row.get("code"):
        yield Mapped(
            source,
            coding(group.get("target"), row["code"], row.get("display")),
            relation,
            equivalence,
            origin,
        )
    elif mode == "other-map":
        canonical = str(row.get("otherMap") or row.get("url", ""))
        other = _named(inquiry, *split(canonical))
        if other is None:
            raise Unanswerable(
                issue("error", "not-found", "not-found", "", "CONCEPT_MAP_UNKNOWN", canonical=canonical)
            )
        chain = (*above, canonical_of(concept_map))
        if canonical_of(other) in chain or len(chain) > NESTED_MAX:
            raise Unanswerable(
                issue("error", "business-rule", "", "", "CONCEPT_MAP_CIRCULAR", canonical=canonical)
            )
        yield from _forward(other, given, target, inquiry, chain, origin)


def _nothing(text: str) -> Json:
    rows = [parameter("message", "valueString", text), parameter("result", "valueBoolean", False)]
    return {"resourceType": "Parameters", "parameter": rows}


def _answer(found: Sequence[Mapped], given: Mapping[str, Any]) -> Json:
    if not found:
        return _nothing(message("NO_TRANSLATION", code=given["code"], system=given["system"]))
    rows = [parameter("result", "valueBoolean", any(one.is_translation() for one in found))]
    rows += [{"name": "match", "part": list(_parts(one))} for one in found]
    return {"resourceType": "Parameters", "parameter": rows}


def _parts(one: Mapped) -> Iterator[Json]:
    if one.equivalence:
        yield parameter("equivalence", "valueCode", one.equivalence)
    if one.relation:
        yield parameter("relationship", "valueCode", one.relation)
    yield parameter("concept", "valueCoding", one.target)
    yield parameter("source", "valueCoding", one.source)
    if one.comment:
        yield parameter("comment", "valueString", one.comment)
    if one.map_canonical:
        yield parameter("originMap", "valueCanonical", one.map_canonical)
