"""What is found out about one coding while it is checked."""

from __future__ import annotations

from salus.standards.terminology.concepts import Concept, Designation
from salus.standards.terminology.issues import Issue, Severity, issue


class Coded:
    """A coding to check, where it stands, and what is found out about it.

    Args:
        path: FHIRPath of the coding, "" where code, system and display are parameters of their own.
    """

    def __init__(self, path: str, system: str, version: str, code: str, display: str) -> None:
        self.path, self.system, self.version, self.code, self.display = path, system, version, code, display
        self.names: list[Designation] = []
        self.is_named_by_set = False
        self.found_version = ""
        self.content = ""
        self.language = ""
        self.inferred_system = ""

    def at(self, name: str) -> str:
        """Return the FHIRPath of an element of the coding."""
        return f"{self.path}.{name}" if self.path else name

    def know(self, concept: Concept) -> None:
        """Take the names of its concept."""
        self.names += [one for one in concept.designations if one not in self.names]

    @property
    def canonical(self) -> str:
        """Return how it is named in messages."""
        version = f"|{self.version}" if self.version else ""
        return f"{self.inferred_system or self.system}{version}#{self.code}"


class Findings:
    """What is found out about all codings of one request."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.unknown: dict[str, None] = {}
        self.reported: set[str] = set()
        self.is_inactive = False
        self.inactive_path = ""
        self.inactive_code = ""
        self.status = ""
        self.normal_code = ""
        self.systems: dict[str, None] = {}

    def add(
        self, severity: Severity, code: str, kind: str, where: str, message_id: str, /, **words: object
    ) -> None:
        """Note a finding, once."""
        found = issue(severity, code, kind, where, message_id, **words)
        if found not in self.issues:
            self.issues.append(found)

    def has_errors(self) -> bool:
        """Return whether anything is wrong."""
        return any(one.severity == "error" for one in self.issues)

    def see_status(self, coded: Coded, concept: Concept) -> None:
        """Note whether a concept is still in use; an inactive one is not forgotten for a later one."""
        if self.is_inactive:
            return
        self.is_inactive = concept.is_inactive
        self.inactive_path, self.inactive_code = coded.path, coded.code
        self.status = concept.status
