"""Which packages belong together: dependencies, each in the version that is asked for, as far as they are
at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from salus.standards.fhir.packages.manifest import Manifest
from salus.standards.fhir.packages.versions import newest


class Closure(msgspec.Struct, frozen=True):
    """Packages in order, each after those it depends on, and what is missing ("name#version")."""

    packages: tuple[Manifest, ...]
    missing: tuple[str, ...]


def closure(wanted: Sequence[Manifest], at_hand: Iterable[Manifest]) -> Closure:
    """Return the packages and all that they depend on.

    Where the very version is not at hand, the newest of the same name takes its place and is listed as
    missing.
    """
    known: dict[str, dict[str, Manifest]] = {}
    for manifest in at_hand:
        known.setdefault(manifest.name, {})[manifest.version] = manifest
    ordered: dict[str, Manifest] = {}
    missing: dict[str, None] = {}
    open_: list[tuple[Manifest, bool]] = [(manifest, False) for manifest in reversed(wanted)]
    entered: set[str] = set()
    while open_:
        manifest, is_done = open_.pop()
        if is_done:
            ordered.setdefault(manifest.label, manifest)
            continue
        if manifest.label in entered:
            continue
        entered.add(manifest.label)
        open_.append((manifest, True))
        for name, version in reversed(manifest.dependencies.items()):
            versions = known.get(name, {})
            found = newest(versions, version)
            if found is None:
                missing[f"{name}#{version}"] = None
                found = newest(versions)
            if found is not None:
                open_.append((versions[found], False))
    return Closure(tuple(ordered.values()), tuple(missing))
