"""A medicinal product: manufacturedProduct of eHDSI, IHE PHARM and C-CDA to Medication.

What R4 has no element for is said as HL7 Europe's MPD 1.0.0 says it, by extensions of IHE: the brand name,
the class (ATC), and how much is in one item where a package holds several.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from html import escape

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import codes_of, concept, once, words_of
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.narrative import XHTML
from salus.standards.cda.node import Node
from salus.standards.cda.people import organisation
from salus.standards.cda.values import quantity, ratio

MPD = "https://profiles.ihe.net/PHARM/MPD/StructureDefinition/ihe-ext-medication-"
_ATC = "2.16.840.1.113883.6.73"
_PACKAGES = ("containerPackagedProduct", "containerPackagedMedicine", "asSuperContent")
_DEEP_MAX = 6


def product(node: Node | None, conversion: Conversion) -> tuple[Resource, Resource]:
    """Return what a consumable or product names, as (CodeableConcept, Medication).

    The Medication is {} where a code and a name are all that is said, so that the concept says it all.
    """
    made = node.first("manufacturedProduct") if node is not None else None
    if made is None:
        return absent(), {}
    material = made.first("manufacturedMaterial") or made.first("manufacturedLabeledDrug")
    if material is None:
        return absent(), {}
    return _concept(material, conversion), _medication(made, material, conversion)


def medication(node: Node | None, conversion: Conversion) -> Resource:
    """Return `medicationReference` or `medicationCodeableConcept` of a consumable or product."""
    code, detailed = product(node, conversion)
    if not detailed:
        return {"medicationCodeableConcept": code}
    return {"medicationReference": conversion.add({"resourceType": "Medication", "code": code, **detailed})}


def _concept(material: Node, conversion: Conversion) -> Resource:
    """Return the product's codes: its own, its package's, its class's; the text is its brand name."""
    found = concept(material.first("code"), conversion)
    codings = list(found.get("coding", []))
    for package in _packages(material):
        inner = concept(package.first("code"), conversion)
        codings = once([*codings, *inner.get("coding", [])])
    for kind in _classes(material):
        inner = concept(kind, conversion)
        _name_class(kind, inner, conversion)
        codings = once([*codings, *inner.get("coding", [])])
        if "text" in inner:
            found.setdefault("text", inner["text"])
    name = _name(material)
    if name:
        if found.get("text") and found["text"] != name:
            conversion.approximate(
                material, "of two names of a product the brand name is its text", found["text"]
            )
        found["text"] = name
    if codings:
        found["coding"] = codings
    return found or _by_ingredients(material, conversion) or absent(material.first("code") or material)


def _name_class(kind: Node, found: Resource, conversion: Conversion) -> None:
    """Give a class of products the name that stands beside its code."""
    above = kind.parent
    name = _name(above) if above is not None else ""
    if not name:
        return
    for each in found.get("coding", ())[:1]:
        if each.setdefault("display", name) != name:
            conversion.approximate(kind, "of two names of a class of products one is told", name)
    if not found.get("coding"):
        found.setdefault("text", name)


def _by_ingredients(material: Node, conversion: Conversion) -> Resource:
    """Return a name made of the ingredients' names, where the product has none itself."""
    found = [
        words_of(concept(each.first("code"), conversion)) or _name(each) for each in _substances(material)
    ]
    names = ", ".join(dict.fromkeys(filter(None, found)))
    return {"text": names} if names else {}


def _name(node: Node) -> str:
    name = node.first("name")
    return name.words() if name is not None else ""


def _classes(material: Node) -> Iterator[Node]:
    for code in material.all("asSpecializedKind", "generalizedMaterialKind", "code"):
        yield code
    for code in material.all("asSpecializedKind", "generalizedMedicineClass", "code"):
        yield code


def _packages(material: Node) -> list[Node]:
    """Return the packages of a material, the innermost first."""
    found: list[Node] = []
    content = material.first("asContent")
    while content is not None and len(found) < _DEEP_MAX:
        package = next((each for name in _PACKAGES if (each := content.first(name)) is not None), None)
        if package is None:
            break
        found.append(package)
        content = package.first("asContent") or package.first("asSuperContent")
    return found


def _ingredients(material: Node) -> list[Node]:
    return [*material.all("ingredient"), *material.all("activeIngredient")]


def _substances(material: Node) -> list[Node]:
    found = []
    for node in _ingredients(material):
        inner = node.first("ingredientSubstance") or node.first("ingredient")
        if inner is not None:
            found.append(inner)
    return found


def _medication(made: Node, material: Node, conversion: Conversion) -> Resource:
    """Return what a Medication says beyond its code, {} for nothing."""
    found: Resource = {}
    extensions = _contents(material, found, conversion)
    ids = [*identifiers(made, conversion), *identifiers(material, conversion)]
    if ids:
        found["identifier"] = ids
    form = concept(material.first("formCode"), conversion)
    if form:
        found["form"] = form
    maker = organisation(
        made.first("manufacturerOrganization") or material.first("manufacturerOrganization"), conversion
    )
    if maker:
        found["manufacturer"] = maker
    parts = [part for node in _ingredients(material) if (part := _ingredient(node, conversion))]
    parts += [part for node in material.all("part") if (part := _part(node, conversion))]
    if parts:
        found["ingredient"] = parts
    batch = _batch(material, conversion)
    if batch:
        found["batch"] = batch
    described = material.first("desc")
    if described is not None and (words := described.words()):
        found["text"] = {
            "status": "additional",
            "div": f'<div xmlns="{XHTML}">{escape(words, quote=False)}</div>',
        }
    for kind in _classes(material):
        if kind.peek("codeSystem") == _ATC and codes_of(kind):
            extensions.append(
                {"url": f"{MPD}classification", "valueCodeableConcept": concept(kind, conversion)}
            )
    if extensions:
        found["extension"] = extensions
    return found


def _contents(material: Node, found: Resource, conversion: Conversion) -> list[Resource]:
    """Say how much is in the package: of items that hold something, both."""
    content = material.first("asContent")
    amounts: list[Resource] = []
    containers: list[Resource] = []
    depth = 0
    while content is not None and depth < _DEEP_MAX:
        depth += 1
        package = next((each for name in _PACKAGES if (each := content.first(name)) is not None), None)
        much = content.first("quantity")
        if much is None and package is not None:
            much = package.first("capacityQuantity")
        amounts.append(quantity(much, conversion))
        containers.append(concept(package.first("formCode"), conversion) if package is not None else {})
        if package is not None and (name := _name(package)) and name != _name(material):
            conversion.approximate(
                package, "the name of a package is not told beside that of its content", name
            )
        content = (
            (package.first("asContent") or package.first("asSuperContent")) if package is not None else None
        )
    extensions: list[Resource] = []
    stated = [each for each in amounts if each]
    if len(stated) > 1:
        extensions.append({"url": f"{MPD}sizeofitem", "valueQuantity": stated[0]})
    if containers and containers[0]:
        extensions.append({"url": f"{MPD}unitofpresentation", "valueCodeableConcept": containers[0]})
    for outer in containers[1:]:
        if outer:
            conversion.approximate(material, "of nested packages the innermost is told", words_of(outer))
    if stated:
        if len(stated) > 2:
            conversion.approximate(
                material, "of packages in packages the innermost and the outermost are told"
            )
        found["amount"] = {"numerator": stated[-1], "denominator": {"value": Decimal(1)}}
    return extensions


def _ingredient(node: Node, conversion: Conversion) -> Resource:
    substance = node.first("ingredientSubstance") or node.first("ingredient")
    item = concept(substance.first("code"), conversion) if substance is not None else {}
    name = _name(substance) if substance is not None else ""
    if name and item.get("text", name) != name:
        conversion.approximate(node, "of two names of an ingredient the one its author saw is told", name)
    if name:
        item.setdefault("text", name)
    made: Resource = {
        "itemCodeableConcept": item or absent(substance.first("code") if substance is not None else None)
    }
    if node.get("classCode") in ("ACTI", "ACTIM", "ACTIB", "ACTIR"):
        made["isActive"] = True
    elif node.peek("classCode") == "IACT":
        made["isActive"] = False
    strength = ratio(node.first("quantity"), conversion)
    single = quantity(node.first("quantity"), conversion) if not strength else {}
    if single:
        strength = {"numerator": single, "denominator": {"value": Decimal(1)}}
        conversion.approximate(node, "an amount of an ingredient that says not in how much is said as in one")
    if strength:
        made["strength"] = strength
    return made if item or strength else {}


def _part(node: Node, conversion: Conversion) -> Resource:
    """Return a product within a product (a kit of a cream and a pessary) as an ingredient, {} for none."""
    inner = node.first("partProduct")
    if inner is None:
        return {}
    detailed = _medication(inner, inner, conversion)
    code = _concept(inner, conversion)
    reference = conversion.add({"resourceType": "Medication", "code": code, **detailed})
    much = quantity(node.first("quantity"), conversion)
    made: Resource = {"itemReference": reference}
    if much:
        made["strength"] = {"numerator": much, "denominator": {"value": Decimal(1)}}
    return made


def _batch(material: Node, conversion: Conversion) -> Resource:
    made: Resource = {}
    number = material.first("lotNumberText")
    if number is not None and (words := number.words()):
        made["lotNumber"] = words
    expires = material.first("expirationTime")
    when = conversion.moment(expires)
    if not when and expires is not None:
        when = conversion.moment(expires.first("high")) or conversion.moment(expires.first("low"))
    if when:
        made["expirationDate"] = when
    return made
