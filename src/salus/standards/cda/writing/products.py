"""A medicinal product as manufacturedProduct of MyHealth@EU, with the extensions of pharm."""

from __future__ import annotations

from salus.standards.cda.entries.products import MPD
from salus.standards.cda.writing.elements import PHARM, Element, coded, moment, null_of, put, quantity
from salus.standards.cda.writing.entry import Page
from salus.standards.cda.writing.source import Resource

_PRODUCT = "1.3.6.1.4.1.12559.11.10.1.3.1.3.31"
_MATERIAL = "1.3.6.1.4.1.12559.11.10.1.3.1.3.32"
_ATC = "http://www.whocc.no/atc"


def product(made: Element, drug: Resource, named: Resource, page: Page, *, is_absence: bool) -> None:
    """Append the consumable: what a Medication and its code say, or that there is none."""
    product = put(put(made, "consumable"), "manufacturedProduct", classCode="MANU")
    put(product, "templateId", root=_PRODUCT)
    material = put(product, "manufacturedMaterial", classCode="MMAT", determinerCode="KIND")
    if is_absence:
        material.set("nullFlavor", "NA")
        return
    put(material, "templateId", root=_MATERIAL)
    _material(material, drug, named, page)
    maker = page.source.resolve(drug, "manufacturer") if drug else {}
    if maker:
        page.people.organisation(product, "manufacturerOrganization", maker, contacts=False)


def _material(material: Element, drug: Resource, named: Resource, page: Page) -> None:
    """Append the product: its code, its name, its lot, then the extensions of pharm."""
    source = page.source
    codings = [each for each in source.parts(named, "coding") if each.get("code")]
    classes = [each for each in codings if each.get("system") == _ATC]
    own = [each for each in codings if each not in classes]
    text = source.text(named, "text")
    if own:
        coded(material, "code", {"coding": own}, source)
        _read(own, page)
    elif not text and not classes:
        put(material, "code", nullFlavor=null_of(named, source))
    if text:
        put(material, "name", text)
    batch = source.part(drug, "batch")
    if lot := source.text(batch, "lotNumber"):
        put(material, "lotNumberText", lot)
    if expires := moment(source.text(batch, "expirationDate")):
        put(material, pharm("expirationTime"), value=expires)
    if form := source.part(drug, "form"):
        coded(material, pharm("formCode"), form, source)
    _content(material, drug, page)
    for each in classes:
        kind = put(material, pharm("asSpecializedKind"), classCode="GRIC")
        general = put(kind, pharm("generalizedMaterialKind"), classCode="MMAT", determinerCode="KIND")
        coded(general, pharm("code"), {"coding": [each]}, source)
        _read([each], page)
    for each in source.parts(drug, "ingredient"):
        _ingredient(material, each, page)


def _read(codings: list[Resource], page: Page) -> None:
    for each in codings:
        page.source.take(each)


def pharm(name: str) -> str:
    """Return the name of an element of the extension."""
    return f"{{{PHARM}}}{name}"


def _content(material: Element, drug: Resource, page: Page) -> None:
    """Append how much is in the package."""
    source = page.source
    extensions = {str(each.get("url", "")): each for each in source.parts(drug, "extension")}
    size = extensions.get(f"{MPD}sizeofitem", {})
    unit = extensions.get(f"{MPD}unitofpresentation", {})
    for each in (size, unit, extensions.get(f"{MPD}classification", {})):
        source.text(each, "url")
    source.take(extensions.get(f"{MPD}classification", {}))
    amount = source.part(source.part(drug, "amount"), "numerator")
    source.take(source.part(source.part(drug, "amount"), "denominator"))
    inner = source.part(size, "valueQuantity")
    if not (amount or inner or unit):
        return
    content = put(material, pharm("asContent"), classCode="CONT")
    quantity(content, pharm("quantity"), inner or amount, source, xsi_type="PQ")
    package = put(content, pharm("containerPackagedProduct"), classCode="CONT", determinerCode="KIND")
    if form := source.part(unit, "valueCodeableConcept"):
        coded(package, pharm("formCode"), form, source)
    if inner and amount:
        outer = put(package, pharm("asContent"), classCode="CONT")
        quantity(outer, pharm("quantity"), amount, source, xsi_type="PQ")
        put(outer, pharm("containerPackagedProduct"), classCode="CONT", determinerCode="KIND")


def _ingredient(material: Element, found: Resource, page: Page) -> None:
    source = page.source
    active = source.get(found, "isActive")
    kind = "ACTI" if active is not False else "IACT"
    made = put(material, pharm("ingredient"), classCode=kind)
    if strength := source.part(found, "strength"):
        amount = put(made, pharm("quantity"))
        for side in ("numerator", "denominator"):
            quantity(amount, side, source.part(strength, side), source, xsi_type="PQ")
    substance = put(made, pharm("ingredientSubstance"), classCode="MMAT", determinerCode="KIND")
    item = source.part(found, "itemCodeableConcept")
    text = source.text(item, "text")
    codings = source.parts(item, "coding")
    if codings:
        coded(substance, pharm("code"), {"coding": codings}, source)
        _read(codings, page)
    else:
        put(substance, pharm("code"), nullFlavor="OTH" if text else "UNK")
    if text:
        put(substance, pharm("name"), text)
