"""A citizen's Consents become veils over what they speak of, in the transaction that writes one or the other.

When a Consent is written or deleted, the whole record is judged anew, in every version, as a history shows
these too, with what lies in no record and names this person alone; when something else is written to a record
that veils hang over, it alone is. When a Consent begins or ends nothing is written: a veil knows its times.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Set

import msgspec

from salus.core.access import Grant
from salus.core.errors import OverBudget
from salus.store import veils
from salus.store.changes import Written
from salus.store.consents import CONSENTS_MAX, Json, consents_within
from salus.store.directory import SHARED_TYPES
from salus.store.postgres import Connection
from salus.store.veils import Veil
from salus.trust.consent.products import Products, learn, with_products
from salus.trust.consent.veils import PRIVATE, Rules, is_private, rules_of, veil_over
from salus.trust.consent.voice import Item, item_of
from salus.trust.delays import TYPES as RESULTS
from salus.trust.delays import veil_over_result

CONSENT = "Consent"
ACTIVE_MAX = 100
"""Each is held against each version of the record."""
_PAGE = 100
"""Resources that are judged together: the medicines that they name are read at once."""
_UNVEILED = frozenset({"Patient"})
"""Without it nobody finds the record any more, in an emergency neither."""
Names = dict[Veil, set[str]]


async def hang(
    grant: Grant, connection: Connection, written: Iterable[Written], *, default_denies: bool
) -> None:
    """Hang veils over what was just written, by what its patients say; for every writer of a record.

    Args:
        grant: of the write.
        connection: in the transaction that wrote.
        written: what became of its operations.
        default_denies: the law of the node's country opens nothing that no Consent permits.

    Raises:
        OverBudget: a person has more Consents than the node hears.
    """
    heard, named = set[str](), dict[str, set[str]]()
    written = list(written)
    for one in written:
        if one.outcome == "unchanged":
            continue
        resource = one.resource
        own = {patient for patient in one.patients if grant.patients is None or patient in grant.patients}
        if resource.type == CONSENT:
            heard |= own
        elif one.veiled and not resource.deleted:
            for patient in own:
                named.setdefault(patient, set()).add(f"{resource.type}/{resource.id}")
    await _settle(grant, connection, heard, named, default_denies=default_denies)
    if grant.delays:
        results = [
            (patient, one.resource.type, one.resource.id, one.resource.content)
            for one in written
            if one.outcome != "unchanged" and one.resource.type in RESULTS and not one.resource.deleted
            for patient in one.patients
        ]
        await _delay(grant, connection, results)


async def hang_loaded(
    grant: Grant, connection: Connection, keys: Iterable[tuple[str, str, str]], *, default_denies: bool
) -> frozenset[str]:
    """Do so for the resources (compartment, type, id) of a batch of a load. Raises as `hang` does.

    Returns:
        The patients whose Consents are among them, or whose resources name medicines that are not here: what
        these name may come later in the load, so they are to be renewed at its end.
    """
    written = list(keys)
    known = [key for key in written if "/" not in key[0]]
    heard = {patient for patient, kind, _ in known if kind == CONSENT}
    veiled = await veils.veiled(grant, connection, {patient for patient, _, _ in known})
    outside = [
        (kind, identity) for place, kind, identity in written if "/" in place and kind not in SHARED_TYPES
    ]
    named = await veils.veiled_outside(connection, outside)
    for patient, kind, identity in known:
        if patient in veiled:
            named.setdefault(patient, set()).add(f"{kind}/{identity}")
    wanting = await _settle(grant, connection, heard, named, default_denies=default_denies)
    results = [key for key in known if key[1] in RESULTS]
    if grant.delays and results:
        await _delay(grant, connection, await veils.contents(connection, results))
    return frozenset(heard) | wanting


async def _delay(
    grant: Grant, connection: Connection, results: Iterable[tuple[str, str, str, bytes]]
) -> None:
    """Hang veils over the results (patient, type, id, content) that the law shows the person later."""
    found: dict[str, Names] = {}
    for patient, kind, identity, content in results:
        hanging = veil_over_result(
            {**msgspec.json.decode(content), "resourceType": kind}, grant.delays, grant.opened_at
        )
        if hanging is not None and (grant.patients is None or patient in grant.patients):
            found.setdefault(patient, {}).setdefault(hanging, set()).add(f"{kind}/{identity}")
    for patient in sorted(found):
        await veils.hang(grant, connection, patient, found[patient], anew=False)


async def _settle(
    grant: Grant,
    connection: Connection,
    heard: Set[str],
    named: Mapping[str, Set[str]],
    *,
    default_denies: bool,
) -> frozenset[str]:
    """Judge what was written; return the patients whose resources name medicines that are not here."""
    for patient in sorted(heard):
        await renew(grant, connection, patient, default_denies=default_denies)
    return frozenset(
        [
            patient
            for patient in sorted(named.keys() - heard)
            if await cover(grant, connection, patient, named[patient], default_denies=default_denies)
        ]
    )


async def renew(grant: Grant, connection: Connection, patient: str, *, default_denies: bool) -> None:
    """Work out anew all veils of the person whose record this is. Raises as `hang` does."""
    await veils.hold(grant, connection, [patient])
    rules = await _rules(connection, patient, default_denies=default_denies)
    found, _ = await _judge(grant, connection, patient, rules)
    await veils.hang(grant, connection, patient, found, anew=True)


async def renew_persons(
    grant: Grant, connection: Connection, patients: Iterable[str], *, default_denies: bool
) -> None:
    """Work out anew the veils of those patients who say something; their records were merged, or parted."""
    named = list(patients)
    veiled = await veils.veiled(grant, connection, named)
    for patient in named:
        if patient in veiled or (await consents_within(connection, patient)).found:
            await renew(grant, connection, patient, default_denies=default_denies)


async def cover(
    grant: Grant, connection: Connection, patient: str, names: Iterable[str], *, default_denies: bool
) -> bool:
    """Hang veils over these rows ("Type/id") of a person who has veils already.

    Return whether some name a medicine that is not here: with it they are to be judged again.
    """
    rules = await _rules(connection, patient, default_denies=default_denies)
    if rules.relates:
        await renew(grant, connection, patient, default_denies=default_denies)
        return False
    found, products = await _judge(grant, connection, patient, rules, names)
    if found:
        await veils.hang(grant, connection, patient, found, anew=False)
    return None in products.values()


async def _rules(connection: Connection, patient: str, *, default_denies: bool) -> Rules:
    consents = await consents_within(connection, patient)
    active = sum(each.get("status") == "active" for each in consents.found)
    if active > ACTIVE_MAX or len(consents.found) > CONSENTS_MAX:
        raise OverBudget(
            f"A person has at most {ACTIVE_MAX} active Consents here, and {CONSENTS_MAX} with those that "
            "have ended: say more in one, or delete what has ended."
        )
    return rules_of(consents, default_denies=default_denies)


async def _judge(
    grant: Grant, connection: Connection, patient: str, rules: Rules, names: Iterable[str] | None = None
) -> tuple[Names, Products]:
    """Return what veils hang over which rows of the record, and the medicines that these name."""
    found: Names = {}
    products: Products = {}
    wanted = None if names is None else list(names)
    referred = await _referred(grant, connection, patient) if rules.relates else {}
    async for page in _pages(veils.versions(grant, connection, patient, wanted)):
        judged = [(resource, _items(resource)) for resource in page]
        await learn(connection, [item for _, parts in judged for _, item, _ in parts], products)
        for resource, parts in judged:
            for part, item, whole in parts:
                around = None if whole is None else with_products(whole, products)
                veil = _veil_of(part, with_products(item, products), around, rules, referred)
                if veil is not None:
                    found.setdefault(veil, set()).add(_name(resource))
    return found, products


async def _pages(resources: AsyncIterator[Json]) -> AsyncIterator[list[Json]]:
    page: list[Json] = []
    async for resource in resources:
        page.append(resource)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _items(resource: Json) -> list[tuple[Json, Item, Item | None]]:
    """Return a resource and what it holds as Consents see them, each with what it is a part of."""
    known: dict[int, Item] = {}
    found: list[tuple[Json, Item, Item | None]] = []
    for part, whole in _parts(resource):  # the whole comes before its parts
        item = known[id(part)] = item_of(part)
        found.append((part, item, None if whole is None else known[id(whole)]))
    return found


def _parts(resource: Json) -> Iterator[tuple[Json, Json | None]]:
    """Yield a resource and what it holds at any depth: who may not see one may not see it.

    What is contained, and what a Bundle holds of the directory, comes with what it is a part of; an entry of
    a Bundle that is data of its own comes without. A Patient is never hidden, whatever it holds.
    """
    pending: list[tuple[Json, Json | None]] = [(resource, None)]
    while pending:
        part, whole = pending.pop()
        yield part, whole
        if part["resourceType"] in _UNVEILED:
            continue
        pending += [(held, part) for held in _resources(part.get("contained", ()))]
        entries = part.get("entry", ()) if part["resourceType"] == "Bundle" else ()
        for held in _resources(entry.get("resource") for entry in entries):
            pending.append((held, part if held["resourceType"] in SHARED_TYPES else None))


def _resources(found: Iterable[object]) -> Iterator[Json]:
    return (each for each in found if isinstance(each, dict) and "resourceType" in each)


def _veil_of(
    resource: Json, item: Item, whole: Item | None, rules: Rules, referred: dict[str, set[str]]
) -> Veil | None:
    kind = resource["resourceType"]
    if kind in _UNVEILED:
        return None
    if kind == CONSENT and is_private(resource):
        return PRIVATE
    if whole is not None:
        return veil_over(item, rules, whole=whole)
    by = referred.get(item.reference)
    return veil_over(msgspec.structs.replace(item, referred_by=frozenset(by)) if by else item, rules)


async def _referred(grant: Grant, connection: Connection, patient: str) -> dict[str, set[str]]:
    """Return what refers to what within the record, by the name of what is referred to."""
    found: dict[str, set[str]] = {}
    async for resource in veils.versions(grant, connection, patient):
        for target in item_of(resource).refers_to or ():
            found.setdefault(target, set()).add(_name(resource))
    return found


def _name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
