"""Examples of SD-JWT, SD-JWT VC, OpenID4VP 1.0 and OpenID Federation 1.0, as their specifications print them.

- `*.yml` with `user_claims`: issued, shown and verified here; the claims seen are those that a plain reading
  of the file lets through, and `expect_verified_user_claims` where it is given.
- `sd_jwt_presentation.txt` with `settings.yml` above: verifies to `verified_contents.json`.
- DCQL queries: read and written back the same; against each credential of the folder the same verdict as a
  second reading of the rules.
- Federation: statements and trust marks have the right form, unless they name as critical what the
  specification does not define, or belong to registration; merged policies stay the same when merged again;
  the resolved metadata of an entity follows from its chain.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from conformance.scoreboard.sd_yaml import read_yaml
from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import documents
from salus.core.errors import SalusError
from salus.standards.jose.compact import claims_of
from salus.standards.jose.signature import take_apart
from salus.standards.openid4vp.evaluation import wanted
from salus.standards.openid4vp.query import CredentialQuery, read_query, write_query
from salus.standards.openid_federation import trust_mark
from salus.standards.openid_federation.chain import resolve
from salus.standards.openid_federation.constraints import check_constraints
from salus.standards.openid_federation.policy import STANDARD_OPERATORS, apply, merge
from salus.standards.openid_federation.statement import Statement, check_form
from salus.standards.sdjwt.credential import verify_credential
from salus.standards.sdjwt.disclosures import Path as Place
from salus.standards.sdjwt.issuing import Hidden, issue
from salus.standards.sdjwt.presentation import Binding, present, split

_NOW = 1_700_000_000
_BINDING = Binding("https://verifier.example", "nonce-1")
_ADDED = ("iss", "vct", "iat", "exp", "cnf")


def _recognises(folder: Path) -> bool:
    return "wallet" in folder.name and any(folder.glob("*/*"))


def _places(tree: Any, place: Place = ()) -> set[Place]:
    """Return the places of `holder_disclosed_claims` that are shown: each that is true or holds something."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = {place} if tree and place else set()
    return found.union(*(_places(one, (*place, key)) for key, one in inner))


def _plain(claims: Any, shown: set[Place], place: Place = ()) -> Any:
    """Return the claims that a verifier sees, by a plain reading of the marks."""
    if isinstance(claims, Hidden):
        return _plain(claims.content, shown, place)
    if isinstance(claims, dict):
        return {
            name: _plain(one, shown, (*place, name))
            for name, one in claims.items()
            if not isinstance(one, Hidden) or (*place, name) in shown
        }
    if isinstance(claims, list):
        return [
            _plain(one, shown, (*place, number))
            for number, one in enumerate(claims)
            if not isinstance(one, Hidden) or (*place, number) in shown
        ]
    return claims


def _specification(found: dict[str, Any]) -> str:
    """Issue, show and verify what a specification says; return what is wrong with what was seen."""
    issuer, holder = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    claims = {
        name: one for name, one in (found["user_claims"] or {}).items() if name not in ("cnf", "iat", "exp")
    }
    claims = {
        "iss": "https://issuer.example",
        "vct": "urn:example:type",
        "iat": _NOW,
        "exp": _NOW + 60,
    } | claims
    shown = _places(found.get("holder_disclosed_claims") or {})
    salts = (f"salt-{number}" for number in count())
    public = holder.as_dict(private=False)
    text = issue(claims, issuer, kid="k", salts=salts, holder=public)
    bound = present(text, frozenset(shown), holder, _BINDING, now=_NOW)
    seen = verify_credential(
        bound,
        issuers={claims["iss"]: [{**issuer.as_dict(private=False), "kid": "k"}]},
        types=frozenset({claims["vct"]}),
        binding=_BINDING,
        now=_NOW,
    ).claims
    added = [name for name in _ADDED if name not in found["user_claims"]]
    seen = {name: one for name, one in seen.items() if name not in added and name != "cnf"}
    expected = _plain({name: one for name, one in claims.items() if name not in added}, shown)
    if seen != expected:
        return f"expected {expected}, saw {seen}"
    listed = found.get("expect_verified_user_claims", seen)
    return "" if seen == listed else f"expected {listed}, saw {seen}"


def _specifications(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*.yml")):
        name = path.relative_to(folder).as_posix()
        try:
            found = read_yaml(path.read_text(encoding="utf-8"))
            if "user_claims" in found:
                yield Case(name, _specification(found))
        except SalusError as error:
            yield Case(name, f"refused: {error.message}")
        except (ValueError, TypeError, KeyError) as error:
            yield Case(name, f"cannot be read: {error!r}")


def _presentation(path: Path) -> str:
    """Verify a printed presentation with the published keys above it."""
    settings = next(above / "settings.yml" for above in path.parents if (above / "settings.yml").exists())
    said = read_yaml(settings.read_text(encoding="utf-8"))
    keys = said["key_settings"].get("issuer_keys") or [said["key_settings"]["issuer_key"]]
    text = "".join(path.read_text(encoding="utf-8").split())
    binding = claims_of(take_apart(split(text).key_binding).payload)
    expected = json.loads((path.parent / "verified_contents.json").read_bytes())
    seen = verify_credential(
        text,
        issuers={
            said["identifiers"]["issuer"]: [{n: key[n] for n in ("kty", "crv", "x", "y")} for key in keys]
        },
        types=frozenset({expected["vct"]}),
        binding=Binding(said["identifiers"]["verifier"], str(said["key_binding_nonce"])),
        now=binding["iat"],
    ).claims
    return "" if seen == expected else f"saw {seen}"


def _presentations(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("sd_jwt_presentation.txt")):
        name = path.relative_to(folder).as_posix()
        try:
            yield Case(name, _presentation(path))
        except (SalusError, StopIteration) as error:
            yield Case(name, f"refused: {error}")


def _has(value: Any, path: list[Any], values: list[Any]) -> bool:
    """Return whether a claim is there, read a second time from section 7.1."""
    if not path:
        return not values or any(value == one and type(value) is type(one) for one in values)
    if path[0] is None:
        return isinstance(value, list) and any(_has(one, path[1:], values) for one in value)
    try:
        return isinstance(value, (dict, list)) and _has(value[path[0]], path[1:], values)
    except (KeyError, IndexError, TypeError):
        return False


def _answers(asked: dict[str, Any], credential: dict[str, Any]) -> bool:
    claims = {claim.get("id", str(number)): claim for number, claim in enumerate(asked.get("claims", []))}
    for option in asked.get("claim_sets", [list(claims)]):
        if all(_has(credential, claims[name]["path"], claims[name].get("values", [])) for name in option):
            return True
    return False


def _built(asked: CredentialQuery) -> dict[str, Any]:
    """Return a credential with every claim that is asked for, of the first value that it may have."""
    root: dict[str, Any] = {}
    for claim in asked.claims:
        place = root
        for step in claim.path[:-1]:
            place = place.setdefault(str(step), {})
        place[str(claim.path[-1])] = claim.values[0] if claim.values else "x"
    return root


def _queries(folder: Path) -> Iterator[Case]:
    found = list(documents(folder))
    credentials = [
        one for _, one in found if isinstance(one, dict) and {"vct", "credentialSubject", "vc"} & set(one)
    ]
    for name, one in found:
        query = one.get("dcql_query", one) if isinstance(one, dict) else None
        if not isinstance(query, dict) or not isinstance(query.get("credentials"), list):
            continue
        try:
            read = read_query(query)
        except SalusError as error:
            yield Case(name, f"refused: {error.message}")
            continue
        wrong = "" if read_query(write_query(read)) == read else f"written back as {write_query(read)}"
        for asked, plain in zip(read.credentials, query["credentials"], strict=True):
            for credential in [*credentials, _built(asked), {}]:
                if (wanted(asked, credential) is not None) is not _answers(plain, credential):
                    wrong = wrong or f"{asked.id}: another verdict than the plain reading"
        yield Case(name, wrong)


def _must_refuse(claims: dict[str, Any]) -> bool:
    operators = set(claims.get("metadata_policy_crit", [])) - set(STANDARD_OPERATORS)
    return bool(operators or {"aud", "trust_anchor"} & claims.keys())


def _statement(claims: dict[str, Any]) -> str:
    try:
        check_form(claims)
    except SalusError as error:
        return "" if _must_refuse(claims) else f"refused: {error.message}"
    return "accepted, names as critical what is not defined" if _must_refuse(claims) else ""


def _same_sets(first: Any, second: Any) -> bool:
    """Return whether two pieces of metadata say the same; arrays of texts are sets."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same_sets(first[name], second[name]) for name in first)
    if isinstance(first, list) and isinstance(second, list):
        return sorted(map(str, first)) == sorted(map(str, second))
    return bool(first == second)


def _resolved(found: dict[str, Any], statements: list[Statement]) -> str:
    """Return how metadata differs from what the chain of statements about its issuer makes of it."""
    own = [one for one in statements if one.is_configuration and one.subject == found["issuer"]]
    own = [
        one
        for one in own
        if any(two.subject == one.subject for two in statements if not two.is_configuration)
    ]
    if not own:
        return "no chain of the folder leads to it"
    above: list[Statement] = []
    subject = own[-1].subject
    while following := [one for one in statements if not one.is_configuration and one.subject == subject]:
        above.append(following[-1])
        subject = above[-1].issuer
    metadata = resolve(own[-1].metadata, above)["openid_provider"]
    return "" if _same_sets(metadata, found) else f"resolved to {metadata}"


def _constrained(found: dict[str, Any]) -> str:
    """Try a constraint on a name that it permits and on one that it excludes."""
    names = found["naming_constraints"]
    inside = f"https://some{names['permitted'][0]}"
    check_constraints(found, below=[inside])
    try:
        check_constraints(found, below=[f"https://{names['excluded'][0].removeprefix('.')}"])
    except SalusError:
        return ""
    return "an excluded name is permitted"


def _is_policy(found: dict[str, Any]) -> bool:
    return bool(found) and all(
        isinstance(one, dict) and set(one) <= set(STANDARD_OPERATORS) for one in found.values()
    )


def _policy(merged: dict[str, Any], figures: list[dict[str, Any]]) -> str:
    """Merge a printed policy with itself and with those printed as its parts: nothing may change.

    Metadata that is printed as the result must stay as it is when the policy is applied again.
    """
    parts = [one["metadata_policy"] for one in figures if "metadata_policy" in one and "iss" not in one]
    kind = next(iter(parts[0])) if parts else "openid_relying_party"
    again = merge([{kind: merged}, {kind: merged}, *parts])
    if not _same_sets(again.get(kind), merged):
        return f"merged to {again}"
    for one in figures:
        kept = apply(again, {kind: one})[kind] if {"redirect_uris", "contacts"} <= one.keys() else one
        if not _same_sets(kept, one):
            return f"applied to {kept}"
    return ""


def _federation(folder: Path) -> Iterator[Case]:
    figures = [
        (name, one["json"])
        for name, one in documents(folder)
        if isinstance(one, dict) and "title" in one and "json" in one
    ]
    figures = [(name, one) for name, one in figures if isinstance(one, dict)]
    statements: list[Statement] = []
    for name, one in figures:
        if {"iss", "sub", "jwks", "exp"} <= one.keys():
            wrong = _statement(one)
            yield Case(name, wrong)
            if not wrong and not _must_refuse(one):
                statements.append(check_form(one))
    for name, one in figures:
        try:
            if {"trust_mark_type", "iss", "sub"} <= one.keys():
                trust_mark.check_form(one)
                yield Case(name)
            elif {"issuer", "authorization_endpoint"} <= one.keys():
                yield Case(name, _resolved(one, statements))
            elif "naming_constraints" in one:
                yield Case(name, _constrained(one))
            elif _is_policy(one):
                yield Case(name, _policy(one, [two for _, two in figures]))
        except SalusError as error:
            yield Case(name, f"refused: {error.message}")


def _play(folder: Path) -> Iterator[Case]:
    yield from _specifications(folder)
    yield from _presentations(folder)
    yield from _queries(folder)
    yield from _federation(folder)


SUITE = Suite("wallet", _recognises, _play)
