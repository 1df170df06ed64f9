"""What is a citizen's to change or delete: their own entries, and of others' a Consent to take it back.

EHDS articles 5 and 6 (what professionals recorded they hide or ask to correct), GDPR article 7(3).
"""

from __future__ import annotations

from collections.abc import Sequence

from salus.core.errors import AccessRefused
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.labels import is_asserted
from salus.standards.fhir.search.references import parse_literal
from salus.store import resources
from salus.store.changes import Operation, absent
from salus.store.conditions import Here, current_of, last_version_of
from salus.store.rows import Row, StoredResource
from salus.store.shares import beside
from salus.web.fhir.authorship import NOT_MARKED, check_signatures, is_inactive_consent
from salus.web.fhir.identity import check_identity, check_registration
from salus.web.fhir.provenance import source_of

RECORDED_BY_OTHERS = (
    "This entry was recorded by a professional or came from elsewhere, so it is not the patient's to change: "
    "ask whoever recorded it for a correction, or hide it."
)
TAKEN_BACK_ONLY = (
    "This Consent was recorded by somebody else: take it back by an update that sets its status to inactive "
    "and leaves everything else as it is, and make one of your own for what you want instead."
)
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
TAKEN_BACK = frozenset({"patient-privacy", "research"})
"""Scopes of a Consent that its patient may take back whoever recorded it (GDPR 7(3))."""


async def keep_own(here: Here, operations: Sequence[Operation]) -> None:
    """Refuse what a citizen writes about another patient, by another's RelatedPerson, or as another system.

    What others recorded is not theirs to change or delete, nor to revive when it was deleted.

    Raises:
        AccessRefused, NotFound: nothing is written.
    """
    named: set[str] = set()
    changed = [(one.type, one.id) for one in operations if one.kind != "create"]
    befores = await current_of(here, changed) if changed else {}
    for one in operations:
        before = befores.get((one.type, one.id))
        if before is not None and before.deleted:
            if one.row is not None:
                await _check_revived(here, one)
            before = None
        if one.row is None:
            if before is not None:
                await beside(len(before.content), _check_deleted, here, before)
            continue
        size = len(one.row.content) + (0 if before is None else len(before.content))
        await beside(size, _check_kept, here, one.row, before)
        others = set(one.row.others) - (here.grant.patients or frozenset())
        if others and one.type != "Patient":
            raise AccessRefused("A citizen writes about themselves: refer to no other patient.")
        literals = map(parse_literal, one.row.index.references)
        named |= {f"RelatedPerson/{found.id}" for found in literals if found.type == "RelatedPerson"}
    wanted = sorted(named - {f"{one.type}/{one.id}" for one in operations})
    if wanted and await resources.missing_references(here.grant, here.connection, wanted):
        raise AccessRefused("A RelatedPerson that is named must be of the patient's own record.")


async def _check_revived(here: Here, operation: Operation) -> None:
    """Refuse to revive what was not the patient's own, as if it had never been here."""
    if operation.type in NOT_MARKED:
        return
    last = await last_version_of(here, operation.type, operation.id)
    if last is None or not await beside(len(last.content), _is_own, here, last):
        raise absent(operation)


def _is_own(here: Here, stored: StoredResource) -> bool:
    return is_asserted(parse_json(stored.content, here.rules.limits))


def _check_deleted(here: Here, before: StoredResource) -> None:
    if before.type not in NOT_MARKED | {"Patient"} and not _is_own(here, before):
        raise AccessRefused(RECORDED_BY_OTHERS)


def _check_kept(here: Here, row: Row, before: StoredResource | None) -> None:
    """Refuse a write that makes a Patient somebody else, or changes what is another system's or author's."""
    if before is None and row.type not in ("Patient", "Consent"):
        return
    after = parse_json(row.content, here.rules.limits)
    if before is None:
        if row.type == "Patient":
            check_registration(after)
        _check_inactive(here, after)
        return
    old = parse_json(before.content, here.rules.limits)
    if before.type in NOT_MARKED | {"Patient"} or is_asserted(old):
        _check_inactive(here, after)
    elif not is_taken_back(old, after):
        raise AccessRefused(TAKEN_BACK_ONLY if _may_be_taken_back(old) else RECORDED_BY_OTHERS)
    if source_of(old, before.source) != source_of(after, row.source):
        raise AccessRefused("meta.source says where a resource comes from; leave it as it is, or out.")
    if row.type == "Patient":
        check_identity(old, after)


def _check_inactive(here: Here, after: Resource) -> None:
    """Check who signs a Consent that `authorship.check_authors` left, because it might be one taken back."""
    if is_inactive_consent(after):
        check_signatures(here.grant.caller, after, here.grant.patients or frozenset())


def is_taken_back(old: Resource, after: Resource) -> bool:
    """Return whether an update makes a Consent that its patient may take back inactive, and nothing else."""
    return _may_be_taken_back(old) and is_inactive_consent(after) and _terms(old) == _terms(after)


def _may_be_taken_back(old: Resource) -> bool:
    codings = old.get("scope", {}).get("coding", ()) if old.get("resourceType") == "Consent" else ()
    return any(one.get("system") == CONSENT_SCOPE and one.get("code") in TAKEN_BACK for one in codings)


def _terms(consent: Resource) -> Resource:
    """Return what a Consent says but its status: the node keeps versions and sources of meta itself."""
    meta = {name: consent.get("meta", {}).get(name) for name in ("profile", "security")}
    rest = {name: value for name, value in consent.items() if name not in ("id", "meta", "status")}
    return {**rest, "meta": meta}
