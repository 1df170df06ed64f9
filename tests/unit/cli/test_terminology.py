"""`salus terminology`: load a release, ask about its codes, remove it."""

import json

import pytest
from tests.unit.store.terminology_samples import loinc, snomed

from salus.cli.main import main

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function: (*words) -> exit code, printed text and what was said on standard error."""

    def run(*words):
        code = main(["terminology", *map(str, words), "--data", str(tmp_path / "data")])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_release_is_loaded_listed_asked_and_removed(run, tmp_path):
    snomed(tmp_path / "sct")
    code, out, _ = run("load", tmp_path / "sct")
    assert code == 0
    assert out.splitlines()[-1].endswith("6 concepts, 9 names")
    assert SNOMED in run("list")[1]

    code, out, _ = run("lookup", SNOMED, "1001007", "--language", "pt-BR")
    assert out.splitlines()[0].split("\t")[:2] == ["1001007", "Estrutura do coração"]
    assert run("subsumes", SNOMED, "1001007", "1003007")[1] == "subsumes\n"
    code, out, _ = run("expand", SNOMED + "?fhir_vs=isa/1001007", "--count", "1")
    assert out.splitlines() == ["1001007\tHeart structure\t" + SNOMED, "total 2"]
    assert run("validate", SNOMED + "?fhir_vs", SNOMED, "1001007", "--display", "Heart structure")[:2] == (
        0,
        "yes\n",
    )
    code, out, _ = run("validate", SNOMED + "?fhir_vs=isa/1001007", SNOMED, "1002007")
    assert (code, out.splitlines()[0]) == (1, "no")

    assert run("remove", SNOMED)[0] == 0
    assert run("lookup", SNOMED, "1001007")[2].startswith(
        "salus: The code system http://snomed.info/sct is not known"
    )


def test_an_unknown_code_is_reported_and_a_missing_word_too(run, tmp_path):
    loinc(tmp_path / "loinc")
    code, out, _ = run("load", tmp_path / "loinc", "--json")
    assert json.loads(out)["version"] == "2.81"
    code, _, err = run("lookup", LOINC, "0-0")
    assert code == 1
    assert "no code 0-0" in err
    assert "Say: salus terminology lookup SYSTEM CODE" in run("lookup", LOINC)[2]
    code, out, _ = run("translate", LOINC, "1-8")
    assert code == 1
    assert "stays as it is" in out
    code, out, _ = run("lookup", LOINC, "1-8", "--json")
    assert json.loads(out)["resourceType"] == "Parameters"
