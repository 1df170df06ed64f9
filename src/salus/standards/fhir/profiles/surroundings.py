"""What lies around the element that is checked: the Bundle, the resource that contains others, and their
places.

R4, bundle.html#references and references.html#contained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from salus.standards.fhir.validation.issue import Where, render

Resource = dict[str, Any]  # Any: FHIR JSON

_RELATIVE = re.compile(
    r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?"
).fullmatch
_RESTFUL = re.compile(r"(https?://.+)/[A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/.+)?").fullmatch


class Place:
    """Where a resource stands, and which holds it: itself, or the one that contains it."""

    __slots__ = ("base", "holder", "where")

    def __init__(self, where: Where, holder: Resource, base: str) -> None:
        self.where = where
        self.holder = holder
        self.base = base


class Surroundings:
    """Every resource of one validation by address, with its place.

    Args:
        root: what is validated.
        where: its place.
        beside: further resources that it may refer to, by Type/id or canonical address.
    """

    def __init__(self, root: Resource, where: Where, beside: Sequence[Resource] = ()) -> None:
        self._places: dict[int, Place] = {}
        self.is_bundle = root.get("resourceType") == "Bundle"
        self.is_document = self.is_bundle and root.get("type") == "document"
        self._placed: list[tuple[Resource, Where]] = []
        self._by_address: dict[str, Resource] = {}
        self._by_id: dict[str, Resource] = {}
        self._beside: dict[str, Resource] = {}
        for one in beside:
            name = f"{one.get('resourceType')}/{one.get('id')}"
            self._beside[name] = one
            self._places[id(one)] = Place((None, name, None), one, "")
            if type(one.get("url")) is str:
                self._beside[one["url"]] = one
        self._enter(root, where, "", 0)

    def _enter(self, resource: Resource, where: Where, full_url: str, depth: int) -> None:
        match = _RESTFUL(full_url)
        self._places[id(resource)] = Place(where, resource, match[1] if match else "")
        self._placed.append((resource, where))
        contained = resource.get("contained")
        for index, one in enumerate(contained if type(contained) is list else ()):
            if type(one) is dict:
                self._places[id(one)] = Place((where, "contained", index), resource, "")
                self._placed.append((one, (where, "contained", index)))
        if resource.get("resourceType") == "Bundle" and depth < 3:
            self._enter_bundle(resource, where, depth)
        if resource.get("resourceType") == "Parameters" and depth < 3:
            self._enter_parameters(resource, where, depth)

    def _enter_bundle(self, bundle: Resource, where: Where, depth: int) -> None:
        entries = bundle.get("entry")
        for index, entry in enumerate(entries if type(entries) is list else ()):
            resource = entry.get("resource") if type(entry) is dict else None
            if type(resource) is not dict:
                continue
            full_url = entry.get("fullUrl")
            address = full_url if type(full_url) is str else ""
            if address:
                self._by_address.setdefault(address, resource)
            self._by_id.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
            self._enter(resource, ((where, "entry", index), "resource", None), address, depth + 1)

    def _enter_parameters(self, parameters: Resource, where: Where, depth: int) -> None:
        rows = parameters.get("parameter")
        for index, row in enumerate(rows if type(rows) is list else ()):
            resource = row.get("resource") if type(row) is dict else None
            if type(resource) is dict:
                self._enter(resource, ((where, "parameter", index), "resource", None), "", depth + 1)

    def place(self, resource: Resource) -> Place | None:
        """Return where a resource stands; None for one that is no part of what is validated."""
        return self._places.get(id(resource))

    def all(self) -> Sequence[tuple[Resource, Where]]:
        """Return every resource with its place, contained ones after what contains them."""
        return self._placed

    def placed(self) -> Iterator[tuple[Resource, str]]:
        """Yield every resource with the expression of its place, contained ones after what contains them."""
        for resource, place in self._placed:
            yield resource, render(place)

    def resolve(self, reference: str, from_resource: Resource) -> Resource | None:
        """Return the resource that a reference leads to, None where it leads outside."""
        place = self._places.get(id(from_resource))
        if reference[:1] == "#":
            holder = place.holder if place is not None else from_resource
            return holder if len(reference) == 1 else _contained(holder, reference[1:])
        address = reference.partition("#")[0]
        found = self._by_address.get(address)
        if found is not None:
            return found
        match = _RELATIVE(address)
        if match is None:
            return self._beside.get(address.partition("|")[0])
        if place is not None and place.base:
            absolute = self._by_address.get(f"{place.base}/{match[1]}/{match[2]}")
            if absolute is not None:
                return absolute
        name = f"{match[1]}/{match[2]}"
        return self._by_id.get(name) or self._beside.get(name)

    def is_addressed(self, reference: str, from_resource: Resource) -> bool:
        """Return whether a relative reference leads to an entry by the fullUrls, as the standard has it.

        A relative reference continues the server's address in the fullUrl of the entry that it stands in.
        """
        place = self._places.get(id(from_resource))
        match = _RELATIVE(reference.partition("#")[0])
        if match is None or place is None:
            return True
        return bool(place.base) and f"{place.base}/{match[1]}/{match[2]}" in self._by_address


def _contained(holder: Resource, fragment: str) -> Resource | None:
    contained = holder.get("contained")
    for one in contained if type(contained) is list else ():
        if type(one) is dict and one.get("id") == fragment:
            found: Resource = one
            return found
    return None
