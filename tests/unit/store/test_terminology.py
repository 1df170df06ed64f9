"""Releases in their published layout, loaded into a file and asked (store/terminology*.py)."""

import random

import pytest
from tests.unit.standards.terminology.asking import ask, codes, parts
from tests.unit.store.terminology_samples import SAMPLES, put, zipped

from salus.core.errors import MalformedContent, NotFound, UnsupportedMedia
from salus.standards.terminology.releases.registry import loaders
from salus.standards.terminology.releases.release import Fact, Name, Release, Row, Wish
from salus.store.terminology import ReleaseLibrary, held, load, remove
from salus.store.terminology_files import files_of
from salus.store.terminology_order import pairs, ranks_and_runs

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
EXPECTED = {
    "snomed": (SNOMED, "http://snomed.info/sct/900000000000207008/version/20260701", 6),
    "loinc": (LOINC, "2.81", 4),
    "claml": ("http://hl7.org/fhir/sid/icd-10", "2026", 3),
    "icd11": ("http://id.who.int/icd/release/11/mms", "2026-01", 4),
    "atc": ("http://www.whocc.no/atc", "2026", 5),
    "edqm": ("http://standardterms.edqm.eu", "2026-09-01", 2),
    "orphanet": ("http://www.orpha.net", "1.3", 2),
}


def quiet(step):
    assert step


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder into which each kind of release was loaded."""
    root = tmp_path_factory.mktemp("releases")
    for name, write in SAMPLES.items():
        write(root / name)
        load(root / name, root / "loaded", "", Wish(), quiet)
    return root


@pytest.fixture(scope="module")
def library(folder):
    return ReleaseLibrary(folder / "loaded")


def test_there_is_a_sample_of_every_loader():
    assert set(loaders()) == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_kind_is_recognised_from_a_folder_and_from_a_zip(name, folder, tmp_path):
    url, version, concepts = EXPECTED[name]
    assert {one.name for one in loaders().values() if one.recognises(files_of(folder / name))} == {name}
    again = load(zipped(folder / name, tmp_path / f"{name}-2.81-2026-09-01.zip"), tmp_path, "", Wish(), quiet)
    assert (again.url, again.version, again.concepts, again.left_out) == (url, version, concepts, 0)
    listed = {one.url: one for one in held(folder / "loaded")}
    assert (listed[url].version, listed[url].concepts) == (version, concepts)


def shown(library, url, code, language=""):
    return parts(ask("CodeSystem/$lookup", library=library, system=url, code=code, displayLanguage=language))[
        "display"
    ]


@pytest.mark.parametrize(
    ("url", "code", "language", "display"),
    [
        (SNOMED, "1001007", "", "Heart structure"),
        (SNOMED, "1001007", "pt-BR", "Estrutura do coração"),
        (SNOMED, "1003007", "en-US", "Color of heart"),
        (SNOMED, "1003007", "en-GB", "Colour of heart"),
        (SNOMED, "138875005", "", "SNOMED CT Concept"),
        (LOINC, "1-8", "", 'Glucose [Mass/volume] in Serum, or "plasma"'),
        (LOINC, "1-8", "pt", "Glicose [Massa/volume]"),
        (LOINC, "LP1-0", "", "Glucose"),
        ("http://hl7.org/fhir/sid/icd-10", "E10", "", "Type 1 diabetes"),
        ("http://hl7.org/fhir/sid/icd-10", "E100", "", "Type 1 diabetes: with coma"),
        ("http://id.who.int/icd/release/11/mms", "1A00", "", "Cholera"),
        ("http://www.whocc.no/atc", "A10BA02", "", "metformin"),
        ("http://standardterms.edqm.eu", "10101000", "pt", "Gotas orais, solução"),
        ("http://www.orpha.net", "58", "pt", "Doença de Alexander"),
    ],
)
def test_a_code_has_its_name_in_its_languages(library, url, code, language, display):
    assert shown(library, url, code, language) == display


@pytest.mark.parametrize(
    ("url", "code", "ancestor"),
    [
        (SNOMED, "1003007", "138875005"), (SNOMED, "1003007", "1001007"), (SNOMED, "1003007", "1002007"),
        (LOINC, "1-8", "LP9-9"), ("http://hl7.org/fhir/sid/icd-10", "E100", "IV"),
        ("http://id.who.int/icd/release/11/mms", "1A0Z", "01"),
        ("http://www.whocc.no/atc", "A10BA02", "A"), ("http://www.orpha.net", "58", "100"),
    ],
)  # fmt: skip
def test_a_code_lies_beneath_its_ancestors(library, url, code, ancestor):
    asked = {"system": url, "codeA": ancestor, "codeB": code}
    assert parts(ask("CodeSystem/$subsumes", library=library, **asked)) == {"outcome": "subsumes"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SNOMED + "?fhir_vs=isa/1001007", ["1001007", "1003007"]),
        (SNOMED + "?fhir_vs=refset/9001007", ["1002007"]),
        (SNOMED + "?fhir_vs=ecl/%3C%3C1002007", ["1002007", "1003007"]),
        (LOINC + "/vs/LP9-9", ["LP1-0", "1-8"]),
    ],
)
def test_an_address_alone_is_a_value_set(library, url, expected):
    found = ask("ValueSet/$expand", library=library, url=url, excludeNested=True)
    assert sorted(codes(found)) == sorted(expected)
    answer = ask(
        "ValueSet/$validate-code",
        library=library,
        url=url,
        system=url.partition("?")[0].partition("/vs")[0],
        code=expected[0],
    )
    assert parts(answer)["result"] is True


def test_what_is_inactive_is_told_and_properties_filter(library):
    answer = ask("CodeSystem/$validate-code", library=library, url=SNOMED, code="1004007")
    assert (parts(answer)["result"], parts(answer)["inactive"]) == (True, True)
    include = {"system": LOINC, "filter": [{"property": "COMPONENT", "op": "=", "value": "LP1-0"}]}
    chosen = {
        "resourceType": "ValueSet",
        "url": "urn:x",
        "status": "active",
        "compose": {"include": [include]},
    }
    assert codes(ask("ValueSet/$expand", chosen, library=library, url="urn:x")) == ["1-8"]
    assert (
        parts(ask("CodeSystem/$lookup", library=library, system=LOINC, code="2-6"))["display"]
        == "Sodium [Moles/volume]"
    )


def test_a_text_finds_by_every_name(library):
    found = ask("ValueSet/$expand", library=library, url=SNOMED + "?fhir_vs", filter="coracao")
    assert codes(found) == ["1001007"]
    assert codes(ask("ValueSet/$expand", library=library, url=SNOMED + "?fhir_vs", filter="hear stru")) == [
        "1001007"
    ]


def test_releases_are_removed_and_what_is_none_is_refused(folder, tmp_path):
    load(folder / "atc", tmp_path, "atc", Wish(version="1"), quiet)
    load(folder / "atc", tmp_path, "atc", Wish(version="2"), quiet)
    found = ReleaseLibrary(tmp_path)
    assert sorted(found.versions("http://www.whocc.no/atc")) == ["1", "2"]
    assert [one.version for one in remove(tmp_path, "http://www.whocc.no/atc", "1")] == ["1"]
    assert found.versions("http://www.whocc.no/atc") == ["2"]
    with pytest.raises(NotFound):
        remove(tmp_path, "urn:none")
    with pytest.raises(NotFound):
        load(tmp_path / "none", tmp_path, "", Wish(), quiet)
    put(tmp_path, "other/readme.txt", "nothing")
    with pytest.raises(UnsupportedMedia):
        load(tmp_path / "other", tmp_path, "", Wish(), quiet)
    put(tmp_path, "bad/sct2_Concept_Snapshot_INT_20260101.txt", "id\tactive")
    with pytest.raises(MalformedContent, match="descriptions"):
        load(tmp_path / "bad", tmp_path, "", Wish(), quiet)
    (tmp_path / "broken.terminology").write_bytes(b"not a database")
    assert [one.version for one in held(tmp_path)] == ["2"]


def test_rows_of_codes_that_are_not_defined_are_counted(tmp_path):
    from salus.store.terminology_writer import write_release

    release = Release(
        "urn:x", "1", "X", "nobody", lambda: [Row("a", "A")], names=lambda: [Name("b", "B")],
        facts=lambda: [Fact("c", "p", "v")], edges=lambda: [("a", "z")],
    )  # fmt: skip
    assert write_release(release, tmp_path / "x.terminology", quiet).left_out == 3
    with pytest.raises(MalformedContent, match="no concept"):
        write_release(Release("urn:x", "1", "X", "nobody", list), tmp_path / "y.terminology", quiet)
    assert not (tmp_path / "y.terminology").exists()


@pytest.mark.parametrize("seed", range(20))
def test_runs_hold_what_a_walk_through_the_hierarchy_finds(seed):
    chance = random.Random(seed)
    count = chance.randrange(1, 40)
    children = [
        sorted({chance.randrange(one + 1, count) for _ in range(chance.randrange(4))})
        if one + 1 < count
        else []
        for one in range(count)
    ]
    roots = [one for one in range(count) if not any(one in beneath for beneath in children)]
    rank, runs = ranks_and_runs(children, roots)
    assert sorted(rank) == list(range(1, count + 1))
    for one in range(count):
        walked, pending = {one}, [one]
        while pending:
            more = [child for child in children[pending.pop()] if child not in walked]
            walked.update(more)
            pending += more
        held_ = {number for low, high in pairs(runs[one]) for number in range(low, high + 1)}
        assert held_ == {rank[node] for node in walked}
