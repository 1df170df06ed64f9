"""A citizen's own record: by category, as a summary, with what they restrict."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from salus.core.access import Action
from salus.core.errors import NotFound
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.portal.lookup import find, own_person
from salus.web.portal.referred import products_of
from salus.web.portal.summary import read_entry
from salus.web.portal.visit import Visit
from salus.web.portal.words import Category, category, words
from salus.web.restrictions import RISK, restricted, set_restricted, would_hide

ROWS_MAX = 200
CHANGES = frozenset({"restrict", "unrestrict"})


async def record(visit: Visit) -> Response:
    """Show the categories of the own record with how much each holds."""
    hidden = await _restricted(visit)
    async with _enter(visit, "record by category") as access:
        person = await own_person(visit.services, access)
        listed = []
        for each in words().category:
            found = await _resources(visit, access, each)
            hidden_count = sum((one["resourceType"], one["id"]) in hidden for one in found)
            listed.append(
                {
                    "key": each.key,
                    "title": each.title(visit.language),
                    "total": len(found),
                    "more": len(found) >= ROWS_MAX,
                    "restricted": hidden_count,
                }
            )
    return visit.show("record.html", visit.say("my-record"), own=person, categories=listed)


async def one_category(visit: Visit) -> Response:
    """Show the entries of one category, each with who may see it."""
    chosen = category(visit.request.path_params["category"])
    if chosen is None:
        raise NotFound("There is no such part of a record.")
    hidden = await _restricted(visit)
    async with _enter(visit, f"record, {chosen.key}") as access:
        found = await _resources(visit, access, chosen)
        products = await products_of(visit.services, access, found)
    others = products | {f"{each['resourceType']}/{each['id']}": each for each in found}
    rows = [
        {
            "type": each["resourceType"],
            "id": each["id"],
            "entry": read_entry(each, others, visit.language, visit.services.clock()),
            "restricted": (each["resourceType"], each["id"]) in hidden,
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
        rows=rows,
        more=len(found) >= ROWS_MAX,
        done=visit.say(f"done-{done}") if done in CHANGES else "",
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
            "Hide from professionals",
            key=chosen.key,
            type=kind,
            id=identity,
            others=sum(hides.values()) - 1,
            hides=hides,
            risk=RISK,
        )
    await set_restricted(visit.services, visit.caller, kind, identity, hidden=hidden)
    return RedirectResponse(f"/record/{chosen.key}?language={visit.language}&done={change}", 303)


def _enter(visit: Visit, what: str) -> Any:  # the gate's own context manager
    patient = frozenset({visit.caller.patient or ""})
    return enter(visit.services.gatehouse, visit.caller, AccessRequest(Action.SEARCH, "", what, patient))


async def _resources(visit: Visit, access: Access, chosen: Category) -> list[dict[str, Any]]:
    """Return the citizen's newest resources of a category; FHIR content is open JSON, hence Any."""
    found: list[dict[str, Any]] = []
    for kind in chosen.types:
        pairs = [("patient", access.grant.caller.patient or ""), ("_count", str(ROWS_MAX))]
        found += await find(visit.services, access, kind, pairs)
    return found


async def _restricted(visit: Visit) -> set[tuple[str, str]]:
    return {(each.type, each.id) for each in await restricted(visit.services, visit.caller)}
