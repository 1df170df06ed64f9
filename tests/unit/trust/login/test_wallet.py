"""What is asked of a wallet, and which credentials are one person's."""

import msgspec
import pytest

from salus.core.access import Role
from salus.core.errors import NotAuthenticated
from salus.standards.openid4vp.query import read_query, write_query
from salus.standards.sdjwt.credential import Credential
from salus.standards.sdjwt.status_list import StatusReference
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims
from salus.trust.login.wallet import (
    Identification,
    Profession,
    Wallet,
    WalletIssuer,
    check_ends,
    person_by_wallet,
    query_for,
)

SYSTEM, NUMBER, OTHER = "https://fhir.ee/sid/pid/est/ni", "49403136526", "37605030299"
NUMBERS = (IdentifierClaim(claim="number", system=SYSTEM),)
KEY, STRANGER = ({"kty": "EC", "crv": "P-256", "x": x, "y": "y"} for x in ("a", "b"))
WALLET = Wallet(
    certificates_file="c", key_file="k",
    identification=Identification(
        types=("pid",), issuers=(WalletIssuer(issuer="https://pid", name="State", identifiers=NUMBERS),)
    ),
    profession=Profession(
        types=("work",),
        issuers=(
            WalletIssuer(issuer="https://register", name="Register"),
            WalletIssuer(issuer="https://chamber", name="Chamber", identifiers=NUMBERS),
        ),
        claims=ProfessionalClaims(claim="role", roles={"doctor": Role.CLINICIAN}, organisation="at"),
    ),
)  # fmt: skip


def credential(issuer="https://pid", holder=KEY, **claims):
    return Credential(issuer, "t", claims, holder, None, StatusReference("https://pid/list", 0))


PID = credential(number=NUMBER, given_name="Ana", family_name="Silva")


def person(**shown):
    return person_by_wallet(WALLET, {"pid": PID} | shown, as_professional="work" in shown, key=b"k")


def test_a_citizen_is_asked_for_name_and_number_and_a_professional_for_work_besides():
    mine, theirs = (query_for(WALLET, as_professional=each) for each in (False, True))
    assert [each.id for each in mine.credentials] == ["pid"]
    assert [each.id for each in theirs.credentials] == ["pid", "work"]
    assert read_query(write_query(theirs)) == theirs
    assert [claim.path for claim in theirs.credentials[1].claims] == [("role",), ("at",), ("number",)]


def test_of_several_numbers_one_is_enough():
    more = (*NUMBERS, IdentifierClaim(claim="urn:x:nif", system="urn:salus:national-id:PT-NIF"))
    issuers = (WalletIssuer(issuer="https://pid", name="State", identifiers=more),)
    wallet = msgspec.structs.replace(WALLET, identification=Identification(types=("pid",), issuers=issuers))
    (asked,) = query_for(wallet, as_professional=False).credentials
    paths = {claim.id: claim.path[0] for claim in asked.claims}
    names = ["given_name", "family_name"]
    assert [[paths[each] for each in one] for one in asked.claim_sets] == [
        [*names, "number"],
        [*names, "urn:x:nif"],
    ]
    assert read_query(write_query(query_for(wallet, as_professional=False)))


def test_the_number_makes_the_account_and_is_not_in_it():
    found = person()
    assert (found.name, found.assurance, found.identifiers) == ("Ana Silva", "high", ((SYSTEM, NUMBER),))
    assert NUMBER not in found.account.subject
    assert person().account == found.account
    assert person_by_wallet(WALLET, {"pid": PID}, as_professional=False, key=b"l").account != found.account


@pytest.mark.parametrize(
    ("work", "role"),
    [
        (credential("https://register", role="doctor", at="Clinic"), Role.CLINICIAN),
        (credential("https://register", role="nobody", at="Clinic"), None),
        (credential("https://chamber", STRANGER, role="doctor", at="Clinic", number=NUMBER), Role.CLINICIAN),
    ],
)
def test_work_of_the_same_person_counts(work, role):
    assert person(work=work).role == role


@pytest.mark.parametrize(
    "work",
    [
        credential("https://register", STRANGER, role="doctor", at="Clinic"),
        credential("https://register", STRANGER, role="doctor", at="Clinic", number=NUMBER),
        credential("https://chamber", role="doctor", at="Clinic", number=OTHER),
        credential("https://pid", role="doctor", at="Clinic"),
    ],
)
def test_work_of_another_person_or_by_another_issuer_does_not(work):
    with pytest.raises(NotAuthenticated):
        person(work=work)


@pytest.mark.parametrize("claims", [{}, {"number": "49403136527"}, {"number": 49403136526}])
def test_without_a_number_that_counts_nobody_is_known(claims):
    with pytest.raises(NotAuthenticated, match="national identifier"):
        person(pid=credential(**claims))


@pytest.mark.parametrize(("ends", "counts"), [(None, False), (86_401, False), (86_400, True), (60, True)])
def test_what_nobody_can_revoke_must_end_within_a_day(ends, counts):
    found = msgspec.structs.replace(PID, status=None, expires_at=ends)
    if counts:
        check_ends(found, 0)
    else:
        with pytest.raises(NotAuthenticated, match="revoke"):
            check_ends(found, 0)
    check_ends(msgspec.structs.replace(PID, expires_at=ends), 0)
