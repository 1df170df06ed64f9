"""A collection Bundle (R4 bundle.html#collection): resources that travel together without a Composition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from salus.primary.composing.addresses import address_of, inside, urn_of
from salus.primary.composing.carried import NAMED, carry
from salus.primary.composing.claims import claim_inside, follows, without_claims
from salus.primary.composing.document import URI
from salus.primary.composing.draft import Copy, Fit
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.standards.fhir.codec.json import write_json


def write_collection(
    identity: str,
    entries: Iterable[Resource],
    material: Material,
    terms: Terms,
    *,
    carried: frozenset[str] = NAMED,
    fits: Mapping[str, Fit],
    profiles: Mapping[str, str],
    whole: str = "",
) -> Copy:
    """Return the entries, the patient and what they refer to.

    Args:
        identity: what the collection is about; with its content it makes the Bundle's identifier.
        entries: what it is about, first in it.
        material: the record.
        terms: how it is asked for.
        carried: types of what goes along.
        fits: by type, what brings copies to their profile.
        profiles: by type, what a copy claims that follows it.
        whole: what the Bundle claims if it follows it; "" where the guide has no profile of it.
    """
    wanted = list(entries)
    found = carry(material, wanted, carried)
    whose = str(material.patient["id"])
    addresses = {key: address_of(key, whose) for key in found}
    addresses |= {f"Patient/{gone}": addresses[f"Patient/{whose}"] for gone in material.merged}
    copies: list[Copy] = []
    for key in [*(key_of(each) for each in wanted if key_of(each) in found), *found]:
        copy: Copy = without_claims(inside(found[key], addresses))
        if material.merged and key == f"Patient/{whose}":
            copy.pop("link", None)  # it would lead to the patient itself
        fit = fits.get(str(copy["resourceType"]))
        if fit is not None:
            fit(copy)
        if all(each["fullUrl"] != addresses[key] for each in copies):
            copies.append({"fullUrl": addresses[key], "resource": copy})
    digest = hashlib.sha256(write_json(copies)).hexdigest()
    bundle: Copy = {
        "resourceType": "Bundle",
        "language": terms.languages[0],
        "identifier": {"system": URI, "value": urn_of(f"{identity} {digest}")},
        "type": "collection",
        "timestamp": terms.composed_at,
        "entry": copies,
    }
    claim_inside(bundle, profiles)
    if whole and follows(bundle, whole):
        bundle["meta"] = {"profile": [whole]}
    return bundle
