"""What of a provider's claims counts here, and how sure it makes."""

import msgspec
import pytest

from salus.core.access import Assurance, Role
from salus.trust.login.person import Work, acr_values, is_enough, name_of, person_of, work_of
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims, Provider

LEVELS = {"loa/high": Assurance.HIGH, "loa/mid": Assurance.SUBSTANTIAL, "": Assurance.LOW}
NUMBER = IdentifierClaim(claim="sub", system="https://fhir.ee/sid/pid/est/ni", prefix="EE")
WORK = ProfessionalClaims(claim="job", roles={"doctor": Role.CLINICIAN}, organisation="employer")
PROVIDER = Provider(
    id="a", name="A", issuer="https://id.example", client_id="salus", assurance=LEVELS,
    identifiers=(NUMBER,), professional=WORK,
)  # fmt: skip


def found(**claims):
    return person_of(PROVIDER, {"sub": "EE49403136526"} | claims)


@pytest.mark.parametrize(
    ("acr", "level"),
    [("loa/high", "high"), ("loa/mid", "substantial"), (None, "low"), ("", "low"), ("loa/highest", "low"),
     (["loa/high"], "low")],
)  # fmt: skip
def test_only_the_levels_of_the_settings_make_sure(acr, level):
    assert found(acr=acr).assurance == level


def test_a_level_is_asked_for_by_what_the_provider_calls_it():
    assert acr_values(PROVIDER, Assurance.SUBSTANTIAL) == ("loa/high", "loa/mid")
    assert acr_values(PROVIDER, Assurance.HIGH) == ("loa/high",)
    assert is_enough(None, Assurance.HIGH)
    assert not is_enough(Assurance.SUBSTANTIAL, Assurance.HIGH)


def test_a_national_number_counts_by_its_countrys_rule():
    assert found().identifiers == (("https://fhir.ee/sid/pid/est/ni", "49403136526"),)
    for wrong in ("49403136526", "EE49403136527", "EE", "LT49403136526", 49403136526, None):
        assert found(sub=wrong).identifiers == ()


def test_a_professional_needs_a_known_role_and_an_organisation():
    assert (found(job=["x", "doctor"], employer="Clinic").role, found(job="x", employer="Clinic").role) == (
        Role.CLINICIAN,
        None,
    )
    assert found(job="doctor").role is None
    assert found(job={"doctor": 1}, employer="Clinic").role is None


def test_a_name_is_one_line_of_bounded_length():
    assert name_of({"given_name": "Ebba", "family_name": "Lind"}) == "Ebba Lind"
    assert name_of({"name": "Ebba\r\nforged line\x1b[0m" + "x" * 500}).startswith("Ebbaforged line[0m")
    assert len(name_of({"name": "x" * 500})) == 200
    assert name_of({"name": 7}) == ""


@pytest.mark.parametrize(
    ("claim", "system", "known"),
    [
        ("urn:oid:1.2|77", "", "urn:oid:1.2|77"),
        ("77", "urn:oid:1.2", "urn:oid:1.2|77"),
        ("77", "", ""),
        (77, "urn:oid:1.2", ""),
    ],
)
def test_an_organisation_is_vouched_for_by_identifier_where_the_settings_say_how(claim, system, known):
    trusted = msgspec.structs.replace(WORK, organisation_id="number", organisation_system=system)
    claims = {"job": "doctor", "employer": "Clinic", "number": claim}
    assert work_of(trusted, claims) == Work(Role.CLINICIAN, "Clinic", known)
    assert work_of(WORK, claims) == Work(Role.CLINICIAN, "Clinic")
    assert work_of(trusted, claims | {"employer": ""}) == Work()
