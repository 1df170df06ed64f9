"""The citizen sees the accesses from abroad, proves them, and restricts a document: it is gone abroad."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.federation.conftest import local_caller, local_token, put
from tests.federation.test_crossing import condition, found, person, publish

from salus.core.access import Role
from salus.core.errors import AccessRefused, MalformedContent, NotFound
from salus.primary.cross_border import fetch_summary, list_documents, list_resources, present
from salus.primary.rights import Citizen, own_accesses, restrict_resource
from salus.standards.merkle.note import log_key
from salus.store.sequencer import sequence
from salus.web.abroad import desk_of
from salus.web.ledger import signer_of


@pytest.fixture
async def home(federation):
    node = federation.nodes["pt-1"]
    await put(node, person("ana"), person("rui", "Costa", "Rui"), condition("c1", "ana"))
    return node


@pytest.fixture
def desk(federation):
    abroad = federation.nodes["ee-1"]
    mari = local_caller(abroad, Role.CLINICIAN, "Mari Tamm")
    return desk_of(abroad.services, mari)


def citizen(node, patient="ana"):
    token = local_token(node, Role.CITIZEN, patient, patient=patient)
    caller = node.services.doorkeeper.identify(token)
    return Citizen(caller, node.services.gatehouse, node.services.database)


async def sealed(node):
    """Sequence what was written and return the key of the log."""
    signer = signer_of(node.services.base_url, node.services.keys)
    await sequence(node.services.database, signer, node.clock())
    return log_key(signer.origin, signer.key)


async def test_she_sees_who_looked_from_abroad_and_can_prove_it(home, desk):
    patient = present(await found(desk))
    await fetch_summary(desk, patient)
    lines = await own_accesses(citizen(home), await sealed(home))
    seen = {(each.access.leaf.name, each.access.leaf.node, each.access.leaf.what) for each in lines}
    assert ("Mari Tamm", "ee-1", "Patient/ana/$summary") in seen
    assert {each.is_proven for each in lines} == {True}
    again = await own_accesses(citizen(home), await sealed(home))
    assert again[0].access.leaf.role == "citizen"


async def test_a_checkpoint_that_the_log_did_not_sign_proves_nothing(home):
    key = await sealed(home)
    other = log_key(key.name, Ed25519PrivateKey.generate())
    with pytest.raises(MalformedContent):
        await own_accesses(citizen(home), other)


async def test_nobody_reads_the_access_log_of_another(home):
    key = await sealed(home)
    lines = await own_accesses(citizen(home, "rui"), key)
    assert {each.access.leaf.patient for each in lines} <= {"rui"}
    clinician = local_caller(home, Role.CLINICIAN, "Dr Sousa")
    with pytest.raises(AccessRefused):
        await own_accesses(Citizen(clinician, home.services.gatehouse, home.services.database), key)


async def test_a_restricted_document_is_absent_abroad_and_comes_back(home, desk):
    reference = (await publish(home, b"%PDF-1 result")).json()["id"]
    patient = present(await found(desk))
    assert [each["id"] for each in (await list_documents(desk, patient)).resources] == [reference]
    await restrict_resource(citizen(home), "DocumentReference", reference, hidden=True)
    assert (await list_documents(desk, patient)).resources == []
    await restrict_resource(citizen(home), "DocumentReference", reference, hidden=False)
    assert len((await list_documents(desk, patient)).resources) == 1


async def test_a_restricted_condition_leaves_no_trace_in_the_summary(home, desk):
    await restrict_resource(citizen(home), "Condition", "c1", hidden=True)
    patient = present(await found(desk))
    summary = await fetch_summary(desk, patient)
    assert summary.is_valid
    assert "I10" not in summary.body.decode()
    assert "may have restricted" in summary.body.decode()
    assert (await list_resources(desk, patient, "Condition")).resources == []


async def test_what_is_not_hers_she_cannot_restrict(home):
    with pytest.raises(NotFound):
        await restrict_resource(citizen(home, "rui"), "Condition", "c1", hidden=True)
    clinician = local_caller(home, Role.CLINICIAN, "Dr Sousa")
    professional = Citizen(clinician, home.services.gatehouse, home.services.database)
    with pytest.raises(AccessRefused):
        await restrict_resource(professional, "Condition", "c1", hidden=True)
