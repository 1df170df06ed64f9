"""Resources and searches made from a seed: each place that a search parameter reads is filled at times."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import properties, value_set_codes
from salus.standards.fhir.search.parameters import SearchParameter, parameters_of
from salus.standards.fhir.search.paths import TypedPath
from salus.store.rows import Row, make_row
from salus.store.search_check import resource_of

SYSTEMS = ("http://a.example/one", "urn:oid:1.2.3")
CODES = ("alpha", "beta|gamma", "de,lta")
MANY_WORDS = " ".join(f"Word{number * 7919 % 997}" for number in range(120))
TEXTS = (
    "Tension headache",
    "Ångström, Zoë",
    "  Łódź  $ 50%_",
    "short",
    "Xu",
    "zwei\\Wörter",
    "x" * 620 + "needle",
    f"{MANY_WORDS} needle",
)
DATES = (
    "2013",
    "2013-03",
    "2013-03-14",
    "2013-03-14T10:00:00Z",
    "2013-03-14T10:00:00.500+01:00",
    "2014-12-31",
)
NUMBERS = ("100", "0.1", "5.40", "-2", "0.001", "99.6", "1e2")
URIS = ("http://x.example/fhir/a", "http://x.example/fhir/a/b", "http://x.example/fhir/a|1.0", "urn:oid:1.2")
UNITS = (
    ("http://unitsofmeasure.org", "mg", "mg"),
    ("http://unitsofmeasure.org", "g", "gram"),
    (None, None, "cups"),
)


class Maker:
    """Makes values and resources of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def value(self, path: TypedPath) -> Any:
        make = getattr(self, f"make_{path.type}", None)
        return make(path) if make else self.plain(path)

    def plain(self, path: TypedPath) -> Any:
        kind = path.type
        if kind == "code":
            known = value_set_codes(path.value_set) if path.value_set else None
            codes = sorted(code for system in known or {} for code in known[system])[:3] or ["alpha", "beta"]
            return self.pick(*codes)
        if kind in ("date", "dateTime", "instant"):
            return self.pick(*DATES)
        if kind == "decimal":
            return Decimal(self.pick(*NUMBERS[:6]))
        if kind in ("integer", "positiveInt", "unsignedInt"):
            return self.pick(1, 100, 99, 101)
        if kind == "boolean":
            return self.pick(True, False)
        if kind in ("uri", "url", "canonical", "oid", "uuid"):
            return self.pick(*URIS)
        if kind in ("string", "markdown"):
            return self.pick(*TEXTS)
        return self.pick("alpha", "beta")

    def make_Coding(self, _path: TypedPath) -> dict[str, Any]:
        coding = {"code": self.pick(*CODES), "display": self.pick(*TEXTS)}
        if self.random.random() < 0.7:
            coding["system"] = self.pick(*SYSTEMS)
        return coding

    def make_CodeableConcept(self, path: TypedPath) -> dict[str, Any]:
        concept: dict[str, Any] = {}
        if self.random.random() < 0.8:
            concept["coding"] = [self.make_Coding(path) for _ in range(self.pick(1, 2))]
        if not concept or self.random.random() < 0.5:
            concept["text"] = self.pick(*TEXTS)
        return concept

    def make_Identifier(self, path: TypedPath) -> dict[str, Any]:
        identifier = {"value": self.pick(*CODES)}
        if self.random.random() < 0.7:
            identifier["system"] = self.pick(*SYSTEMS)
        if self.random.random() < 0.7:
            identifier["type"] = self.make_CodeableConcept(path)
        return identifier

    def make_ContactPoint(self, path: TypedPath) -> dict[str, Any]:
        wanted = next((step.filter.text for step in path.steps if step.filter), None)
        return {"system": wanted or self.pick("phone", "email"), "value": self.pick(*CODES)}

    def make_Reference(self, path: TypedPath) -> dict[str, Any]:
        targets = [target for target in path.targets if target != "Resource"] or ["Patient", "Organization"]
        if path.target:
            targets = [path.target, *targets[:1]]
        kind, number = self.pick(*targets[:4]), self.pick(1, 2)
        shape = self.random.random()
        if shape < 0.7:
            return {"reference": f"{kind}/r{number}"}
        if shape < 0.8:
            return {"reference": f"http://other.example/fhir/{kind}/r{number}/_history/2"}
        if shape < 0.85:
            return {"reference": "urn:uuid:0f1e2d3c-0000-4000-8000-000000000001"}
        if shape < 0.9:
            return {"display": "only words"}
        return {"identifier": self.make_Identifier(path)}

    def make_Period(self, _path: TypedPath) -> dict[str, Any]:
        start, end = sorted(self.random.sample(("2012", "2013-03-14", "2013-04", "2015-01-01T00:00:00Z"), 2))
        shape = self.random.random()
        return (
            {"start": start} if shape < 0.2 else {"end": end} if shape < 0.4 else {"start": start, "end": end}
        )

    def make_Timing(self, path: TypedPath) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return {"event": [self.pick(*DATES), self.pick(*DATES)]}
        return {"repeat": {"boundsPeriod": self.make_Period(path), "frequency": 1}}

    def make_Quantity(self, _path: TypedPath) -> dict[str, Any]:
        system, code, unit = self.pick(*UNITS)
        value = {"value": Decimal(self.pick(*NUMBERS[:6])), "system": system, "code": code, "unit": unit}
        if self.random.random() < 0.2:
            value["comparator"] = self.pick("<", "<=", ">", ">=")
        return {key: one for key, one in value.items() if one is not None}

    make_Age = make_Duration = make_Count = make_Distance = make_Quantity

    def make_Money(self, _path: TypedPath) -> dict[str, Any]:
        return {"value": Decimal(self.pick(*NUMBERS[:6])), "currency": self.pick("EUR", "SEK")}

    def make_Range(self, path: TypedPath) -> dict[str, Any]:
        ends = sorted(Decimal(self.pick(*NUMBERS[:6])) for _ in range(2))
        low, high = (
            {"value": end, "system": system, "code": code, "unit": unit}
            for end, (system, code, unit) in zip(ends, self.pick(UNITS[:2], UNITS[1::-1]), strict=True)
        )
        return self.pick({"low": low}, {"high": high}, {"low": low, "high": high})

    def make_SampledData(self, _path: TypedPath) -> dict[str, Any]:
        origin = {"value": Decimal("1.5"), "system": UNITS[0][0], "code": "mg", "unit": "mg"}
        return {
            "origin": origin,
            "period": 10,
            "factor": Decimal("2"),
            "dimensions": 1,
            "data": "E 10 -2 49.05 U",
        }

    def make_Resource(self, path: TypedPath) -> dict[str, Any]:
        return {"resourceType": "Composition", "id": self.pick("r1", "r2")}

    def resource(self, type_name: str, identity: str, share: float = 0.35) -> dict[str, Any]:
        """Return a resource whose searchable places are each filled with probability `share`."""
        made: dict[str, Any] = {"resourceType": type_name, "id": identity}
        places = {path.slot: path for one in parameters_of(type_name).values() for path in paths_of(one)}
        order = sorted(places)
        self.random.shuffle(order)
        for slot in order:
            path = places[slot]
            if path.steps[0].key in ("id", "meta") and path.steps[-1].key in ("id", "lastUpdated"):
                continue
            for _ in range(self.pick(1, 1, 2)):
                if self.random.random() < share:
                    self.put(made, type_name, path)
        return made

    def containing(self, made: dict[str, Any], types: tuple[str, ...], share: float = 0.3) -> dict[str, Any]:
        """Return the resource with some references to `types` led to contained resources, these alike."""
        held: list[dict[str, Any]] = []
        for inner in self.references(made):
            self.contain(inner, types, held, share)
        return {**made, "contained": held} if held else made

    def contain(
        self, reference: dict[str, Any], types: tuple[str, ...], held: list[dict[str, Any]], share: float
    ) -> None:
        kind = str(reference.get("reference")).partition("/")[0]
        if kind not in types or len(held) > 8 or self.random.random() > share:
            return
        reference["reference"] = f"#c{len(held)}"
        inside = self.resource(kind, f"c{len(held)}")
        inside.pop("meta", None)
        held.append(inside)
        for inner in self.references(inside):
            self.contain(inner, types, held, share)

    def references(self, value: Any) -> list[dict[str, Any]]:
        """Return every Reference inside a value that says to what it refers."""
        if isinstance(value, list):
            return [one for item in value for one in self.references(item)]
        if not isinstance(value, dict):
            return []
        own = [value] if isinstance(value.get("reference"), str) else []
        return own + [one for item in value.values() for one in self.references(item)]

    def put(self, made: dict[str, Any], type_name: str, path: TypedPath) -> None:
        """Place a value; an element that is there already is gone into or, at an array's end, joined."""
        here, kind = made, type_name
        for position, step in enumerate(path.steps):
            prop = properties(kind)[step.key]
            last = position == len(path.steps) - 1
            other = any(
                name in here and one.element.name == prop.element.name and name != step.key
                for name, one in properties(kind).items()
            )
            if other:
                return
            if last:
                self.end(here, step.key, many=prop.element.max != 1, value=self.value(path))
                return
            here = self.into(here, step, many=prop.element.max != 1)
            kind = prop.type.code
            if kind in ("Resource",):
                return

    def end(self, here: dict[str, Any], key: str, *, many: bool, value: Any) -> None:
        if many:
            here.setdefault(key, []).append(value)
        else:
            here.setdefault(key, value)

    def into(self, here: dict[str, Any], step: Any, *, many: bool) -> dict[str, Any]:
        fresh: dict[str, Any] = {}
        if step.filter is not None and step.filter.key == "extension":
            fresh["extension"] = [{"url": step.filter.text, "valueBoolean": True}]
        elif step.filter is not None:
            fresh[step.filter.key] = step.filter.text
        if not many:
            inner = here.setdefault(step.key, fresh)
            return inner if isinstance(inner, dict) else {}
        items = here.setdefault(step.key, [])
        fits = [
            one for one in items if isinstance(one, dict) and all(one.get(key) == fresh[key] for key in fresh)
        ]
        if fits and self.random.random() < 0.6:
            return fits[-1]
        items.append(fresh)
        return fresh


def paths_of(parameter: SearchParameter) -> list[TypedPath]:
    """Return every place that a parameter reads."""
    found = list(parameter.paths)
    for composite in parameter.composites:
        for part in composite.parts:
            for path in part.paths:
                steps = path.steps if part.from_resource else (*composite.path.steps, *path.steps)
                found.append(
                    TypedPath(path.slot, steps, path.type, path.target, path.value_set, path.targets)
                )
    return found


def escaped(text: str) -> str:
    """Return a value as a query writes it."""
    return "".join("\\" + one if one in "\\,|$" else one for one in text)


def texts_of(maker: Maker, kind: str, paths: list[TypedPath]) -> list[str]:
    """Return search values of a type, most of which something made here matches."""
    if kind == "token":
        codes = [maker.plain(path) for path in paths if path.type == "code"] or list(CODES)
        code, system = escaped(str(maker.pick(*codes))), maker.pick(*SYSTEMS)
        if any(path.type == "boolean" for path in paths):
            code = maker.pick("true", "false")
        return [code, f"{system}|{code}", f"{system}|", f"|{code}"]
    if kind == "reference":
        targets = [path.target or (path.targets or ("Patient",))[0] for path in paths] or ["Patient"]
        kind = maker.pick(*targets)
        kind = "Patient" if kind == "Resource" else kind
        return [f"{kind}/r1", "r2", f"http://other.example/fhir/{kind}/r1", maker.pick(*URIS)]
    if kind == "string":
        text = maker.pick(*TEXTS)
        beginning = text[: maker.pick(1, 2, 5, 8, 9, 12)].upper()
        return [escaped(beginning if beginning.strip() else text), escaped(text)]
    if kind == "uri":
        return [maker.pick(*URIS)]
    if kind == "date":
        return [maker.pick("", "eq") + maker.pick(*DATES)]
    if kind == "number":
        return [maker.pick(*NUMBERS)]
    number, (system, code, unit) = maker.pick(*NUMBERS), maker.pick(*UNITS)
    if not system:
        return [number, f"{number}||{unit}"]
    return [f"{number}|{system}|{code}", f"{number}||{unit}"]


def queries_of(maker: Maker, parameter: SearchParameter) -> Iterator[tuple[str, str]]:
    """Yield (name, value) over the modifiers and prefixes that are legal for the parameter's type."""
    code, kind = parameter.code, parameter.type
    yield f"{code}:missing", maker.pick("true", "false")
    if kind == "composite":
        parts = [
            maker.pick(*texts_of(maker, part.type, list(part.paths)))
            for part in parameter.composites[0].parts
        ]
        yield code, "$".join(parts)
        return
    texts = texts_of(maker, kind, list(parameter.paths))
    for text in texts:
        yield code, text
    yield code, ",".join(texts_of(maker, kind, list(parameter.paths)))
    if kind in ("date", "number", "quantity"):
        for prefix in ("ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"):
            yield code, prefix + maker.pick(*texts).removeprefix("eq")
    if kind == "token":
        system = maker.pick(*SYSTEMS)
        yield f"{code}:not", maker.pick(*texts)
        yield f"{code}:text", maker.pick("tens", "HEADACHE", "zo", "łódź", "short")
        yield f"{code}:of-type", f"{system}|{escaped(maker.pick(*CODES))}|{escaped(maker.pick(*CODES))}"
        yield f"{code}:in", "http://vs.example/known"
        yield f"{code}:not-in", "http://vs.example/known"
    if kind == "string":
        yield f"{code}:exact", escaped(maker.pick(*TEXTS))
        yield f"{code}:contains", escaped(maker.pick("EDLE", "ache", "ö", "%_", "0%", "zoe", "\\w", "word3"))
    if kind == "uri":
        yield f"{code}:below", maker.pick("http://x.example/fhir/", *URIS)
        yield f"{code}:above", maker.pick("http://x.example/fhir/a/b/c", *URIS)
    if kind == "reference":
        yield f"{code}:identifier", maker.pick(*texts_of(maker, "token", []))
        named = parameter.targets or ("Patient",)
        yield f"{code}:{named[0] if named[0] != 'Resource' else 'Patient'}", "r1"


def value_set(address: str) -> dict[str, frozenset[str]]:
    """Expand the one value set that the searches name."""
    return {SYSTEMS[0]: frozenset({"alpha", "de,lta"}), SYSTEMS[1]: frozenset({"beta|gamma"})}


async def store(url: str, rows: list[Row], updated: datetime) -> None:
    """Copy rows into the two tables, as the owner."""
    connection = await asyncpg.connect(url)
    resources = [
        (
            r.compartment,
            r.type,
            r.id,
            1,
            updated,
            list(r.others),
            r.digest,
            r.index.date,
            r.index.tokens,
            r.content,
        )
        for r in rows
    ]
    columns = (
        "compartment",
        "type",
        "id",
        "version",
        "updated",
        "others",
        "digest",
        "date",
        "tokens",
        "content",
    )
    await connection.copy_records_to_table("resource", records=resources, columns=columns)
    ranges = [(r.compartment, r.type, r.id, *one) for r in rows for one in r.index.ranges]
    await connection.copy_records_to_table("resource_range", records=ranges)
    await connection.execute("ANALYZE resource, resource_range")
    await connection.close()


def row_of(resource: dict[str, Any], indexer: Any) -> Row:
    """Return the row of a resource, indexed."""
    return make_row(resource["resourceType"], resource["id"], write_json(resource), index=indexer(resource))


def seen(row: Row, updated: datetime) -> dict[str, Any]:
    """Return a row's resource as a read gives it."""
    known = {"content": row.content, "id": row.id, "type": row.type, "source": "", "source_id": ""}
    return resource_of(known | {"updated": updated})
