"""Published example numbers (national publications, Wikipedia, test numbers): none belongs to a person."""

from __future__ import annotations

import pytest

from salus.standards.nationalid.identifiers import (
    holds,
    identifier_of_system,
    national_identifiers,
    normalise,
)
from salus.standards.nationalid.rules import RULES

VALID = [
    ("portuguese-nif", "501964843"),
    ("estonian-isikukood", "37605030299"),
    ("estonian-isikukood", "33309240064"),
    ("latvian-personas-kods", "161175-19997"),
    ("french-nir", "2 55 08 14 168 025 38"),
    ("spanish-dni", "12345678Z"),
    ("spanish-dni", "X1234567L"),
    ("italian-codice-fiscale", "RSSMRA85T10A562S"),
    ("german-kvnr", "A123456780"),
    ("austrian-svnr", "1237 010180"),
    ("belgian-nrn", "93.05.18-223.61"),
    ("dutch-bsn", "111222333"),
    ("finnish-hetu", "131052-308T"),
    ("swedish-personnummer", "811228-9874"),
    ("danish-cpr", "211062-5629"),
    ("polish-pesel", "44051401359"),
    ("czech-rodne-cislo", "710319/2745"),
    ("bulgarian-egn", "7523169263"),
    ("romanian-cnp", "1630615123457"),
    ("croatian-oib", "33392005961"),
    ("slovenian-emso", "0101006500006"),
    ("greek-amka", "01013099997"),
    ("irish-ppsn", "6433435F"),
    ("irish-ppsn", "6433435OA"),
    ("hungarian-taj", "111111110"),
    ("luxembourgish-matricule", "1893120105732"),
    ("norwegian-fodselsnummer", "15108695088"),
    ("icelandic-kennitala", "120174-3399"),
    ("maltese-id", "0123456M"),
    ("nine-digits", "123456789"),
]
UNCHECKED = {"danish-cpr", "maltese-id", "nine-digits", "latvian-personas-kods", "icelandic-kennitala"}


@pytest.mark.parametrize(("rule", "number"), VALID)
def test_published_examples_keep_their_rule(rule, number):
    assert RULES[rule](normalise(number))


@pytest.mark.parametrize(("rule", "number"), [pair for pair in VALID if pair[0] not in UNCHECKED])
def test_a_wrong_last_character_breaks_the_rule(rule, number):
    number = normalise(number)
    others = "0123456789" if number[-1].isdecimal() else "BCDEFGHJ"
    kept = [char for char in others if char != number[-1] and RULES[rule](number[:-1] + char)]
    assert kept == []


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("text", ["", "0", "ABC", "٣٣٣٠٩٢٤٠٠٦٤", "9" * 40, "99999999999"])
def test_what_is_no_number_of_the_country_is_refused_without_an_error(rule, text):
    assert RULES[rule](text) in (False, True)
    assert not (len(text) == 40 and RULES[rule](text))


def test_every_row_has_a_rule_a_unique_system_and_a_source():
    rows = national_identifiers()
    assert {row.rule for row in rows} <= RULES.keys()
    assert len({row.system for row in rows}) == len(rows)
    assert all(row.source for row in rows)


def test_all_countries_of_the_union_but_cyprus_are_in_the_table():
    union = {
        *("AT", "BE", "BG", "HR", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"),
        *("IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
    }
    assert union <= {row.country for row in national_identifiers()}


def test_a_system_is_found_by_uri_and_by_oid():
    estonian = identifier_of_system("urn:oid:1.3.6.1.4.1.28284.6.2.2.1")
    assert estonian is not None
    assert identifier_of_system(estonian.system) is estonian
    assert estonian.country == "EE"
    assert holds(estonian.system, "37605030299") is True
    assert holds(estonian.system, "37605030298") is False
    assert holds("http://hospital.example/mrn", "1") is None
