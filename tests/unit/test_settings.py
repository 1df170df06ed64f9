"""Settings: what is read, what is refused and how the refusal reads."""

import re
from pathlib import Path

import msgspec
import pytest

from salus.core.access import Assurance, Role
from salus.core.errors import SettingsInvalid
from salus.core.limits import Limits
from salus.settings import Settings, parse_settings, read_settings, render_settings
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims, Provider

MINIMUM = """
node = "ee-1"
name = "Estonia"
country = "EE"
base_url = "http://127.0.0.1:8101"
port = 8101
"""


def test_the_least_that_must_be_set_is_enough():
    settings = parse_settings(MINIMUM.encode(), "salus.toml")
    assert (settings.node, settings.country, settings.port, settings.database) == (
        "ee-1",
        "EE",
        8101,
        "embedded",
    )
    assert settings.limits == Limits()
    assert settings.demo is False


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("colour = 1", "salus.toml: colour: there is no such setting; allowed are node, name,"),
        ("workers = 0", "workers: expected `int` >= 1; allowed is a whole number from 1 to 64"),
        (
            'workers = "two"',
            "workers: expected `int`, got `str`; allowed is a whole number from 1 to 64",
        ),
        ('demo = "yes"', "salus.toml: demo: expected `bool`, got `str`; allowed is true or false"),
        ('database = "mysql://x"', 'allowed is "embedded" or "postgresql://USER@HOST/DATABASE"'),
        (
            'languages = "en"',
            "languages: expected `array`, got `str`; allowed is a list of texts",
        ),
        ("languages = []", "salus.toml: languages: name at least one"),
        (
            "[limits]\nbody_max = 5",
            "limits.body_max: there is no such setting; allowed are body_bytes_max",
        ),
        (
            "[limits]\ndepth_max = 0",
            "limits.depth_max: 0 is not allowed; it is 1 or more",
        ),
        (
            "[limits]\ndepth_max = 'a'",
            "limits.depth_max: expected `int`, got `str`; allowed is a whole",
        ),
        ("demo = maybe", "salus.toml is not TOML"),
    ],
)
def test_a_refusal_names_file_key_and_what_is_allowed(line, problem):
    with pytest.raises(SettingsInvalid) as raised:
        parse_settings((MINIMUM + line).encode(), "salus.toml")
    assert problem in raised.value.message


def test_a_missing_setting_is_named():
    with pytest.raises(SettingsInvalid) as raised:
        parse_settings(MINIMUM.replace('country = "EE"', "").encode(), "salus.toml")
    assert "salus.toml: country: is missing; allowed is two capital letters" in raised.value.message


def test_a_login_of_the_database_is_for_one_by_url():
    served = 'database_app = "postgresql://app:x@db.example/node"\n'
    bound = 'database_app_bound = "postgresql://app_b:x@db.example/node"\n'
    own = 'database = "postgresql://owner@db.example/node"\n'
    read = parse_settings((own + served + bound + MINIMUM).encode(), "f")
    assert read.database_app.startswith("postgresql://app:")
    assert read.database_app_bound.startswith("postgresql://app_b:")
    with pytest.raises(SettingsInvalid, match="database_app: is only for a database by URL"):
        parse_settings((served + MINIMUM).encode(), "salus.toml")
    with pytest.raises(SettingsInvalid, match="database_app_bound: is only for a database by URL"):
        parse_settings((bound + MINIMUM).encode(), "salus.toml")
    with pytest.raises(SettingsInvalid, match=r"database_app_bound: is missing.*CREATE ROLE app_bound LOGIN"):
        parse_settings((own + served + MINIMUM).encode(), "salus.toml")
    with pytest.raises(SettingsInvalid, match=r"database_app: is missing.*CREATE ROLE app_b LOGIN"):
        parse_settings((own + bound + MINIMUM).encode(), "salus.toml")
    with pytest.raises(SettingsInvalid, match="database_app"):
        parse_settings((own + 'database_app = "app"\n' + MINIMUM).encode(), "salus.toml")


def test_a_folder_without_settings_says_how_to_make_a_node(tmp_path):
    with pytest.raises(SettingsInvalid, match="salus node init --data"):
        read_settings(tmp_path)


def test_settings_survive_being_written_and_read(tmp_path):
    settings = Settings(
        node="pt-1",
        name='Portugal "south" – Évora\\',
        country="PT",
        base_url="https://node.example.pt",
        own_addresses=("https://node.intranet.example.pt",),
        port=8102,
        languages=("pt", "en"),
        demo=True,
        subscription_targets=("https://hooks.example.pt/",),
        login=(PROVIDER,),
        limits=Limits(page_count_max=77),
    )
    (tmp_path / "salus.toml").write_text(render_settings(settings), encoding="utf-8")
    assert read_settings(tmp_path) == settings


def test_every_setting_is_documented_with_its_default():
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = {
        line.split("|")[1].strip(): line.split("|")[2].strip() for line in text.splitlines() if "| `" in line
    }
    fields = [*msgspec.structs.fields(Settings), *msgspec.structs.fields(Limits)]
    for field in fields:
        assert f"`{field.name}`" in rows, f"docs/settings.md does not explain {field.name}"
        if isinstance(field.default, int) and not isinstance(field.default, bool):
            assert rows[f"`{field.name}`"] == str(field.default), field.name
    assert set(rows) == {f"`{field.name}`" for field in fields}


PROVIDER = Provider(
    id="state", name='The "state"', issuer="https://id.example/", client_id="node", secret_file="a.secret",
    assurance={"": Assurance.LOW, "urn:high": Assurance.HIGH},
    identifiers=(IdentifierClaim(claim="sub", system="https://fhir.ee/sid/pid/est/ni", prefix="EE"),),
    professional=ProfessionalClaims(claim="job", roles={"doctor": Role.CLINICIAN}, organisation="employer"),
)  # fmt: skip


def test_the_example_of_the_log_in_page_is_read():
    text = (Path(__file__).parents[2] / "docs" / "login.md").read_text(encoding="utf-8")
    example, wallet = re.findall(r"^```toml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    read = parse_settings(f"{MINIMUM}\n{example}\n{wallet}".encode(), "salus.toml")
    state, register = read.login
    assert read.wallet.profession.claims.roles == {"physician": Role.CLINICIAN}
    assert parse_settings(render_settings(read).encode(), "salus.toml") == read
    assert state.assurance == {"high": Assurance.HIGH, "substantial": Assurance.SUBSTANTIAL}
    assert register.professional.roles["pharmacist"] is Role.PHARMACIST
    assert all(
        f"`{name}`" in text or f"{name} =" in text or f".{name}]" in text
        for name in Provider.__struct_fields__
    )


LOGIN = '[[login]]\nid = "a"\nname = "A"\nissuer = "https://id.example"\nclient_id = "c"\n'


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (LOGIN.replace('"a"', '"A-1"'), r"login\[0\].id: .* allowed is at most 20 lower-case letters"),
        (LOGIN.replace('"a"', '"test"'), r"login\[0\].id: test is taken"),
        (LOGIN + LOGIN, r"login\[0\].id: a is taken"),
        (LOGIN + "secret = 'x'\n", "secret: there is no such setting; allowed are id, name, issuer"),
        (LOGIN.replace("https://id.example", "http://127.0.0.1:8101/provider"), "embedded provider"),
        (LOGIN.replace("https://id.example", "http://id.example"), "it is an https address"),
        (LOGIN + 'scopes = ["profile"]\n', '"openid" must be among them'),
        (LOGIN + 'assurance = { "x" = "highest" }\n', "login"),
        (LOGIN + 'identifiers = [{ claim = "sub", system = "urn:x" }]\n', "urn:x is no national identifier"),
        (LOGIN + 'professional = { claim = "j", organisation = "o", roles = { x = "app" } }\n', "app is not"),
    ],
)  # fmt: skip
def test_a_log_in_provider_that_cannot_be_is_refused(lines, problem):
    with pytest.raises(SettingsInvalid, match=problem):
        parse_settings(f"{MINIMUM}\n{lines}".encode(), "salus.toml")


@pytest.mark.parametrize("code", ["ZZ", "UK", "EL", "XX"])
def test_a_country_that_is_no_european_one_is_refused(code):
    with pytest.raises(SettingsInvalid, match=f"country: {code} is not allowed.*EE.*GB.*GR"):
        parse_settings(MINIMUM.replace('"EE"', f'"{code}"').encode(), "salus.toml")
