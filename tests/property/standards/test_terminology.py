"""A loaded release and the same content as a definition give one answer to every question."""

import random

import pytest
from tests.unit.standards.terminology.asking import ask, codes, parts

from salus.standards.terminology.releases.release import Fact, Name, Release, Row
from salus.store.terminology import ReleaseLibrary
from salus.store.terminology_writer import write_release

URL = "urn:both"
OPERATORS = (
    "is-a",
    "descendent-of",
    "is-not-a",
    "generalizes",
    "child-of",
    "descendent-leaf",
    "=",
    "in",
    "regex",
)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return a random hierarchy as a definition, and as a library with the release."""
    chance = random.Random(5)
    names = [f"c{number:02}" for number in range(60)]
    edges = {
        (names[one], names[chance.randrange(one)])
        for one in range(5, 60)
        for _ in range(chance.randrange(1, 3))
    }
    kinds = {name: chance.choice("xyz") for name in names if chance.random() < 0.7}
    gone = {name for name in names if chance.random() < 0.2}
    folder = tmp_path_factory.mktemp("both")

    def row(name):
        return Row(name, name.title(), is_inactive=name in gone, status="retired" if name in gone else "")

    release = Release(
        URL, "1", "Both", "nobody", lambda: [row(one) for one in names], edges=lambda: sorted(edges),
        facts=lambda: [Fact(one, "kind", kind, "code") for one, kind in kinds.items()],
        names=lambda: [Name(one, f"Nome {one}", "pt") for one in names], properties={"kind": ""},
    )  # fmt: skip
    write_release(release, folder / "both.terminology", str)

    def concept(name):
        facts = [{"code": "parent", "valueCode": above} for below, above in sorted(edges) if below == name]
        facts += [{"code": "kind", "valueCode": kinds[name]}] if name in kinds else []
        facts += [{"code": "status", "valueCode": "retired"}] if name in gone else []
        return {
            "code": name,
            "display": name.title(),
            "designation": [{"language": "pt", "value": f"Nome {name}"}],
            "property": facts,
        }

    defined = {
        "resourceType": "CodeSystem", "url": URL, "version": "1", "status": "active", "content": "complete",
        "language": "en", "caseSensitive": True, "property": [{"code": "kind", "type": "code"}],
        "concept": [concept(one) for one in names],
    }  # fmt: skip
    return names, defined, ReleaseLibrary(folder)


def questions(names):
    chance = random.Random(7)
    for operator in OPERATORS:
        for name in chance.sample(names, 6):
            value = {"in": f"{name},c01", "regex": name[:2] + "."}.get(operator, name)
            yield {"property": "concept", "op": operator, "value": value}
    for kind in "xy":
        yield {"property": "kind", "op": "=", "value": kind}
    yield {"property": "kind", "op": "in", "value": "x,z"}
    yield {"property": "kind", "op": "not-in", "value": "x,z"}
    yield {"property": "kind", "op": "exists", "value": "true"}
    yield {"property": "kind", "op": "exists", "value": "false"}
    yield {"property": "status", "op": "=", "value": "retired"}


def test_every_filter_keeps_the_same_codes_and_validates_them_alike(both):
    names, defined, library = both
    chance = random.Random(9)
    for row in questions(names):
        include = {"system": URL, "filter": [row]}
        chosen = {
            "resourceType": "ValueSet",
            "url": "urn:vs",
            "status": "active",
            "compose": {"include": [include]},
        }
        answers = [
            ask("ValueSet/$expand", chosen, *more, library=source, url="urn:vs", excludeNested=True)
            for more, source in (((defined,), None), ((), library))
        ]
        left, right = (codes(one) for one in answers)
        assert sorted(left) == sorted(right), row
        code = chance.choice(names)
        for more, source in (((defined,), None), ((), library)):
            answer = ask(
                "ValueSet/$validate-code", chosen, *more, library=source, url="urn:vs", system=URL, code=code
            )
            assert parts(answer)["result"] is (code in left), (row, code)


def test_subsumption_and_search_agree(both):
    names, defined, library = both
    chance = random.Random(11)
    for _ in range(60):
        left, right = chance.choice(names), chance.choice(names)
        answers = [
            parts(ask("CodeSystem/$subsumes", *more, library=source, system=URL, codeA=left, codeB=right))
            for more, source in (((defined,), None), ((), library))
        ]
        assert answers[0] == answers[1]
    whole = {
        "resourceType": "ValueSet",
        "url": "urn:vs",
        "status": "active",
        "compose": {"include": [{"system": URL}]},
    }
    for text in ("nome c0", "C1", "none"):
        answers = [
            sorted(codes(ask("ValueSet/$expand", whole, *more, library=source, url="urn:vs", filter=text)))
            for more, source in (((defined,), None), ((), library))
        ]
        assert answers[0] == answers[1]
