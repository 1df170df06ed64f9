"""What national law settles: every table is whole, and a wrong one says what is wrong."""

from importlib import resources
from pathlib import Path

import pytest

from salus.core.errors import SettingsInvalid
from salus.settings import COUNTRIES
from salus.trust.jurisdictions.law import countries, jurisdiction_of, read_jurisdiction

TEXT = (Path(__file__).parents[4] / "docs" / "jurisdictions.md").read_text(encoding="utf-8")


def _table(country: str) -> bytes:
    return resources.files("salus.trust.jurisdictions").joinpath(f"{country}.toml").read_bytes()


@pytest.mark.parametrize("country", countries())
def test_every_value_of_a_table_names_its_source(country):
    law = jurisdiction_of(country)
    assert law.country == country
    values = [getattr(law, field) for field in law.__struct_fields__ if field not in ("country", "name")]
    assert all(value.source for value in values)


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_the_access_log_is_kept_three_years_in_every_country(country):
    assert jurisdiction_of(country).access_log_kept_years.value >= 3


def test_a_country_without_a_table_has_the_law_of_the_regulation_alone():
    assert "DE" not in countries()
    assert jurisdiction_of("DE").country == "EU"


def test_countries_differ():
    assert len({jurisdiction_of(country).child_decides_from_years.value for country in ("EE", "FR")}) == 2
    assert len({jurisdiction_of(country).assurance.value for country in ("PT", "EE", "FR")}) == 3


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"[default-access]", b"[default-acess]", "default-acess"),
        (b'value = "permit"', b'value = "perhaps"', "perhaps"),
        (
            b"[access-log-kept-years]\nvalue = 3",
            b"[access-log-kept-years]\nvalue = 2",
            "access-log-kept-years",
        ),
        (b'country = "PT"', b'country = "ES"', "is ES's"),
        (b'name = "Portugal"', b"name = ", "PT"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(before, after, said):
    table = _table("PT")
    assert before in table
    with pytest.raises(SettingsInvalid) as refused:
        read_jurisdiction(table.replace(before, after), "PT")
    assert said in refused.value.message


def test_the_documented_template_is_a_whole_table():
    template = TEXT.split("```toml\n")[1].split("```")[0]
    assert read_jurisdiction(template.encode(), "XX").name == "In English"
