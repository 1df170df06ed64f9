"""What an app is given: never more than it is registered for, makes sense and is left ticked."""

import pytest

from salus.core.access import Role
from salus.core.errors import OAuthRefused, SettingsInvalid
from salus.federation.apps import check_app, chosen, held_of, offered, offered_to, speaking_through
from salus.standards.smart.launch import LaunchRequest
from salus.store.federation import Client

BACK = "https://heart.example/back"
HELD = ("openid", "fhirUser", "launch", "launch/patient", "offline_access", "patient/*.rs", "user/*.rs")
APP = Client("heart", "Heart App", [], HELD, (), (), (BACK,))


def request(*scopes):
    return LaunchRequest("heart", BACK, scopes, "state", "challenge", "", "", False)


def test_an_app_is_offered_what_it_is_registered_for():
    asked = request("openid", "patient/Observation.cruds", "system/*.rs", "online_access")
    assert offered(APP, asked) == ("openid", "patient/Observation.rs")
    for nothing in (("system/*.rs",), ("launch/patient",), ("offline_access",)):
        with pytest.raises(OAuthRefused):
            offered(APP, request(*nothing))
    with pytest.raises(OAuthRefused):
        offered(APP, request(*(f"patient/Observation.rs?code={n}" for n in range(101))))


@pytest.mark.parametrize(
    ("role", "patient", "opened", "left"),
    [
        (Role.CITIZEN, "ana", False, set(HELD) - {"launch"}),
        (Role.CITIZEN, "ana", True, set(HELD)),
        (Role.PROXY, "ana", False, {"openid", "launch/patient", "patient/*.rs", "user/*.rs"}),
        (Role.CLINICIAN, "ana", True, {"openid", "launch", "launch/patient", "patient/*.rs", "user/*.rs"}),
        (Role.CLINICIAN, "", False, "refused"),
    ],
)
def test_what_makes_sense_depends_on_who_logs_in(caller, role, patient, opened, left):
    try:
        found = set(offered_to(HELD, caller(role), patient, is_opened=opened))
    except OAuthRefused:
        found = "refused"
    assert found == left


def test_a_professional_without_a_patient_is_offered_no_patients_data(caller):
    scopes = ("openid", "patient/*.rs", "user/*.rs")
    assert offered_to(scopes, caller(Role.CLINICIAN), "", is_opened=False) == ("openid", "user/*.rs")


def test_the_person_leaves_away_data_and_lasting_access_and_nothing_else():
    scopes = ("openid", "launch/patient", "patient/*.rs", "offline_access")
    assert chosen(scopes, ["patient/*.rs"]) == ("openid", "launch/patient", "patient/*.rs")
    assert chosen(scopes, []) == ("openid", "launch/patient")
    assert chosen(("launch/patient", "patient/*.rs"), []) == ()
    assert chosen(scopes, ["patient/*.cruds"]) == ("openid", "launch/patient")


def test_what_was_allowed_before_covers_what_is_less():
    assert held_of(("patient/Observation.rs", "user/*.rs"), ("patient/*.rs",)) == ("patient/Observation.rs",)


def test_an_app_speaks_with_the_role_of_the_person_and_both_names(caller):
    person = caller(Role.CITIZEN, patient="ana", name="Ana Silva")
    found = speaking_through(APP, person, ("patient/*.rs",), "ana")
    assert (found.role, found.subject, found.patient, found.app) == (Role.CITIZEN, "s-1", "ana", "heart")
    assert found.name == "Ana Silva (Heart App)"
    assert found.scopes == ("patient/*.rs",)


@pytest.mark.parametrize(
    "change",
    [
        {"redirects": ("http://heart.example/back",)},
        {"redirects": tuple(f"{BACK}/{n}" for n in range(21))},
        {"launch": "heart"},
        {"scopes": ("system/*.rs",)},
        {"scopes": ("patient/Observation.u?category=laboratory",)},
        {"scopes": ("everything",)},
    ],
)
def test_what_is_no_app_is_refused_by_name(change):
    fields = {"redirects": (BACK,), "scopes": HELD, **change}
    launch = fields.get("launch", "")
    app = Client("heart", "Heart App", [], fields["scopes"], (), (), fields["redirects"], launch)
    with pytest.raises(SettingsInvalid):
        check_app(app)
    check_app(APP)
