"""A draft written as a FHIR document (R4 documents.html): Composition first, then the patient and the rest.

The same record gives the same document, identifiers included; only the time of composition differs.
`Composition.identifier` names what the document is about and is the same for all its versions;
`Bundle.identifier` names the version: it is made of all that the document says but when it was composed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from salus.primary.composing.absent import unknown
from salus.primary.composing.addresses import address_of, inside, urn_of
from salus.primary.composing.carried import carry
from salus.primary.composing.claims import claim, without_claims
from salus.primary.composing.draft import Copy, Draft
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.composing.sections import Lines, lines_of, write_section
from salus.primary.language import is_reviewed, say
from salus.primary.left_out import tell_not_shown, write_not_shown
from salus.primary.narrative import narrative, paragraph, sentence
from salus.primary.wording.catalogue import text
from salus.standards.fhir.codec.json import write_json

CUSTODIAN = "Organization/~custodian"
"""The key of the organisation that keeps the record; no id has such a form, so no stored one is meant."""
URI = "urn:ietf:rfc:3986"


def write_document(draft: Draft, material: Material, terms: Terms) -> Copy:
    """Return the document that a draft describes."""
    entries = [each for part in draft.parts if part.selected for each in part.selected.resources]
    carried = carry(material, [*draft.beside, *entries], draft.carried)
    carried[CUSTODIAN] = _custodian(terms)
    whose = str(material.patient["id"])
    addresses = {key: address_of(key, whose) for key in carried}
    addresses |= {f"Patient/{gone}": addresses[f"Patient/{whose}"] for gone in material.merged}
    lines = lines_of(material, terms)
    composition = _composition(draft, material, addresses, terms, lines)
    copies = [
        {"fullUrl": addresses[key], "resource": each}
        for key, each in _copies(draft, material, carried, addresses, terms, lines).items()
    ]
    version = _version(draft.identity, composition, copies)
    composition["date"] = terms.composed_at
    bundle: Copy = {
        "resourceType": "Bundle",
        "language": terms.languages[0],
        "identifier": {"system": URI, "value": version},
        "type": "document",
        "timestamp": terms.composed_at,
        "entry": [{"fullUrl": composition_address(draft.identity), "resource": composition}, *copies],
    }
    claim(bundle, draft.profiles)
    return bundle


def _custodian(terms: Terms) -> Copy:
    """Return the organisation that keeps the record."""
    named: Copy = {"resourceType": "Organization", "id": "custodian", "name": terms.organisation}
    if terms.node:
        named["identifier"] = [{"system": URI, "value": f"urn:salus:node:{terms.node}"}]
    return named


def composition_address(identity: str) -> str:
    """Return the address of the Composition about something, the same for all its versions."""
    return urn_of(f"{identity} composition")


def _copies(
    draft: Draft,
    material: Material,
    carried: Mapping[str, Resource],
    addresses: Mapping[str, str],
    terms: Terms,
    lines: Lines,
) -> dict[str, Copy]:
    """Return what the document carries: fitted, its references inside it, entries with a narrative."""
    shown = {
        key_of(each): part.selected
        for part in draft.parts
        if part.selected
        for each in part.selected.resources
    }
    copies: dict[str, Copy] = {}
    for key, resource in carried.items():
        copy: Copy = without_claims(inside(resource, addresses))
        if copy["resourceType"] == "Provenance":  # it tells of what is in the document alone
            copy["target"] = [each for each in copy["target"] if "reference" in each]
        if material.merged and resource is material.patient:
            copy.pop("link", None)  # it would lead to the patient itself
        if key in shown and "text" not in copy:
            copy["text"] = narrative(
                {each: sentence(lines(resource, each, shown[key]), each) for each in terms.languages}
            )
        fit = draft.fits.get(str(resource["resourceType"]))
        if fit is not None:
            fit(copy)
        copies[key] = copy
    return copies


def _composition(
    draft: Draft, material: Material, addresses: Mapping[str, str], terms: Terms, lines: Lines
) -> Copy:
    first = terms.languages[0]
    composition: Copy = {
        "resourceType": "Composition",
        "language": first,
        "text": narrative({each: _about(draft, material, each) for each in terms.languages}),
        "identifier": {"system": URI, "value": urn_of(draft.identity)},
        "status": "final",
        "type": draft.concept,
        "subject": {"reference": addresses[key_of(material.patient)]},
        "author": [inside(each, addresses) for each in draft.authors] or [unknown()],
        "title": text(draft.title, first),
        "custodian": {"reference": addresses[CUSTODIAN]},
        **inside(dict(draft.members), addresses),
        "section": [write_section(part, material, addresses, terms, lines) for part in draft.parts],
    }
    if draft.not_shown:
        composition["extension"] = [*composition.get("extension", ()), *write_not_shown(draft.not_shown)]
    return composition


def _about(draft: Draft, material: Material, language: str) -> str:
    """Return what the reader of the whole document must know, as an XHTML fragment."""
    keys = (draft.title, "word.filtered", *(["word.merged"] if material.merged else []))
    said = [text(key, language) for key in keys]
    said.append(tell_not_shown(draft.not_shown, language, draft.not_shown_phrase).text)
    if not is_reviewed(language):
        said.append(say("unreviewed", language).text)
    return "".join(paragraph(each) for each in said if each)


def _version(identity: str, composition: Copy, copies: list[Copy]) -> str:
    """Return the name of this version of the document: the same for the same content."""
    digest = hashlib.sha256(write_json([composition, copies])).hexdigest()
    return urn_of(f"{identity} {digest}")
