"""A citizen's own record: by category, as a summary, with what they restrict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Role
from salus.core.errors import NotFound
from salus.primary.language import show_type
from salus.primary.reading.entry import read_entry
from salus.primary.reading.received import may_be_read
from salus.primary.selection import NO_ENTRY
from salus.standards.fhir.model import compartments
from salus.standards.fhir.search.parameters import clinical_date, parameters_of
from salus.store.compartment import kinds, named
from salus.store.merged import merges
from salus.store.restrictions import ANOTHER_ENTRY
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.search import CURSOR
from salus.web.portal.documents import attachment_of, is_kept
from salus.web.portal.images import OWN as IMAGES
from salus.web.portal.images import asking, pictures_of
from salus.web.portal.lookup import find_page, own_person, read
from salus.web.portal.referred import with_products
from salus.web.portal.visit import Visit
from salus.web.portal.words import Category, category, words
from salus.web.restrictions import (
    limited_by_rules,
    restricted,
    roots,
    set_restricted,
    show_again,
    would_hide,
)

ROWS_MAX = 200
CHANGES = frozenset({"restrict", "unrestrict"})
STILL_HIDDEN, STILL_RULED = "unrestrict-still", "unrestrict-ruled"
"""What is said where an entry stays hidden: with another one, or by a rule."""


async def record(visit: Visit) -> Response:
    """Show the categories of the own record with how much each holds."""
    hidden = await _restricted(visit)
    async with _enter(visit, "record by category") as access:
        person = await own_person(visit.services, access)
        held = await _kinds(visit, access)
        listed = []
        for each in words().category:
            found, older = await _resources(visit, access, each, held)
            hidden_count = sum((one["resourceType"], one["id"]) in hidden for one in found)
            listed.append(
                {
                    "key": each.key,
                    "title": each.title(visit.language),
                    "total": len(found),
                    "more": bool(older),
                    "restricted": hidden_count,
                }
            )
    return visit.show("record.html", visit.say("my-record"), own=person, categories=listed)


async def one_category(visit: Visit) -> Response:
    """Show the newest entries of one category, each with who may see it, and the way to older ones."""
    chosen = category(visit.request.path_params["category"])
    if chosen is None:
        raise NotFound("There is no such part of a record.")
    hidden = await _restricted(visit)
    ruled = await _ruled(visit)
    async with _enter(visit, f"record, {chosen.key}") as access:
        held = await _kinds(visit, access)
        found, older = await _resources(visit, access, chosen, held, visit.request.query_params)
        known = await with_products(visit.services, access, found)
        holders = await _holders(visit, access, hidden)
    found = known.resources
    others = known.products | {f"{each['resourceType']}/{each['id']}": each for each in found}
    rows = [
        {
            "type": each["resourceType"],
            "id": each["id"],
            "entry": read_entry(each, others, visit.language, visit.services.clock()),
            "restricted": (each["resourceType"], each["id"]) in hidden,
            "hidden_with": holders.get(hidden.get((each["resourceType"], each["id"]), "")),
            **_as_document(each),
            "pictures": pictures_of(visit, each, IMAGES) if each["resourceType"] == "ImagingStudy" else None,
            "limited": (each["resourceType"], each["id"]) in ruled,
        }
        for each in found
    ]
    done = visit.request.query_params.get("done", "")
    rows.sort(key=lambda row: row["entry"].sorted_by, reverse=True)
    return visit.show(
        "category.html",
        chosen.title(visit.language),
        key=chosen.key,
        heading=chosen.title(visit.language),
        path=f"/record/{chosen.key}",
        asking=asking(visit, IMAGES) if "ImagingStudy" in chosen.types else None,
        rows=rows,
        is_first=not any(kind in visit.request.query_params for kind in held),
        older=urlencode(older),
        done=visit.say(f"done-{done}") if done in CHANGES | {STILL_HIDDEN, STILL_RULED} else "",
        worked=done in CHANGES,
    )


async def change_restriction(visit: Visit) -> Response:
    """Restrict an entry, or lift that, and go back to where the citizen was.

    Before something is hidden the citizen reads what goes with it and what the risk is.
    """
    change = visit.request.path_params["change"]
    chosen = category(visit.form.get("category", ""))
    if chosen is None or change not in CHANGES:
        raise NotFound("There is no such part of a record.")
    hidden = change == "restrict"
    kind, identity = visit.form.get("type", ""), visit.form.get("id", "")
    if hidden and visit.form.get("confirmed") != "yes":
        hides = await would_hide(visit.services, visit.caller, kind, identity)
        return visit.show(
            "restrict.html",
            visit.say("hide"),
            key=chosen.key,
            type=kind,
            id=identity,
            others=_besides(kind, hides, visit.language),
        )
    if hidden:
        await set_restricted(visit.services, visit.caller, kind, identity, hidden=True)
    else:
        now = await show_again(visit.services, visit.caller, kind, identity)
        change = STILL_HIDDEN if now.hidden_with else STILL_RULED if now.is_limited else change
    return RedirectResponse(f"/record/{chosen.key}?language={visit.language}&done={change}", 303)


def _as_document(resource: dict[str, Any]) -> dict[str, bool]:
    """Return whether an entry is a document that can be saved, and one that can be read as a page."""
    attachment = attachment_of(resource) if resource["resourceType"] == "DocumentReference" else {}
    kept = is_kept(attachment)
    return {
        "can_be_saved": kept,
        "can_be_read": kept and may_be_read(str(attachment.get("contentType", ""))),
    }


def _besides(kind: str, hides: Mapping[str, int], language: str) -> list[dict[str, object]]:
    """Return how many entries go with the one that is hidden, which is of type `kind` and not counted."""
    left = {**hides, kind: hides.get(kind, 1) - 1}
    return [{"kind": show_type(name, language), "count": count} for name, count in left.items() if count > 0]


def _enter(visit: Visit, what: str) -> Any:  # the gate's own context manager
    patient = frozenset({visit.caller.patient or ""})
    return enter(visit.services.gatehouse, visit.caller, AccessRequest(Action.SEARCH, "", what, patient))


async def _kinds(visit: Visit, access: Access) -> frozenset[str]:
    """Return the types of entry that the citizen's record holds something of."""
    known = await merges(visit.services.database, visit.services.clock())
    own = access.grant.caller.patient or ""
    merged = known.beside([own])
    access.include(merged)
    held = await kinds(access.grant, visit.services.database, [own, *sorted(merged)])
    return held & frozenset(compartments()["Patient"]) - NO_ENTRY


async def _resources(
    visit: Visit,
    access: Access,
    chosen: Category,
    held: frozenset[str],
    pages: Mapping[str, str] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:  # FHIR content is open JSON, hence Any
    """Return the citizen's newest resources of a category, and by type the mark of its next page.

    `pages` are such marks: the page goes on from there with those types alone; nothing is left of the others.
    """
    named = frozenset(kind for each in words().category for kind in each.types)
    types = held & (frozenset(chosen.types) if chosen.types else held - named)
    marks = {kind: pages[kind] for kind in types if kind in pages} if pages else {}
    found: list[dict[str, Any]] = []
    older: dict[str, str] = {}
    for kind in sorted(marks or types):
        page = await find_page(visit.services, access, kind, _newest(kind, access, marks.get(kind, "")))
        found += page.resources
        if page.next_cursor:
            older[kind] = page.next_cursor
    return found, older


def _newest(kind: str, access: Access, mark: str) -> list[tuple[str, str]]:
    """Return the search for the citizen's resources of a type, the newest first, from a page's mark on."""
    known, places = parameters_of(kind), compartments()["Patient"][kind]
    place = "patient" if "patient" in known else places[0]
    dated = clinical_date(kind)
    pairs = [(place, f"Patient/{access.grant.caller.patient or ''}"), ("_count", str(ROWS_MAX))]
    pairs.append(("_sort", f"-{dated.code}" if dated else "-_lastUpdated"))
    return [*pairs, (CURSOR, mark)] if mark else pairs


async def _restricted(visit: Visit) -> dict[tuple[str, str], str]:
    """Return what the citizen hides, each with what else it is hidden with, or ""; a desk sees none of it."""
    if visit.caller.role is Role.DESK:
        return {}
    return roots(await restricted(visit.services, visit.caller))


async def _holders(
    visit: Visit, access: Access, hidden: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, str]]:
    """Return what other entries are hidden with, by "Type/id": its name, and the page it is on."""
    holders = sorted(set(hidden.values()) - {"", ANOTHER_ENTRY})
    keys = [(name.partition("/")[0], name.partition("/")[2]) for name in holders]
    stored = await named(access.grant, visit.services.database, keys) if keys else []
    for each in stored:
        access.record(each.patients)
    held = {f"{each.type}/{each.id}": read(visit.services, each) for each in stored}
    found = {}
    for kind, identity in keys:
        name = f"{kind}/{identity}"
        entry = read_entry(held[name], held, visit.language, visit.services.clock()) if name in held else None
        found[name] = {"what": entry.what if entry else name, "path": f"/record/{category_of(kind).key}"}
    return found


def category_of(kind: str) -> Category:
    """Return the category under which entries of a type are listed."""
    listed = words().category
    rest = next(each for each in listed if not each.types)
    return next((each for each in listed if kind in each.types), rest)


async def _ruled(visit: Visit) -> frozenset[tuple[str, str]]:
    """Return what the citizen hides from some by a rule; a proxy is not told."""
    if visit.caller.role is not Role.CITIZEN:
        return frozenset()
    return await limited_by_rules(visit.services, visit.caller)
