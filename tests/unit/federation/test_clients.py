"""For which organisation a registered system speaks: what it was registered for, and no other."""

import pytest

from salus.core.access import Assurance, Purpose, Role
from salus.core.errors import AccessRefused
from salus.federation.clients import Applicant, caller_for
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import Assertion
from salus.trust.jurisdictions.law import jurisdiction_of

OWN, OTHER = "urn:oid:1.2|77", "urn:oid:1.2|78"


def speaking(registered, stated):
    asker = Asker("d", "Dr D", Role.CLINICIAN, "Clinic", Purpose.TREATMENT, assurance=Assurance.HIGH,
                  organisation_id=stated)  # fmt: skip
    applicant = Applicant(
        client="ehr", name="EHR", node=None, scopes=("system/*.rs",), roles=(Role.CLINICIAN,),
        assertion=Assertion("ehr", "j", 0, asker), purposes=(Purpose.TREATMENT,), organisation_id=registered,
    )  # fmt: skip
    return caller_for(applicant, "system/*.rs", issuer="https://n", law=jurisdiction_of("EU"))


@pytest.mark.parametrize(
    ("registered", "stated", "known"),
    [("", "", ""), ("", OTHER, OTHER), (OWN, "", OWN), (OWN, OWN, OWN)],
)
def test_a_caller_has_the_identifier_that_was_registered_or_stated(registered, stated, known):
    assert speaking(registered, stated).organisation_id == known


def test_a_system_states_no_organisation_that_it_was_not_registered_for():
    with pytest.raises(AccessRefused, match=r"registered for the organisation urn:oid:1.2\|77"):
        speaking(OWN, OTHER)
