"""Finding the studies that archives hold of a patient: what is new is filed in the record.

Filing comes before anybody sees a study: it enters the record by the ordinary way to write, so that what the
citizen said (restrictions, rules, labels) holds for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

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
from salus.store.shares import beside
from salus.store.tombstones import erased_among
from salus.trust.gate import Access, enter
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
        fresh = await _unknown(services, door, held.studies, subject)
        filed = sum(
            [await _file(services, door, each, identity, subject) for identity, each in fresh.items()]
        )
    except (PeerUnavailable, TooLarge, NotFound) as error:
        return Answered(name, problem=error.message)
    refused = held.others + len(fresh) - filed
    if refused:
        LOG.warning("archive %s: %d studies of an answer are refused; see: salus imaging find", name, refused)
    return Answered(name, len(held.studies), filed, refused, held.more)


async def _file(services: Services, door: Door, study: Dataset, identity: str, patient: str) -> bool:
    """File a study; return False where it breaks the rules of FHIR."""
    resource = await describe(door, study, f"Patient/{patient}", base=wado_base(services))
    resource = {**resource, "id": identity}
    content = write_json(resource)
    entry = writing.single(
        "PUT", "ImagingStudy", identity=identity, if_none_match="*", resource=resource, content=content
    )
    try:
        await beside(len(content), writing.check_valid, resource)
        with suppress(VersionConflict, Conflict):  # another request filed it meanwhile
            await writing.write(services, filer(services), [entry])
    except InvalidResource:
        return False
    return True


async def _unknown(
    services: Services, door: Door, studies: Sequence[Dataset], patient: str
) -> dict[str, Dataset]:
    """Return what is in the record in no state, hidden, deleted or erased, by the id that it is to have.

    The id names archive, study and patient: a study whose number was put right is another person's entry.
    """
    source = f"dicomweb:{door.archive.name}"
    named = {
        derived_id(source, f"Patient/{patient} ImagingStudy/{text(each, 'StudyInstanceUID')}"): each
        for each in studies
    }
    async with services.database.system() as connection:
        erased = await erased_among(connection, [f"ImagingStudy/{identity}" for identity in named])
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", "studies that archives hold", frozenset({patient}))
    found = {}
    async with enter(services.gatehouse, filer(services), asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside([patient]))
        for identity, each in named.items():
            is_erased = f"ImagingStudy/{identity}" in erased
            if not is_erased and not await _is_known(services, access, identity, each):
                found[identity] = each
        access.record([patient], count=len(named) - len(found))
    return found


async def _is_known(services: Services, access: Access, identity: str, study: Dataset) -> bool:
    if await with_uid(services, access, text(study, "StudyInstanceUID")):
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
