"""A FHIR document that remembers what was read of it, so that what is not said in CDA is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from salus.core.quality import Account

Resource = Mapping[str, Any]  # FHIR JSON, whose members are of many types, hence Any
_FRAME = frozenset({"resourceType", "id", "meta", "implicitRules", "fullUrl", "language"})
"""Members by which resources are filed and linked, which CDA says by its structure."""
_DISPLAY_MAX = 80


class Source:
    """The resources of a Bundle by the addresses that refer to them, and what was read of each.

    Args:
        bundle: a document Bundle.
    """

    def __init__(self, bundle: Resource) -> None:
        self.account = Account("FHIR patient summary")
        self.bundle = bundle
        self.held: dict[str, Resource] = {}
        for entry in bundle.get("entry", ()):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict):
                continue
            self.held[str(entry.get("fullUrl", ""))] = resource
            self.held.setdefault(f"{resource.get('resourceType')}/{resource.get('id', '')}", resource)
        self._read: set[tuple[int, str]] = set()

    def get(self, owner: Resource, key: str) -> Any:  # Any: FHIR JSON
        """Return a member and count it as read; None for none."""
        self._read.add((id(owner), key))
        return owner.get(key)

    def all(self, owner: Resource, key: str) -> list[Any]:  # Any: FHIR JSON
        """Return a member as a list, of objects or values; [] for none."""
        found = self.get(owner, key)
        return found if isinstance(found, list) else [] if found is None else [found]

    def parts(self, owner: Resource, key: str) -> list[Resource]:
        """Return the objects of a member."""
        return [each for each in self.all(owner, key) if isinstance(each, dict)]

    def part(self, owner: Resource, key: str) -> Resource:
        """Return the object of a member, {} for none."""
        return next(iter(self.parts(owner, key)), {})

    def text(self, owner: Resource, key: str) -> str:
        """Return a member's text, "" for none."""
        found = self.get(owner, key)
        return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""

    def resolve(self, owner: Resource, key: str) -> Resource:
        """Return the resource that a reference leads to, {} for none here."""
        return next(iter(self.resolve_all(owner, key)), {})

    def resolve_all(self, owner: Resource, key: str) -> list[Resource]:
        """Return the resources that references lead to, those of them that are here."""
        found = []
        for reference in self.parts(owner, key):
            link = self.text(reference, "reference")
            self.get(reference, "display")
            self.get(reference, "type")
            target = self.held.get(link) or self._ending(link)
            if target is not None:
                found.append(target)
        return found

    def _ending(self, link: str) -> Resource | None:
        """Return what a relative reference leads to, by the end of an absolute fullUrl."""
        if not link or ":" in link:
            return None
        return next((one for url, one in self.held.items() if url.endswith(f"/{link}")), None)

    def take(self, value: Any) -> None:  # Any: FHIR JSON
        """Count everything within a value as read."""
        if isinstance(value, dict):
            for key, inner in value.items():
                self._read.add((id(value), key))
                self.take(inner)
        elif isinstance(value, list):
            for inner in value:
                self.take(inner)

    def approximate(self, path: str, reason: str, example: str = "") -> None:
        """Count a value that is said in other words, or in part."""
        self.account.approximate(path, reason, example)

    def finish(self, written: set[int]) -> None:
        """Count every value of the resources as mapped or dropped.

        Args:
            written: ids (`id`) of the resources that the document says something of.
        """
        for resource in {id(each): each for each in self.held.values()}.values():
            kind = str(resource.get("resourceType"))
            if id(resource) not in written:
                self.account.drop(
                    kind, "a patient summary of MyHealth@EU has no entry for it; its words stay", ""
                )
                continue
            for path, value, is_read in self._leaves(resource, kind, is_read=True):
                if is_read:
                    self.account.mapped += 1
                else:
                    self.account.drop(path, "no place in the result", str(value)[:_DISPLAY_MAX])

    def _leaves(
        self, value: Any, path: str, *, is_read: bool
    ) -> Iterator[tuple[str, Any, bool]]:  # Any: FHIR JSON
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in _FRAME and (key != "language" or path.count(".") == 0):
                    continue
                if key == "text" and path.count(".") == 0 and _is_generated(inner):
                    continue
                known = is_read and (id(value), key) in self._read
                yield from self._leaves(inner, f"{path}.{key}", is_read=known)
        elif isinstance(value, list):
            for inner in value:
                yield from self._leaves(inner, path, is_read=is_read)
        else:
            yield path, value, is_read


def _is_generated(text: Any) -> bool:  # Any: FHIR JSON
    """Return whether a resource's own narrative says no more than the resource (R4, narrative-status)."""
    return isinstance(text, dict) and text.get("status") in ("generated", "extensions", "empty")
