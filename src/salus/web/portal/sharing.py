"""Who may see what: a citizen's rules in plain words, each kept as a FHIR Consent (EHDS 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Action
from salus.core.errors import NotFound, SalusError
from salus.core.identifiers import new_id
from salus.primary.sharing import (
    NAMED,
    PURPOSES,
    WHOMS,
    Rule,
    check_rule,
    consent_of,
    rule_of,
    spelt_as_known,
)
from salus.store.access_log import access_log
from salus.trust.consent.veils import is_private
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir import writing
from salus.web.portal.lookup import find
from salus.web.portal.under_rule import under_rule
from salus.web.portal.visit import Visit
from salus.web.portal.words import Category, Sensitive, words

CONSENT = "Consent"
WHOLE, ABOUT = "whole", "about-"
FIELDS = ("what", "whom", "organisation", "person", "country", "purpose", "starts", "ends")
"""Of the form of a rule."""
OFFERED_MAX = 20
"""Organisations that are offered for one that is not known."""
LOOKED_MAX = 500
"""Accesses that are looked through for names to choose from."""
Json = Mapping[str, Any]
"""A resource: JSON."""


async def sharing(visit: Visit) -> Response:
    """Show the citizen's rules, and the form of a further one."""
    return await _page(visit)


async def _page(visit: Visit, *, problem: str = "", status: int = 200) -> Response:
    consents = await _consents(visit)
    rules = [
        {"id": each["id"], "said": _in_words(visit, rule_of(each))}
        for each in consents
        if each.get("status") == "active" and is_private(dict(each))
    ]
    organisations, persons = await _those_known(visit)
    return visit.show(
        "sharing.html",
        visit.say("sharing"),
        status=status,
        problem=problem,
        form={name: visit.form.get(name, "") for name in FIELDS},
        rules=rules,
        whoms=WHOMS,
        purposes=PURPOSES,
        countries=_countries(visit),
        organisations=sorted(organisations),
        persons=persons,
        categories=_categories(),
        sensitive=words().sensitive,
        about=ABOUT,
        whole=WHOLE,
        done=visit.say("sharing-done") if visit.request.query_params.get("done") else "",
    )


async def add_rule(visit: Visit) -> Response:
    """Make a rule, once the citizen has read what it does and what the risk is."""
    rule = _rule_of_form(visit)
    try:
        check_rule(rule, today=visit.services.clock().date())
    except SalusError as error:
        return await _page(visit, problem=visit.tell(error), status=error.status)
    organisations = (await _those_known(visit))[0] if rule.whom == "organisation" else {}
    rule = spelt_as_known(rule, organisations)
    if rule.whom == "organisation":
        rule = msgspec.structs.replace(rule, identifier=organisations.get(rule.value, ""))
    if visit.form.get("confirmed") != "yes":
        fields = {name: each for name, each in visit.form.items() if name not in ("csrf", "confirmed")}
        return visit.show(
            "sharing-risk.html",
            visit.say("sharing"),
            said=_in_words(visit, rule),
            count=await under_rule(visit, rule),
            by_code=bool(rule.labels),
            fields=fields | ({"organisation": rule.value} if rule.whom == "organisation" else {}),
            unknown=_warning(visit, rule, organisations),
            organisations=[] if rule.value in organisations else sorted(organisations)[:OFFERED_MAX],
        )
    caller = visit.caller
    resource = consent_of(rule, caller.patient or "", visit.services.clock())
    writing.check_valid(resource)
    entry = writing.single(
        "POST", CONSENT, identity=new_id(), resource=resource, content=msgspec.json.encode(resource)
    )
    await writing.write(visit.services, caller, [entry])
    return RedirectResponse(f"/sharing?language={visit.language}&done=1", 303)


def _warning(visit: Visit, rule: Rule, organisations: Mapping[str, str]) -> str:
    """Return what to know of an organisation that is not known here, or by its name alone; "" for nothing."""
    if rule.whom != "organisation" or rule.identifier:
        return ""
    return visit.say("sharing-by-name" if rule.value in organisations else "sharing-unknown", name=rule.value)


async def end_rule(visit: Visit) -> Response:
    """End a rule: its Consent stays in the history, inactive."""
    identity = visit.request.path_params["id"]
    found = [each for each in await _consents(visit) if each["id"] == identity]
    if not found:
        raise NotFound("You have no such rule.")
    resource = {**found[0], "status": "inactive"}
    entry = writing.single(
        "PUT", CONSENT, identity=identity, resource=resource, content=msgspec.json.encode(resource)
    )
    await writing.write(visit.services, visit.caller, [entry])
    return RedirectResponse(f"/sharing?language={visit.language}&done=1", 303)


async def _consents(visit: Visit) -> list[dict[str, Any]]:  # Any: JSON
    patient = visit.caller.patient or ""
    asked = AccessRequest(Action.SEARCH, CONSENT, "Consent?patient", frozenset({patient}))
    async with enter(visit.services.gatehouse, visit.caller, asked) as access:
        return await find(visit.services, access, CONSENT, [("patient", patient), ("_count", "200")])


async def _those_known(visit: Visit) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the organisations, and the persons (subject, name), that have looked at the record.

    An organisation is a name with its identifier ("system|value"), "" where none is known, or several are.
    With them are those of the node's register.
    """
    patient = visit.caller.patient or ""
    asked = AccessRequest(Action.AUDIT, "", "access log", frozenset({patient}))
    async with enter(visit.services.gatehouse, visit.caller, asked) as access:
        log = await access_log(access.grant, visit.services.database, patient, count=LOOKED_MAX)
    staff = [each.leaf for each in log if each.leaf.organisation]
    asked = AccessRequest(Action.SEARCH, "Organization", "Organization", frozenset({patient}))
    async with enter(visit.services.gatehouse, visit.caller, asked) as access:
        register = await find(visit.services, access, "Organization", [("_count", str(LOOKED_MAX))])
    named = [each for each in register if each.get("name")]
    listed = [(str(each["name"]), number) for each in named for number in _numbers(each)]
    looked = _numbered([(each.organisation, each.organisation_id) for each in staff])
    # What stands in tokens is what a rule is compared with: it comes before the register's own numbers.
    organisations = _numbered(listed) | {
        name: number for name, number in looked.items() if number or name not in dict(listed)
    }
    persons = sorted({(each.subject, f"{each.name}, {each.organisation}") for each in staff}, key=_by_name)
    return organisations, persons


def _numbers(organisation: Json) -> list[str]:
    numbers = [
        f"{each['system']}|{each['value']}"
        for each in organisation.get("identifier", ())
        if each.get("system") and each.get("value")
    ]
    return numbers[:1] or [""]


def _numbered(known: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the names, each with its identifier where there is one, and no more than one."""
    numbers: dict[str, set[str]] = {}
    for name, number in known:
        numbers.setdefault(name, set()).update({number} - {""})
    return {name: next(iter(found)) if len(found) == 1 else "" for name, found in numbers.items()}


def _countries(visit: Visit) -> list[str]:
    """Return the other countries of the federation."""
    current = visit.services.membership.current
    members = () if current is None else current.members
    return sorted({each.country for each in members} - {visit.services.country})


def _by_name(person: tuple[str, str]) -> str:
    return person[1]


def _categories() -> list[Category]:
    return [each for each in words().category if each.types]


def _rule_of_form(visit: Visit) -> Rule:
    form = visit.form
    whom = next((each for each in WHOMS if each == form.get("whom")), None)
    chosen = form.get("what", "")
    category = next((each for each in _categories() if each.key == chosen), None)
    matter = next((each for each in words().sensitive if f"{ABOUT}{each.key}" == chosen), None)
    if whom is None or (category is None and matter is None and chosen != WHOLE):
        raise NotFound("There is no such choice.")
    value = form.get(whom, "").strip() if whom in NAMED or whom == "purpose" else ""
    name = ""
    if whom == "person":
        value, _, name = value.partition("|")
    classes = () if category is None else category.types
    starts, ends = form.get("starts", "").strip(), form.get("ends", "").strip()
    return Rule(whom, value, name, classes, starts, ends, () if matter is None else matter.labels)


def _in_words(visit: Visit, rule: Rule | None) -> str:
    """Return a rule as a sentence in the reader's language."""
    if rule is None:
        return visit.say("sharing-other")
    what = _what_in_words(visit, rule)
    name = rule.name or rule.value
    if rule.whom == "purpose":
        name = visit.say(f"sharing-{rule.value}")
    said = [visit.say(f"sharing-from-{rule.whom}", what=what, name=name)]
    if rule.starts:
        said.append(visit.say("sharing-starts", day=rule.starts))
    if rule.ends:
        said.append(visit.say("sharing-ends", day=rule.ends))
    return " ".join(said)


def _what_in_words(visit: Visit, rule: Rule) -> str:
    named: list[str] = []
    if rule.classes:
        parts = [each for each in _categories() if each.types == rule.classes]
        named.append(_title(visit, parts) or ", ".join(rule.classes))
    if rule.labels:
        matters = [each for each in words().sensitive if set(each.labels) == set(rule.labels)]
        named.append(_title(visit, matters) or ", ".join(rule.labels))
    return "; ".join(named) or visit.say("sharing-whole")


def _title(visit: Visit, found: Sequence[Category | Sensitive]) -> str:
    return found[0].title(visit.language) if found else ""
