"""Which codes a value set holds, in order, before any is shown (R4 ValueSet.compose, $expand)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.concepts import Concept
from salus.standards.terminology.defined import designations_of
from salus.standards.terminology.entries import Entry, Notes
from salus.standards.terminology.includes import check_shape, in_version_order, selection
from salus.standards.terminology.inquiry import NESTED_MAX, Inquiry
from salus.standards.terminology.issues import TerminologyRefused, Unanswerable, issue
from salus.standards.terminology.search import finds, is_found, stem, words_of
from salus.standards.terminology.standing import standing_of, standing_of_system
from salus.standards.terminology.versions import join, split

Include = Mapping[str, Any]  # Any: FHIR JSON
IMPORTED_MAX = 50_000
"""Most codes of a value set that another one imports."""
DEPTH_MAX = 40
"""Deepest nesting that is shown; what lies deeper is shown flat."""


class Selected:
    """The codes of a value set.

    Args:
        enough: stop once so many codes are found (an end of counting, of value sets of large code systems).

    Raises:
        TerminologyRefused, Unanswerable: it, or what it needs, cannot be used.
    """

    def __init__(
        self, value_set: ValueSet, inquiry: Inquiry, notes: Notes, *, enough: int, above: Sequence[str] = ()
    ) -> None:
        self._set, self._inquiry, self._notes = value_set, inquiry, notes
        self._standing = standing_of(value_set.resource)
        self._enough = enough
        self._above = (*above, value_set.canonical)
        self.entries: dict[tuple[str, str, str], Entry] = {}
        self.roots: list[Entry] = []
        self.is_nested = True
        self.is_partial = False
        self._excluded: set[tuple[str, str, str]] = set()
        self._exclusions: list[Callable[[str, str, str], bool]] = []
        if (value_set.canonical and value_set.canonical in above) or len(above) > NESTED_MAX:
            found = issue(
                "error",
                "processing",
                "vs-invalid",
                "",
                "VALUESET_CIRCULAR_REFERENCE",
                value_set=value_set.url,
                known=", ".join(above),
            )
            raise Unanswerable(found)
        check_shape(value_set)
        inquiry.asked.see(value_set.resource)
        self._read()

    def _read(self) -> None:
        compose = self._set.compose
        includes, excludes = compose.get("include", ()), compose.get("exclude", ())
        self.shows_version = _has_several_versions((*includes, *excludes))
        self._by_version = self.shows_version and not self._inquiry.asked.is_true("versionsMatch")
        for kind, parts in (("include", includes), ("exclude", excludes)):
            for position, part in enumerate(parts):
                self._check(part, f"ValueSet.compose.{kind}[{position}]")
        if not self._inquiry.asked.has("versionsMatch") and _excludes_other_version(includes, excludes):
            self._by_version = False
            self._notes.add("versionsMatch", "valueBoolean", True)
        for part in excludes:
            self._exclude(part)
        for part in in_version_order(includes):
            self._include(part)

    def _check(self, part: Include, where: str) -> None:
        """Refuse early what is imported and not at hand, and versions that are not allowed."""
        inquiry = self._inquiry
        for reference in part.get("valueSet", ()):
            self._import(str(reference))
        url = str(part.get("system", ""))
        system = inquiry.code_system(url, str(part.get("version", "")))
        if system is not None:
            insisted = inquiry.unmet_check(url, system.about.version)
            if insisted:
                raise TerminologyRefused(
                    issue(
                        "error",
                        "exception",
                        "version-error",
                        "",
                        "VALUESET_VERSION_CHECK",
                        system=url,
                        version=system.about.version,
                        wanted=insisted,
                    ),
                    status=400,
                )
            for _ in selection(system, part, inquiry, where):
                pass

    def _import(self, reference: str) -> ValueSet:
        pinned = self._inquiry.pinned(reference)
        found = self._inquiry.value_set(pinned, source=self._set)
        if found is None:
            version = split(pinned)[1]
            message_id = "VS_EXP_IMPORT_UNK_PINNED" if version else "VS_EXP_IMPORT_UNK"
            raise TerminologyRefused(
                issue("error", "not-found", "not-found", "", message_id, value_set=pinned)
            )
        return found

    def _system(self, part: Include) -> CodeSystem:
        inquiry = self._inquiry
        url, stated = str(part["system"]), str(part.get("version", ""))
        found = inquiry.code_system(url, stated)
        if found is None:
            version = inquiry.version_for(url, stated)
            known = sorted(one for one in inquiry.library.versions(url) if one)
            message_id = "UNKNOWN_CODESYSTEM_EXP"
            if version:
                message_id = (
                    "UNKNOWN_CODESYSTEM_VERSION_EXP" if known else "UNKNOWN_CODESYSTEM_VERSION_EXP_NONE"
                )
            raise TerminologyRefused(
                issue(
                    "error",
                    "not-found",
                    "not-found",
                    "",
                    message_id,
                    system=url,
                    version=version,
                    known=", ".join(known),
                ),
                unknown=join(url, version),
            )
        self._notes.say_standing(standing_of_system(found.about), self._standing)
        self._notes.add("used-codesystem", "valueUri", found.about.canonical)
        if found.about.content != "complete":
            self._notes.add("used-fragment", "valueUri", found.about.canonical)
            self._notes.fragments[url] = None
        return found

    def _imports(self, part: Include) -> list[Selected]:
        found = []
        for reference in part.get("valueSet", ()):
            other = self._import(str(reference))
            pinned, notes = other.canonical, self._notes
            notes.say_standing(standing_of(other.resource), self._standing)
            if not str(reference).startswith("#"):
                notes.add("used-valueset", "valueUri", other.canonical)
            imported = Selected(other, self._inquiry, notes, enough=IMPORTED_MAX, above=self._above)
            if imported.is_partial:  # what is left out would be missing, or not excluded, without a word
                found_there = issue(
                    "error", "too-costly", "", "", "VALUESET_TOO_COSTLY", value_set=pinned, limit=IMPORTED_MAX
                )
                raise TerminologyRefused(found_there)
            found.append(imported)
        return found

    def _key(self, url: str, version: str, code: str) -> tuple[str, str, str]:
        return url, version if self._by_version else "", code

    def _exclude(self, part: Include) -> None:
        if "valueSet" in part or "concept" in part or len(part.get("filter", ())) > 1:
            self.is_nested = False
        imports = self._imports(part)
        if "system" not in part:
            for one in imports[0].entries.values() if imports else ():
                if all(other.holds(one.url, one.concept.code) for other in imports[1:]):
                    self._excluded.add(self._key(one.url, one.version, one.concept.code))
            return
        system = self._system(part)
        about = system.about
        is_whole = not imports and "concept" not in part and "filter" not in part
        any_version = not self._by_version or (is_whole and "version" not in part)
        if "concept" in part:
            kept: list[Collection[str]] = [{str(one.get("code")) for one in part["concept"]}]
        else:
            kept = list(selection(system, part, self._inquiry))
        across = is_whole and self.shows_version and not self._by_version

        def is_out(url: str, version: str, code: str) -> bool:
            if url != about.url or not (any_version or version == about.version):
                return False
            if across and system.find(code) is None:  # of another version, and not in this one
                return False
            return all(code in one for one in kept) and all(one.holds(url, code) for one in imports)

        self._exclusions.append(is_out)

    def _is_excluded(self, url: str, version: str, code: str) -> bool:
        if self._key(url, version, code) in self._excluded:
            return True
        return any(is_out(url, version, code) for is_out in self._exclusions)

    def holds(self, url: str, code: str) -> bool:
        """Return whether a code is among the selected, in any version."""
        if not hasattr(self, "_held"):
            self._held = {(one.url, one.concept.code) for one in self.entries.values()}
        return (url, code) in self._held

    def _include(self, part: Include) -> None:
        if "valueSet" in part or "concept" in part or len(part.get("filter", ())) > 1:
            self.is_nested = False
        if "system" not in part:
            imports = self._imports(part)
            for one in imports[0].entries.values() if imports else ():
                if all(other.holds(one.url, one.concept.code) for other in imports[1:]):
                    self._take(one.system, one.concept, one.row, None)
            return
        system = self._system(part)
        imports = self._imports(part)
        url = system.about.url

        def passes(concept: Concept) -> bool:
            return all(one.holds(url, concept.code) for one in imports)

        text = self._inquiry.asked.text("filter")
        if "concept" in part:
            self._include_listed(part, system, text, passes)
        if "filter" in part:
            self._include_filtered(part, system, text, passes)
        elif "concept" not in part:
            self._include_whole(system, text, passes)

    def _is_wanted(self, concept: Concept) -> bool:
        asked = self._inquiry.asked
        return not concept.is_inactive or not (asked.is_true("activeOnly") or self._set.excludes_inactive())

    def _take(self, system: CodeSystem, concept: Concept, row: Include, parent: Entry | None) -> Entry | None:
        """Take a code, unless it is excluded or there already; return what stands for it."""
        about = system.about
        key = self._key(about.url, about.version, concept.code)
        if self._is_excluded(about.url, about.version, concept.code):
            return None
        if key in self.entries:
            self.is_nested = False
            return None
        entry = Entry(system, concept, row, depth=parent.depth + 1 if parent else 0)
        self.is_nested = self.is_nested and entry.depth <= DEPTH_MAX
        self.entries[key] = entry
        (parent.children if parent else self.roots).append(entry)
        return entry

    def _is_enough(self) -> bool:
        self._inquiry.step()
        self.is_partial = self.is_partial or len(self.entries) >= self._enough
        return self.is_partial

    def _include_listed(
        self, part: Include, system: CodeSystem, text: str, passes: Callable[[Concept], bool]
    ) -> None:
        language = str(self._set.resource.get("language", ""))
        for row in part["concept"]:
            concept = system.find(str(row.get("code", "")))
            if concept is None or self._is_enough() or not self._is_wanted(concept) or not passes(concept):
                continue
            concept = msgspec.structs.replace(concept, code=str(row["code"]))
            if not text or _finds(text, concept, row):
                self._take(system, concept, {"language": language, **row}, None)

    def _include_filtered(
        self, part: Include, system: CodeSystem, text: str, passes: Callable[[Concept], bool]
    ) -> None:
        self._refuse_endless(system)
        kept = list(selection(system, part, self._inquiry))
        first, others = (system.search(text), kept) if text else (kept[0], kept[1:])
        about = system.about
        for code in first:
            if self._is_enough():
                return
            concept = system.find(code) if all(code in one for one in others) else None
            if concept is None or not self._is_wanted(concept) or not passes(concept):
                continue
            above = [self._key(about.url, about.version, one) for one in concept.parents[:1]]
            self._take(system, concept, {}, self.entries.get(above[0]) if above else None)

    def _refuse_endless(self, system: CodeSystem) -> None:
        if system.count() is None:
            found = issue(
                "error", "not-supported", "", "", "CODESYSTEM_NOT_ENUMERABLE", system=system.about.url
            )
            raise TerminologyRefused(found)

    def _unreached(self, codes: Iterator[str], seen: set[str]) -> list[tuple[str, Entry | None]]:
        """Return the next code that no walk from a root met: codes in a circle have no root."""
        return [(one, None) for one in islice((code for code in codes if code not in seen), 1)]

    def _include_whole(self, system: CodeSystem, text: str, passes: Callable[[Concept], bool]) -> None:
        self._refuse_endless(system)
        if text:
            for code in system.search(text):
                concept = system.find(code)
                if self._is_enough():
                    return
                if concept is not None and self._is_wanted(concept) and passes(concept):
                    self._take(system, concept, {}, None)
            return
        hides_abstract = self._inquiry.asked.is_true("excludeNotForUI")
        seen: set[str] = set()
        pending: list[tuple[str, Entry | None]] = [(one, None) for one in reversed(system.roots())]
        unread = system.codes()
        while pending or (pending := self._unreached(unread, seen)):
            code, parent = pending.pop()
            if code in seen:
                self.is_nested = False
                continue
            seen.add(code)
            concept = system.find(code)
            if self._is_enough():
                return
            if concept is None:
                continue
            beneath = parent
            if self._is_wanted(concept) and not (hides_abstract and concept.is_abstract):
                beneath = self._take(system, concept, {}, parent) if passes(concept) else None
            pending += [(one, beneath) for one in reversed(system.children(code))]


def _finds(text: str, concept: Concept, row: Include) -> bool:
    if finds(text, concept):
        return True
    wanted = [stem(one) for one in words_of(text)]
    names = [str(row.get("display", "")), *(one.value for one in designations_of(row))]
    return any(is_found(wanted, one) for one in names)


def _has_several_versions(parts: Sequence[Include]) -> bool:
    """Return whether parts name one code system in more than one version."""
    versions: dict[str, set[str]] = {}
    for one in parts:
        versions.setdefault(str(one.get("system", "")), set()).add(str(one.get("version", "")))
    return any(len(found) > 1 for url, found in versions.items() if url)


def _excludes_other_version(includes: Sequence[Include], excludes: Sequence[Include]) -> bool:
    """Return whether a value set excludes of one version of a code system what it includes of others."""
    parts = (*includes, *excludes)
    if not includes or not excludes or len({one.get("system") for one in parts}) > 1:
        return False
    have = {one.get("version") for one in includes}
    not_have = {one.get("version") for one in excludes}
    return None not in have | not_have and have.isdisjoint(not_have)
