"""A resource of FHIR R5 in R4, by a table of differences; what R4 has no place for is told as dropped.

R4B differs from R4 in no resource of a patient's record but in those of medicinal products, evidence and
subscriptions, whose types R4 does not know: it needs no conversion, and these are refused by their name.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.core.quality import Account
from salus.standards.fhir import model

Json = dict[str, Any]  # FHIR content is open JSON
_ENTRIES_MAX = 50
"""As many entries of a Bundle are looked at for signs of R5."""
_SHAPED = ("concept:", "reference:", "split:", "both:")
_RECORDERS = frozenset({"author", "enterer", "recorder"})


@cache
def _rules() -> dict[str, dict[str, str]]:
    body = resources.files(__package__).joinpath("r5.toml").read_bytes()
    return msgspec.toml.decode(body, type=dict[str, dict[str, str]])


@cache
def _codes() -> dict[str, dict[str, str]]:
    body = resources.files(__package__).joinpath("codes.toml").read_bytes()
    return msgspec.toml.decode(body, type=dict[str, dict[str, str]])


def is_r5(resource: Json) -> bool:
    """Return whether a resource, or a Bundle's, says or shows that it is of R5."""
    kind = resource.get("resourceType")
    if kind == "Bundle":
        entries = resource.get("entry")
        inside = (
            [one.get("resource") for one in entries if isinstance(one, dict)]
            if isinstance(entries, list)
            else []
        )
        return any(is_r5(one) for one in inside[:_ENTRIES_MAX] if isinstance(one, dict))
    rules = _rules().get(str(kind), {})
    known = model.properties(str(kind)) if rules else {}
    return any(
        (key not in known and rule != "drop")
        or (rule.startswith(_SHAPED) and _is_codeable_reference(resource[key]))
        for key, rule in rules.items()
        if resource.get(key)
    )


def _is_codeable_reference(said: object) -> bool:
    one = said[0] if isinstance(said, list) and said else said
    return isinstance(one, dict) and ("concept" in one or isinstance(one.get("reference"), dict))


def to_r4(resource: Json, account: Account) -> Json:
    """Return a resource, or a Bundle with its resources, in R4; its values are counted in `account`."""
    kind = str(resource.get("resourceType", ""))
    if kind == "Bundle":
        entries = [
            {**one, "resource": to_r4(one["resource"], account)}
            if isinstance(one.get("resource"), dict)
            else one
            for one in resource.get("entry", ())
        ]
        return {**resource, "entry": entries}
    return _converted(resource, kind, kind, account)


def _converted(said: Json, kind: str, path: str, account: Account) -> Json:
    """Return an object of the type or path `kind` in R4."""
    found: Json = {}
    rules = _rules().get(kind, {})
    for key, value in said.items():
        _apply(found, rules.get(key, ""), key, value, f"{path}.{key}", account)
    known = model.properties(kind) if model.type_definition(kind) else {}
    result: Json = {}
    for key, value in found.items():
        bare = key.removeprefix("_")
        if known and bare not in known and bare not in ("resourceType", "contained"):
            _tell_dropped(value, f"{path}.{key}", account)
            continue
        result[key] = _inside(
            value, known[bare].type.code if bare in known else "", bare, kind, f"{path}.{key}", account
        )
    return result


def _inside(
    value: Any, kind: str, key: str, holder: str, path: str, account: Account
) -> Any:  # Any: FHIR JSON
    """Return a value with what lies in it converted; a primitive is counted as mapped."""
    if key == "contained" and isinstance(value, list):
        return [to_r4(one, account) if isinstance(one, dict) else one for one in value]
    if isinstance(value, list):
        return [_inside(one, kind, key, holder, path, account) for one in value]
    if isinstance(value, dict):
        return (
            _converted(value, kind, path, account)
            if kind in _rules() or "." in kind
            else _counted(value, account)
        )
    nearest = _codes().get(f"{holder}.{key}", {}).get(value) if isinstance(value, str) else None
    if nearest is not None:
        account.approximate(path, f"a code of R5 that R4 does not have: said as {nearest}", value)
        return nearest
    account.mapped += 1
    return value


def _counted(value: Json, account: Account) -> Json:
    account.mapped += sum(1 for _ in _leaves(value))
    return value


def _leaves(value: object) -> Any:  # Any: an iterator of FHIR primitives
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def _tell_dropped(value: object, path: str, account: Account) -> None:
    for leaf in _leaves(value):
        account.drop(path, "R4 has no place for it", str(leaf))


def _apply(
    found: Json, rule: str, key: str, value: Any, path: str, account: Account
) -> None:  # Any: FHIR JSON
    """Say an element by its rule."""
    operation, _, target = rule.partition(":")
    items = value if isinstance(value, list) else [value]
    items = [one for one in items if isinstance(one, dict)]
    if operation == "drop":
        _tell_dropped(value, path, account)
    elif operation == "number" and isinstance(value, str) and value.isdecimal():
        found[target] = int(value)
    elif operation == "move":
        found[target] = value
    elif operation in ("first", "list"):
        found[target] = value[0] if operation == "first" and isinstance(value, list) and value else value
        if operation == "first" and isinstance(value, list):
            _tell_dropped(value[1:], path, account)
    elif operation in ("code", "coding") and items:
        _coding(found, operation, target, items, path, account)
    elif operation in ("concept", "reference") and any(map(_is_codeable_reference, items)):
        other = "reference" if operation == "concept" else "concept"
        kept = [one[operation] for one in items if operation in one]
        _tell_dropped([one[other] for one in items if other in one], path, account)
        if kept:
            _fit(found, target, kept, value, account, path)
    elif operation == "split" and items:
        name, part = ("CodeableConcept", "concept") if "concept" in items[0] else ("Reference", "reference")
        found[f"{target}{name}"] = items[0].get(part)
        _tell_dropped([one for left, one in items[0].items() if left != part], path, account)
    elif operation == "both" and any(map(_is_codeable_reference, items)):
        for name, part in zip(target.split(","), ("concept", "reference"), strict=True):
            if kept := [one[part] for one in items if part in one]:
                found[name] = [*found.get(name, ()), *kept]
    elif operation in _SPECIAL:
        _SPECIAL[operation](found, items, path, account)
    else:
        found[key] = value


def _fit(found: Json, target: str, kept: list[Any], value: object, account: Account, path: str) -> None:
    """Set one value or a list, as R4 has it: the shape that came is kept save where R4 has one only."""
    single = not isinstance(value, list) or target in ("serviceType", "condition", "detail")
    found[target] = kept[0] if single else kept
    if single:
        _tell_dropped(kept[1:], path, account)


def _coding(found: Json, operation: str, target: str, items: list[Json], path: str, account: Account) -> None:
    coding = next((one for each in items for one in each.get("coding", ())), None)
    if coding is None:
        _tell_dropped(items, path, account)
        return
    found[target] = coding.get("code") if operation == "code" else coding
    rest = [one for each in items for one in each.get("coding", ()) if one is not coding]
    _tell_dropped([*rest, *(each["text"] for each in items if "text" in each)], path, account)


def _people(found: Json, items: list[Json], path: str, account: Account) -> None:
    """Say who recorded and who asserted (R5: participants with a function)."""
    for one in items:
        codes = {each.get("code") for each in one.get("function", {}).get("coding", ())}
        name = "recorder" if codes & _RECORDERS else "asserter"
        if name in found or "actor" not in one:
            _tell_dropped(one, path, account)
        else:
            found[name] = one["actor"]


def _reasons(found: Json, items: list[Json], path: str, account: Account) -> None:
    """Say an encounter's reasons; how each is used has no place in R4."""
    for one in items:
        _tell_dropped(one.get("use", []), f"{path}.use", account)
        for value in one.get("value", ()):
            for name, part in (("reasonCode", "concept"), ("reasonReference", "reference")):
                if part in value:
                    found[name] = [*found.get(name, ()), value[part]]


def _evidence(found: Json, items: list[Json], path: str, account: Account) -> None:
    if not any(map(_is_codeable_reference, items)):
        found["evidence"] = items
        return
    found["evidence"] = [
        {name: [one[part]] for name, part in (("code", "concept"), ("detail", "reference")) if part in one}
        for one in items
    ]


def _contacts(found: Json, items: list[Json], path: str, account: Account) -> None:
    """Say the telephone numbers and addresses of contacts that R4 has on the thing itself."""
    telecom = [each for one in items for each in one.get("telecom", ())]
    if telecom:
        found["telecom"] = [*found.get("telecom", ()), *telecom]
    for one in items:
        _tell_dropped([said for key, said in one.items() if key != "telecom"], path, account)


_SPECIAL = {"people": _people, "reasons": _reasons, "evidence": _evidence, "contacts": _contacts}
