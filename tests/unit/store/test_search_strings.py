"""Strings are found by keyed hashes: whatever their length, in order, in pages, and with no word in clear."""

import json

import asyncpg
import pytest

from salus.core.access import Action
from salus.core.errors import TooCostly
from salus.core.limits import Limits
from salus.standards.fhir.model import SearchParameterRow
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.parameters import standard
from salus.standards.fhir.search.values import fold
from salus.store import resources, search_plan, search_reading
from salus.store import search as search_module
from salus.store.bulk import load
from salus.store.copying import encode_row
from salus.store.rows import make_row
from salus.store.search import search
from salus.store.search_cursor import Place, seal

KEY = b"key of the string test"
LIMITS = Limits()
LONG = " ".join(f"Word{number * 7919 % 997}" for number in range(400)) + " needle"


def row_of(resource, registry=None):
    index = compile_indexer(resource["resourceType"], KEY, registry)(resource)
    return make_row(resource["resourceType"], resource["id"], json.dumps(resource).encode(), index=index)


def patient(identity, *, family="", given="", **more):
    name = {"family": family, "given": [given]} if family else {"given": [given]}
    return {"resourceType": "Patient", "id": identity, "name": [name], **more}


async def keep(database, grant, *found, registry=None):
    for one in found:
        await resources.create(grant(), database, row_of(one, registry))


def asked(text, kind="Patient", limits=LIMITS, **more):
    pairs = [tuple(pair.partition("=")[::2]) for pair in text.split("&") if pair]
    return parse_query(kind, pairs, limits, strict=True, **more)


async def ids(database, grant, text, kind="Patient", **more):
    return [one.id for one in (await search(grant(), database, asked(text, kind, **more), key=KEY)).resources]


@pytest.fixture
async def people(database, grant):
    await keep(
        database,
        grant,
        patient("a", family="Li", given="Xu"),
        patient("b", family="Lindqvist-Åkesson", given="Åsa Maria"),
        patient("c", family="Smith", given="Jo"),
        patient("d", family="SMITHSON", given="Ann"),
        patient("e", family="Παπαδόπουλος", given="Ελένη"),
        patient("f", given="Nobody"),
        {"resourceType": "DocumentReference", "id": "g", "description": f"Letter. {LONG}"},
        {"resourceType": "Observation", "id": "h", "subject": {"reference": "Patient/c"}, "status": "final"},
    )
    return database


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("family=l", "a b"),
        ("family=LI", "a b"),
        ("family=lin", "b"),
        ("family=lindqvis", "b"),
        ("family=lindqvist", "b"),
        ("family=Lindqvist-akesson", "b"),
        ("family=lindqvist-akessons", ""),
        ("family=lindqvistakesson", ""),
        ("family=smith", "c d"),
        ("family:exact=Smith", "c"),
        ("family:exact=smith", ""),
        ("family:exact=Li", "a"),
        ("given=asa m", "b"),
        ("given=as", "b"),
        ("family=παπα", "e"),
        ("family=πα", "e"),
        ("given=ελενη", "e"),
        ("name:contains=th", "c d"),
        ("name:contains=mithso", "d"),
        ("name:contains=ITHS", "d"),
        ("name:contains=t-å", "b"),
        ("name=xu,jo", "a c"),
        ("name=smith,xu", "a c d"),
        ("family:missing=true", "f"),
        ("family:missing=false", "a b c d e"),
        ("family=smith&given=an", "d"),
    ],
)
async def test_strings_of_every_length_are_found(people, grant, text, expected):
    assert " ".join(await ids(people, grant, text)) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("description=letter", True),
        ("description=letter. word", True),
        ("description=letter. words", False),
        ("description:contains=needle", True),
        ("description:contains=needles", False),
        (f"description:contains={LONG[300:500]}", True),
        (f"description=Letter. {LONG}", True),
        (f"description:exact=Letter. {LONG}", True),
        (f"description:exact=Letter. {LONG.upper()}", False),
    ],
)
async def test_a_text_of_too_many_parts_is_found_by_a_mark_and_read(people, grant, text, found):
    assert await ids(people, grant, text, "DocumentReference") == (["g"] if found else [])


async def test_escapes_in_the_bytes_hide_nothing(database, grant):
    content = b'{"resourceType":"Patient","id":"p","name":[{"family":"\\u004cim\\u00e3o  da\\tCruz"}]}'
    row = make_row("Patient", "p", content, index=compile_indexer("Patient", KEY)(json.loads(content)))
    await resources.create(grant(), database, row)
    for text in (
        "family=l",
        "family=limao",
        "family:exact=Limão  da\tCruz",
        "family:contains=o da c",
        "family=limao da cr",
    ):
        assert await ids(database, grant, text) == ["p"], text


async def test_a_value_that_stands_nowhere_in_the_bytes_is_found_too(database, grant):
    """An expression may make a text: the bytes do not show that it is not there."""
    made = SearchParameterRow(
        url="http://node.example/SearchParameter/initials",
        code="initials",
        type="string",
        base=("Patient",),
        expression="Patient.name.select(given.first().substring(0, 1) + family.substring(0, 1))",
    )
    registry = standard().with_added([made])
    await keep(database, grant, patient("p", family="Meri", given="Xander"), registry=registry)
    query = asked("initials=xm", registry=registry)
    found = (await search(grant(), database, query, key=KEY, registry=registry)).resources
    assert [one.id for one in found] == ["p"]


async def test_totals_chains_and_reverse_chains_read_as_far_as_they_must(people, grant):
    page = await search(grant(), people, asked("name=l&_count=1&_total=accurate"), key=KEY)
    assert (len(page.resources), page.total) == (1, 2)
    page = await search(grant(), people, asked("name:contains=smith&_summary=count"), key=KEY)
    assert page.total == 2
    assert await ids(people, grant, "patient.name=jo", "Observation") == ["h"]
    assert await ids(people, grant, "patient.name=xu", "Observation") == []


@pytest.mark.parametrize("text", ["name=z", "name=z&_summary=count", "name:contains=zz"])
async def test_what_cannot_be_read_in_time_is_refused_and_says_what_helps(people, grant, monkeypatch, text):
    for module, name in ((search_module, "PARSED"), (search_module, "BATCH"), (search_reading, "BATCH")):
        monkeypatch.setattr(module, name, 2)
    assert await ids(people, grant, f"{text}&_count=1") == []
    monkeypatch.setattr(people, "limits", Limits(statement_timeout_ms=0))
    with pytest.raises(TooCostly, match=r"first 2 Patient .* three letters or more, or add a filter"):
        await ids(people, grant, f"{text}&_count=1")


@pytest.mark.parametrize("text", ["name=m", "name:contains=am"])
async def test_no_number_of_candidates_bounds_a_string_that_is_read(database, grant, monkeypatch, text):
    for module, name in ((search_module, "PARSED"), (search_module, "BATCH"), (search_reading, "BATCH")):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(database, "limits", Limits(search_candidates_max=1))
    await keep(database, grant, *(patient(f"p{n}", family="Mame" if n > 6 else "Tamme") for n in range(9)))
    await keep(database, grant, *(patient(f"q{n}", family="Kask") for n in range(9)))
    expected = ["p7", "p8"] if text == "name=m" else [f"p{n}" for n in range(9)]
    found, cursor = [], ""
    for _ in range(12):
        page = await search(grant(), database, asked(f"{text}&_count=1&_cursor={cursor}"), key=KEY)
        found += [one.id for one in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == expected
    page = await search(grant(), database, asked(f"{text}&_count=1&_total=accurate"), key=KEY)
    assert page.total == len(expected)


@pytest.mark.parametrize("kind", ["string", "quantity"])
async def test_a_resource_that_has_a_value_many_times_hides_no_other(database, grant, monkeypatch, kind):
    """Few rows are asked for first: several of one resource do not make the resources few."""
    monkeypatch.setattr(search_plan, "RARE", 3)
    if kind == "string":
        names = [{"family": "Tamm", "text": f"Tamm {n}"} for n in range(4)]
        found = [{"resourceType": "Patient", "id": f"p{n}", "name": names} for n in range(4)]
        text = "name=tamm"
    else:
        parts = [{"code": {"text": "x"}, "valueQuantity": {"value": n, "code": "1"}} for n in range(4)]
        found = [{"resourceType": "Observation", "id": f"p{n}", "component": parts} for n in range(4)]
        text = "component-value-quantity=ge0"
    await keep(database, grant, *found)
    assert await ids(database, grant, text, found[0]["resourceType"]) == ["p0", "p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("family", "b d a c e f"), ("-family", "e c a d b f"), ("given,family", "d b f c a e")],
)
@pytest.mark.parametrize("count", [1, 2, 4, 50])
async def test_a_sort_by_a_string_and_its_pages_are_those_of_the_folded_text(
    database, grant, sort, expected, count
):
    await keep(
        database,
        grant,
        patient("a", family="Bé", given="Zoë"),
        patient("b", family="BANANA", given="Bo"),
        patient("c", family="Öö", given="Oo"),
        patient("d", family="bao nana", given="Ann"),
        patient("e", family="Ωmega", given="Zz"),
        patient("f", given="Bob"),
    )
    assert await _pages(database, grant, f"_sort={sort}&_count={count}") == expected.split()


async def _pages(database, grant, text, cursor=""):
    found = []
    for _ in range(9):
        page = await search(grant(), database, asked(f"{text}&_cursor={cursor}"), key=KEY)
        found += [one.id for one in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    return found


async def test_a_page_that_began_before_the_update_goes_on(people, grant):
    """Along the index that there was, the place among those without a value named none."""
    query = asked("_sort=family&_count=1")
    await keep(people, grant, patient("z", given="Zed"))
    with_value = seal(KEY, grant(), query, Place(0, ["smith"], "c"))
    assert await _pages(people, grant, "_sort=family&_count=1", with_value) == ["d", "e", "f", "z"]
    without = seal(KEY, grant(), query, Place(1, [], "f"))
    assert await _pages(people, grant, "_sort=family&_count=1", without) == ["z"]


WORDS = ("Ångström", "Quixote", "Wisteria", "Peculiar", "Ehrenberg")
HOLDS_CONTENT = {("resource", "content"), ("resource_version", "content")}


async def test_no_word_of_a_string_stands_in_a_search_table(database, database_url, grant):
    """Neither as written nor folded, whichever way it came, and whatever it became since."""
    ways = [
        patient(
            "p", family=WORDS[0], given=WORDS[1], address=[{"city": WORDS[2], "line": [f"1 {WORDS[2]}"]}]
        ),
        {"resourceType": "Observation", "id": "o", "status": "final", "valueString": f"{WORDS[3]} smell"},
        {"resourceType": "DocumentReference", "id": "d", "description": f"From {WORDS[4]}. {LONG}"},
    ]
    await keep(database, grant, *ways)
    loaded = [{**one, "id": f"{one['id']}2"} for one in ways]
    async with database.loading(grant(action=Action.LOAD)) as connection, connection.transaction():
        encoded = [encode_row(row_of(one), (), grant().opened_at) for one in loaded]
        await load(grant(action=Action.LOAD), connection, encoded)
    again = patient("p", family=WORDS[0], given="Other")
    await resources.update(grant(), database, row_of(again))
    owner = await asyncpg.connect(database_url)
    await owner.execute("ANALYZE")
    columns = await owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    forms = [form for word in WORDS for form in {word.lower(), fold(word)}]
    searched, clear = 0, []
    for table, column in columns:
        if (table, column) in HOLDS_CONTENT:
            continue
        searched += 1
        rows = await owner.fetch(
            f'SELECT "{column}"::text AS cell FROM "{table}" WHERE "{column}" IS NOT NULL'
        )
        cells = "\n".join(row["cell"] for row in rows).lower()
        clear += [(table, column, one) for one in forms if one in cells or one.encode().hex() in cells]
    samples = "\n".join(row[0] for row in await owner.fetch("SELECT s::text FROM pg_stats s")).lower()
    clear += [("pg_stats", one) for one in forms if one in samples]
    await owner.close()
    assert searched > 100
    assert clear == []
    for text, kind in (
        ("family=angst", "Patient"),
        ("value-string=pecu", "Observation"),
        ("description=from ehr", "DocumentReference"),
    ):
        assert len(await ids(database, grant, text, kind)) == 2
