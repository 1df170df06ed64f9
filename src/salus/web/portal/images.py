"""Medical images in the portal: which studies there are, small pictures of their series, one study in full.

Each picture that a page shows is asked for by itself (`web.imaging.reaching`), and is an access of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Caller
from salus.core.errors import NotFound, SalusError
from salus.primary.imaging.studies import middle_instance, render
from salus.primary.language import labelled, show_concept
from salus.primary.quantities import show_number
from salus.primary.reading.entry import read_entry
from salus.standards.dicomweb.uids import OID, SYSTEM, URI, is_uid, study_uid
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.imaging.finding import find_images
from salus.web.imaging.reaching import Reached, doors_of, reach_entry, require_part, wado_base
from salus.web.portal.chart import banner
from salus.web.portal.lookup import find
from salus.web.portal.patient_context import InFront, in_front, speaking
from salus.web.portal.visit import Visit
from salus.web.services import Services

ROWS_MAX = 200
PIXELS = {"small": 160, "medium": 512, "large": 1_024}
"""Of a picture in a list, on the page of its study, and by itself."""
IN_LIST_MAX = 4
"""Series of one study of which a list shows a picture."""
SERIES_MAX = 50
STUDIES_MAX = 10
"""Studies of one document whose pictures are shown with it."""
ENTRIES_MAX = 5_000
OWN = "/record/images"
Resource = dict[str, Any]  # FHIR JSON, hence Any


class Whose(msgspec.Struct, frozen=True):
    """Whose images a page shows, who looks, and the address of their list; `found`: for a professional."""

    caller: Caller
    patient: str
    path: str
    found: InFront | None = None


def _own(visit: Visit) -> Whose:
    return Whose(visit.caller, visit.caller.patient or "", OWN)


def _in_front(visit: Visit) -> Whose:
    """Return the patient in front of a professional.

    Raises:
        NotFound: their record is at another node.
    """
    found = in_front(visit)
    if found.node != visit.services.node:
        raise NotFound("The pictures of this patient are reached at the node of their country.")
    return Whose(speaking(visit, found), found.person.id, f"{found.path}/images", found)


async def images(visit: Visit) -> Response:
    """Show a professional the studies of the patient in front of them."""
    whose = _in_front(visit)
    assert whose.found is not None
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", "ImagingStudy?patient", frozenset({whose.patient}))
    async with enter(visit.services.gatehouse, whose.caller, asked) as access:
        pairs = [("patient", whose.patient), ("_sort", "-started"), ("_count", str(ROWS_MAX))]
        listed = await find(visit.services, access, "ImagingStudy", pairs)
    rows = [
        {
            "entry": read_entry(each, {}, visit.language, visit.services.clock()),
            "pictures": pictures_of(visit, each, whose.path),
        }
        for each in listed
    ]
    return visit.show(
        "images.html",
        visit.say("images"),
        banner=banner(visit, whose.found),
        path=whose.path,
        back=whose.found.path,
        rows=rows,
        complete=len(listed) < ROWS_MAX,
        asking=asking(visit, whose.path),
    )


async def own_find(visit: Visit) -> Response:
    """Ask the archives for the person's own images, and go back to the list."""
    return await _find(visit, _own(visit))


async def find_in_front(visit: Visit) -> Response:
    """Ask the archives for the images of the patient in front, and go back to the list."""
    return await _find(visit, _in_front(visit))


async def _find(visit: Visit, whose: Whose) -> Response:
    answered = await find_images(visit.services, whose.caller, whose.patient)
    silent = ",".join(each.archive for each in answered if each.problem)
    asked = {"language": visit.language, "asked": "yes", **({"silent": silent} if silent else {})}
    return RedirectResponse(f"{whose.path}?{urlencode(asked)}", 303)


def asking(visit: Visit, path: str) -> dict[str, object]:
    """Return what a list of images says of the archives: the way to ask them, and who did not answer."""
    archives, asked = visit.services.archives, visit.request.query_params
    silent = [name for name in asked.get("silent", "").split(",") if name in archives]
    return {
        "path": f"{path}/find" if archives else "",
        "asked": asked.get("asked") == "yes",
        "silent": ", ".join(archives[name].archive.organisation for name in silent),
    }


def pictures_of(
    visit: Visit, study: Mapping[str, Any], path: str, most: int = IN_LIST_MAX
) -> dict[str, object] | None:
    """Return the addresses of a study's page and of small pictures; None where no archive is asked for it."""
    identity = str(study.get("id", ""))
    if not _may_be_reached(visit.services, study) or not identity:
        return None
    own = f"{path}/{identity}"
    listed = [each for each in study.get("series", ()) if is_uid(str(each.get("uid", "")))]
    return {
        "path": own,
        "small": [
            {"path": f"{own}/{each['uid']}", "words": series_in_words(each, visit.language)}
            for each in listed[:most]
        ],
        "more": max(0, len(listed) - most),
    }


def _may_be_reached(services: Services, study: Mapping[str, Any]) -> bool:
    """Return whether an archive of this node may hold a study; endpoints of other resources decide later."""
    held = [each for each in study.get("contained", ()) if each.get("resourceType") == "Endpoint"]
    links = [str(each.get("reference", "")) for each in study.get("endpoint", ())]
    elsewhere = any(not link.startswith("#") for link in links)
    return bool(study_uid(study) and services.archives and (elsewhere or doors_of(services, held)))


def series_in_words(series: Mapping[str, Any], language: str) -> str:
    """Return what a series shows, for who cannot see its picture: number, title, kind, how many images."""
    number, count = series.get("number"), series.get("numberOfInstances")
    kind = show_concept({"coding": [series["modality"]]}, language).text if series.get("modality") else ""
    images = labelled("images", language, show_number(count, language)).text if count is not None else ""
    title = str(series.get("description", ""))
    return ", ".join(filter(None, ["" if number is None else str(number), title, kind, images]))


async def pictures_in(
    visit: Visit, document: Resource, caller: Caller, patient: str, path: str
) -> list[dict[str, object]]:
    """Return the pictures of the studies that a document names, as far as they are in the record it is of.

    A document says what its author knew; whether pictures may be seen is said by the record alone.
    """
    entries = [each.get("resource", {}) for each in document.get("entry", ())[:ENTRIES_MAX]]
    studies = [each for each in entries if each.get("resourceType") == "ImagingStudy"][:STUDIES_MAX]
    uids = list(dict.fromkeys(filter(None, map(study_uid, studies))))
    if not uids or not visit.services.archives:
        return []
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", "ImagingStudy?identifier", frozenset({patient}))
    pairs = [("identifier", ",".join(f"{SYSTEM}|{OID}{uid},{URI}|{OID}{uid}" for uid in uids))]
    async with enter(visit.services.gatehouse, caller, asked) as access:
        found = await find(visit.services, access, "ImagingStudy", pairs)
    return [shown for each in found if (shown := pictures_of(visit, each, path))]


async def own_study(visit: Visit) -> Response:
    """Show one study of the person's own, after its archive was asked."""
    return await _study(visit, _own(visit))


async def study_in_front(visit: Visit) -> Response:
    """Show one study of the patient in front, after its archive was asked."""
    return await _study(visit, _in_front(visit))


async def _study(visit: Visit, whose: Whose) -> Response:
    """Show a study; its pictures and its address only where the archive holds it for this very patient."""
    identity, unknown, status = visit.request.path_params["study"], "", 200
    reached: Reached | None = None
    try:
        async with reach_entry(visit.services, whose.caller, whose.patient, identity) as reached:
            reached.record("address")
    except SalusError as error:
        unknown, status = visit.tell(error), error.status
    small: Sequence[object] = ()
    entry, wado = None, ""
    if reached is not None:
        study = {**reached.study, "id": identity}
        entry = read_entry(study, {}, visit.language, visit.services.clock())
        shown = pictures_of(visit, study, whose.path, SERIES_MAX) or {}
        small = shown.get("small", ())  # type: ignore[assignment]  # a list of it, as `pictures_of` makes it
        wado = f"{wado_base(visit.services)}/studies/{reached.uid}"
    return visit.show(
        "study.html",
        visit.say("images"),
        status=status,
        banner=banner(visit, whose.found) if whose.found else None,
        path=f"{whose.path}/{identity}",
        back=whose.path,
        entry=entry,
        small=small,
        unknown=unknown,
        organisation=reached.door.archive.organisation if reached else "",
        wado=wado,
    )


async def own_picture(visit: Visit) -> Response:
    """Answer the picture of a series of the person's own study."""
    return await _picture(visit, _own(visit))


async def picture_in_front(visit: Visit) -> Response:
    """Answer the picture of a series of a study of the patient in front."""
    return await _picture(visit, _in_front(visit))


async def _picture(visit: Visit, whose: Whose) -> Response:
    """Answer the middle picture of a series, small or as large as `size` says."""
    identity, series = (visit.request.path_params[name] for name in ("study", "series"))
    pixels = PIXELS.get(visit.request.query_params.get("size", ""), PIXELS["small"])
    async with reach_entry(visit.services, whose.caller, whose.patient, identity) as reached:
        if not is_uid(series):
            raise NotFound("There is no such series in this study.")
        listed: Resource = next(
            (each for each in reached.study.get("series", ()) if each.get("uid") == series), {}
        )
        named = [uid for each in listed.get("instance", ()) if is_uid(uid := str(each.get("uid", "")))]
        chosen = await middle_instance(reached.door, reached.uid, series, named)
        await require_part(visit.services, reached, series, chosen)
        body, picture = await render(reached.door, reached.uid, series, chosen, pixels=pixels)
        reached.record("picture")
    return Response(body, media_type=picture.media_type)
