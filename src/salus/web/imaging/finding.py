"""Finding the studies that archives hold of a patient: what is new is filed in the record.

Filing comes before anybody sees a study: it enters the record by the ordinary way to write, so that what the
citizen said (restrictions, rules, labels) holds for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import (
    Conflict,
    Gone,
    InvalidResource,
    NotFound,
    PeerUnavailable,
    TooLarge,
    VersionConflict,
)
from salus.core.identifiers import derived_id
from salus.primary.imaging.asking import Door
from salus.primary.imaging.studies import describe, find_studies, numbers_of
from salus.standards.dicomweb.attributes import Dataset, text
from salus.standards.fhir.codec.json import write_json
from salus.store import resources
from salus.store.merged import merges
from salus.store.tombstones import erased_among
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir import writing
from salus.web.imaging.reaching import Resource, patients_in, wado_base, with_uid
from salus.web.services import Services

LOG = logging.getLogger("salus.imaging")
NAME = "Salus, archives of pictures"


class Answered(msgspec.Struct, frozen=True):
    """What became of asking one archive.

    Args:
        archive: its name.
        studies: how many of this patient it holds.
        filed: how many of them are new in the record.
        refused: how many it answered that are not of this patient, or break the rules of FHIR.
        more: it holds more than were read.
        problem: why it was not asked, or did not answer; "" where it did.
    """

    archive: str
    studies: int = 0
    filed: int = 0
    refused: int = 0
    more: bool = False
    problem: str = ""


async def find_images(services: Services, caller: Caller, patient: str) -> list[Answered]:
    """Ask every archive for the studies of a patient and file what is new.

    How many were filed is the operator's to know: to others it could tell that something is hidden.

    Raises:
        NotFound, AccessRefused: the caller may not look for images of this patient.
    """
    asked = AccessRequest(
        Action.SEARCH, "ImagingStudy", "images of the patient at archives", frozenset({patient})
    )
    async with enter(services.gatehouse, caller, asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside([patient]))
        patients = await patients_in(services, access, [patient])
        access.record([patient])
    subject = known.survivor(patient)
    return [await _ask(services, door, patients, subject) for door in services.archives.values()]


async def _ask(services: Services, door: Door, patients: Sequence[Resource], subject: str) -> Answered:
    name, numbers = door.archive.name, numbers_of(patients, door.archive)
    if not numbers:
        return Answered(name, problem="The record has no number by which this archive knows the patient.")
    try:
        held = await find_studies(door, numbers)
        outcomes = [await _file(services, door, each, subject) for each in held.studies]
    except (PeerUnavailable, TooLarge, NotFound) as error:
        return Answered(name, problem=error.message)
    refused = held.others + outcomes.count("refused")
    if refused:
        LOG.warning("archive %s: %d studies of an answer are refused; see: salus imaging find", name, refused)
    return Answered(name, len(held.studies), outcomes.count("filed"), refused, held.more)


async def _file(services: Services, door: Door, study: Dataset, patient: str) -> str:
    """File a study unless it is in a record, or was taken out of one; say what became of it."""
    uid, filing = text(study, "StudyInstanceUID"), filer(services)
    identity = derived_id(f"dicomweb:{door.archive.name}", f"ImagingStudy/{uid}")
    if await _is_known(services, filing, uid, identity, patient):
        return "known"
    resource = await describe(door, study, f"Patient/{patient}", base=wado_base(services))
    resource = {**resource, "id": identity}
    content = write_json(resource)
    entry = writing.single(
        "PUT", "ImagingStudy", identity=identity, if_none_match="*", resource=resource, content=content
    )
    try:
        writing.check_valid(resource)
        await writing.write(services, filing, [entry])
    except InvalidResource:
        return "refused"
    except (VersionConflict, Conflict):  # another request filed it meanwhile
        return "known"
    return "filed"


async def _is_known(services: Services, filing: Caller, uid: str, identity: str, patient: str) -> bool:
    """Return whether a study is in a record, hidden or not, or was deleted or erased there."""
    async with services.database.system() as connection:
        if await erased_among(connection, [f"ImagingStudy/{identity}"]):
            return True
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", f"study {uid}", frozenset({patient}))
    async with enter(services.gatehouse, filing, asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside([patient]))
        if found := await with_uid(services, access, uid):
            access.record([patient], count=len(found))
            return True
        try:
            await resources.read(access.grant, services.database, "ImagingStudy", identity)
        except Gone:
            return True
        except NotFound:
            return False
    return True


def filer(services: Services) -> Caller:
    """Return the node itself, which files what archives hold."""
    return Caller(
        subject="salus-imaging",
        name=NAME,
        role=Role.OPERATOR,
        organisation=services.name,
        issuer=services.base_url,
        purpose=Purpose.OPERATIONS,
    )
