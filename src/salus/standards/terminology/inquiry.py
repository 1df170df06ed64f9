"""One request: what was asked, the definitions at hand, what was used, and how much may be spent on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from salus.core.errors import TooCostly
from salus.standards.terminology.asked import Asked
from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.issues import TerminologyRefused, Unanswerable, issue
from salus.standards.terminology.library import Definitions, Layers, Library
from salus.standards.terminology.supplements import Supplemented, canonical, is_language_pack
from salus.standards.terminology.versions import join, matches, split

CONTENT = frozenset({"complete", "fragment"})
STEPS_MAX = 2_000_000
STEPS_BETWEEN = 256
"""After so many steps the time is looked at."""
NESTED_MAX = 20
"""Deepest nesting of value sets that import each other."""


def _never() -> bool:
    return False


class Inquiry:
    """A request under way.

    Args:
        library: the definitions at hand; those sent along count before them.
        asked: the request's parameters.
        is_late: whether the time for it is over.
    """

    def __init__(self, library: Library, asked: Asked, *, is_late: Callable[[], bool] = _never) -> None:
        sent = Definitions(asked.resources())
        self.library: Library = Layers([sent, library]) if asked.resources() else library
        self.asked = asked
        self.needed = {str(one) for one in asked.all("useSupplement")}
        self.found: set[str] = set()
        self.used_rules: dict[tuple[str, str], None] = {}
        self._is_late = is_late
        self._steps = 0
        self._systems: dict[tuple[str, str], CodeSystem | None] = {}
        self._selections: dict[tuple[str, str, str, str], Collection[str] | None] = {}

    def restart(self) -> None:
        """Count the work anew: another question with the same definitions."""
        self._steps = 0

    def step(self) -> None:
        """Count a step of work.

        Raises:
            TooCostly: it takes longer than one request may.
        """
        self._steps += 1
        if self._steps > STEPS_MAX or self._steps % STEPS_BETWEEN == 0:
            self.pause()

    def pause(self) -> None:
        """Look at the time, before work that takes long by itself.

        Raises:
            TooCostly: it takes longer than one request may.
        """
        if self._steps > STEPS_MAX or self._is_late():
            raise TooCostly(
                "The question takes longer than one request may; ask for less, or load the code system."
            )

    def selected(self, system: CodeSystem, name: str, operator: str, value: str) -> Collection[str] | None:
        """Return what a filter keeps of a code system, asked once in a request; None where not understood."""
        key = (system.about.canonical, name, operator, value)
        if key not in self._selections:
            self.pause()
            self._selections[key] = system.select(name, operator, value)
        return self._selections[key]

    def version_for(self, url: str, version: str) -> str:
        """Return the version to take: forced, else stated, else the default, else the checked.

        Raises:
            TerminologyRefused: the request contradicts itself.
        """
        rules = list(self.asked.rules(url))
        chosen = version
        for mode, message_id in (
            ("force", "SYSTEM_VERSION_MULTIPLE_OVERRIDE"),
            ("default", "SYSTEM_VERSION_MULTIPLE_DEFAULT"),
            ("check", ""),
        ):
            fitting = [one for one in rules if one.mode == mode]
            if not fitting or (chosen and mode != "force"):
                continue
            if message_id and len({one.version for one in fitting}) > 1:
                found = issue(
                    "error",
                    "exception",
                    "version-error",
                    "",
                    message_id,
                    system=url,
                    version=fitting[0].version,
                    other=fitting[1].version,
                )
                raise TerminologyRefused(found)
            chosen = fitting[0].version
            self.used_rules[(fitting[0].parameter, join(url, chosen))] = None
        return chosen

    def unmet_check(self, url: str, version: str) -> str:
        """Return the version that the request insists on and that this one is not, "" where all is well."""
        for one in self.asked.rules(url):
            if one.mode == "check" and not matches(one.version, version):
                return one.version
        return ""

    def code_system(self, url: str, version: str, *, ruled: bool = True) -> CodeSystem | None:
        """Return a code system with its supplements, None where it, or its content, is not at hand.

        Args:
            url: of the code system.
            version: that is stated, "" for none.
            ruled: whether the request's rules on versions apply.
        """
        if not url:
            return None
        wanted = self.version_for(url, version) if ruled else version
        known = self._systems.get((url, wanted), self)
        if known is not self:
            return known  # type: ignore[return-value]  # self stands for "not looked up yet"
        found = self.library.code_system(url, wanted)
        if found is not None and found.about.content not in CONTENT:
            found = None
        if found is not None:
            found = self._supplemented(found)
        self._systems[(url, wanted)] = found
        return found

    def _supplemented(self, system: CodeSystem) -> CodeSystem:
        over = []
        for one in self.library.supplements(system.about.url, system.about.version):
            named = canonical(one)
            asked = {named, split(named)[0]} & self.needed
            self.found |= asked
            if asked or is_language_pack(one):
                over.append(one)
        return Supplemented(system, over) if over else system

    def need(self, supplements: Iterable[str]) -> None:
        """Note supplements that an answer must take into account."""
        more = set(supplements) - self.needed
        if more:
            self.needed |= more
            self._systems.clear()
            self._selections.clear()

    def refuse_missing_supplements(self) -> None:
        """Refuse where a supplement that is needed was not found.

        Raises:
            Unanswerable: it is not at hand.
        """
        missing = sorted(self.needed - self.found)
        if missing:
            found = issue(
                "error", "not-found", "not-found", "", "VALUESET_SUPPLEMENT_MISSING", known=", ".join(missing)
            )
            raise Unanswerable(found)

    def value_set(self, reference: str, version: str = "", source: ValueSet | None = None) -> ValueSet | None:
        """Return a value set by canonical, or by #id inside another."""
        if reference.startswith("#"):
            inside = source.resource.get("contained", ()) if source else ()
            found = next((one for one in inside if one.get("id") == reference[1:]), None)
            return ValueSet(found) if found else None
        url, stated = split(reference)
        return self.library.value_set(url, version or stated)

    def pinned(self, reference: str) -> str:
        """Return a reference to a value set with the version that the request wants of it."""
        url, version = split(reference)
        return reference if reference.startswith("#") else join(url, self.version_for(url, version))
