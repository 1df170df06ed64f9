"""How a medicine is taken: effectiveTime, dose, rate, route of a substanceAdministration to Dosage."""

from __future__ import annotations

from decimal import Decimal

from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Relation
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.times import used
from salus.standards.cda.values import bounded, is_interval, occurrence, period, quantity, ratio

TIMINGS = frozenset({"PIVL_TS", "EIVL_TS", "SXPR_TS", "PIVL_PPD_TS"})
_UNITS = {"s": "s", "min": "min", "h": "h", "d": "d", "wk": "wk", "mo": "mo", "a": "a"}


def kind_of_time(node: Node) -> str:
    """Return the type of an effectiveTime without its prefix, guessed from its content where none is said."""
    stated = node.peek("type").rpartition(":")[2]
    if stated:
        return stated
    if node.first("period") is not None or node.first("phase") is not None:
        return "PIVL_TS"
    return "EIVL_TS" if node.first("event") is not None else "IVL_TS"


def whole_time(node: Node, conversion: Conversion) -> tuple[Resource, Node | None]:
    """Return the time over which an act goes on, as `effective[x]` ({} for none), and its element."""
    first: Node | None = None
    for each in node.all("effectiveTime"):
        if kind_of_time(each) in TIMINGS:
            continue
        each.get("operator")
        first = first or each
        found = occurrence(each, conversion, "effective")
        if found:
            return found, each
    return {}, first


def timing(node: Node, conversion: Conversion) -> Resource:
    """Return the Timing of an act, {} when it states none.

    Several (taken at breakfast and at supper) become one where they are events; of others the first counts.
    """
    parts = [
        made
        for each in node.all("effectiveTime")
        if kind_of_time(each) in TIMINGS and used(each)
        for made in _repeats(each, conversion)
    ]
    if not parts:
        return {}
    merged = dict(parts[0])
    for other in parts[1:]:
        if "when" in merged and other.keys() == {"when"}:
            merged["when"] = [*merged["when"], *other["when"]]
        elif not merged.keys() & other.keys():
            merged |= other
        else:
            conversion.approximate(node, "of several rhythms of one dose the first is told", str(other)[:80])
    code = {"code": merged.pop("code")} if "code" in merged else {}
    return {**({"repeat": merged} if merged else {}), **code}


def _repeats(node: Node, conversion: Conversion) -> list[Resource]:
    kind = kind_of_time(node)
    node.get("operator")
    if kind == "SXPR_TS":
        return [made for comp in node.all("comp") for made in _repeats(comp, conversion)]
    if kind == "EIVL_TS":
        return _event(node, conversion)
    return _periodic(node, conversion)


def _event(node: Node, conversion: Conversion) -> list[Resource]:
    event = node.first("event")
    if event is None:
        return []
    code = codes()["event"].get(event.peek("code"), "")
    if not code:
        found = concept(event, conversion)
        return [{"code": found}] if found else []
    event.take()
    made: Resource = {"when": [code]}
    offset = node.first("offset")
    minutes = _minutes(offset, conversion) if offset is not None else None
    if minutes:
        made["offset"] = minutes
    return [made]


def _minutes(offset: Node, conversion: Conversion) -> int | None:
    """Return how long after (or before) an event, in whole minutes."""
    much = quantity(offset.first("low") or offset, conversion)
    factor = {"min": 1, "h": 60}.get(str(much.get("code", "")))
    if factor is None:
        return None
    whole = abs(much["value"]) * factor
    return int(whole) if whole == whole.to_integral_value() else None


def _periodic(node: Node, conversion: Conversion) -> list[Resource]:
    """Return PIVL: once in a period, or in one between two (every 4 to 6 hours)."""
    made: Resource = {}
    each = node.first("period")
    if each is not None:
        low, high = each.first("low"), each.first("high")
        first = quantity(low if low is not None else each, conversion)
        last = quantity(high, conversion)
        unit = _UNITS.get(str((first or last).get("code", "")))
        if unit and first:
            made = {"frequency": 1, "period": first["value"], "periodUnit": unit}
            if last and last.get("code") == first.get("code"):
                made["periodMax"] = last["value"]
            if first["value"] < 0:
                made = {}
    stated = node.get("institutionSpecified")
    alignment = node.get("alignment")
    if made and stated == "true":
        made = _per_day(made)
    if alignment:
        conversion.approximate(node, "the alignment of a rhythm to the calendar is left out", alignment)
    phase = node.first("phase")
    if phase is not None and used(phase):
        when = period(phase, conversion)
        if when and not made:
            made = {"boundsPeriod": when}
        elif when:
            conversion.approximate(node, "where a rhythm begins is left out", str(when.get("start", "")))
    return [made] if made else []


def _per_day(made: Resource) -> Resource:
    """Return "every 8 hours, as the institution says" as three times a day (institutionSpecified)."""
    times = Decimal(24) / made["period"] if made["periodUnit"] == "h" and made["period"] > 0 else Decimal(0)
    if "periodMax" in made or times < 1 or times != times.to_integral_value():
        return made
    return {"frequency": int(times), "period": Decimal(1), "periodUnit": "d"}


def dosage(node: Node, conversion: Conversion, *, instruction: str = "") -> Resource:
    """Return the Dosage that an act's own elements state, {} for none.

    Args:
        node: a substanceAdministration.
        conversion: whose document it is.
        instruction: what the patient is told, in words.
    """
    made: Resource = {}
    if instruction:
        made["patientInstruction"] = instruction
    when = timing(node, conversion)
    if when:
        made["timing"] = when
    needed = _as_needed(node, conversion)
    if needed:
        made |= needed
    sites = [found for each in node.all("approachSiteCode") if (found := concept(each, conversion))]
    if sites:
        made["site"] = sites[0]
    if len(sites) > 1:
        conversion.approximate(node, "of several sites the first is told")
    route = concept(node.first("routeCode"), conversion)
    if route:
        made["route"] = route
    amounts = _dose(node, conversion)
    if amounts:
        made["doseAndRate"] = [amounts]
    most = ratio(node.first("maxDoseQuantity"), conversion)
    if most:
        made["maxDosePerPeriod"] = most
    unit = concept(node.first("administrationUnitCode"), conversion)
    if unit and amounts.get("doseQuantity") and "code" not in amounts["doseQuantity"]:
        amounts["doseQuantity"].setdefault("unit", unit.get("text") or unit["coding"][0].get("display", ""))
        conversion.approximate(node, "the unit of administration is told as the name of the dose's unit")
    return made


def _as_needed(node: Node, conversion: Conversion) -> Resource:
    """Return that it is taken when needed, and for what (C-CDA, Precondition)."""
    for condition in node.all("precondition"):
        criterion = condition.first("criterion")
        if criterion is None:
            continue
        code, value = criterion.first("code"), criterion.first("value")
        found = concept(value, conversion) if value is not None else {}
        if code is not None:
            code.take()
        return {"asNeededCodeableConcept": found} if found else {"asNeededBoolean": True}
    return {}


def _dose(node: Node, conversion: Conversion) -> Resource:
    made: Resource = {}
    for name, stem in (("doseQuantity", "dose"), ("rateQuantity", "rate")):
        much = node.first(name)
        if much is None:
            continue
        if not is_interval(much):
            found = quantity(much, conversion)
            made |= {f"{stem}Quantity": found} if found else {}
            continue
        for key, value in bounded(much, conversion).items():
            if "comparator" in value:  # SimpleQuantity has none: a bound is a range with one end
                end = "low" if value["comparator"].startswith(">") else "high"
                value = {end: {name: each for name, each in value.items() if name != "comparator"}}
                key = "valueRange"
            low, high = value.get("low"), value.get("high")
            if key == "valueRange" and low and low == high:
                made[f"{stem}Quantity"] = low
            else:
                made[key.replace("value", stem)] = value
    return made


def split_doses(nested: list[Relation], conversion: Conversion) -> list[Resource]:
    """Return the Dosages of acts within an act (tapered, split and conditional dosing), in their order."""
    found = []
    for number, relation in enumerate(nested, start=1):
        node = relation.node
        node.get("moodCode")
        node.take_own()
        order = relation.within.first("sequenceNumber")
        sequence = order.get("value") if order is not None else ""
        made = dosage(node, conversion)
        text = conversion.text(node.first("text"))
        if text:
            made["text"] = text
        bounds, _ = whole_time(node, conversion)
        span = bounds.get("effectivePeriod")
        if span:
            repeat = made.setdefault("timing", {}).setdefault("repeat", {})
            repeat["boundsPeriod"] = span
        if made:
            found.append(
                {"sequence": int(sequence) if sequence.isdigit() and len(sequence) < 6 else number, **made}
            )
    return found
