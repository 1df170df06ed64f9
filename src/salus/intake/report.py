"""What a load did, and the state of each of its files."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salus.core.quality import Quality, together
from salus.store.progress import FileProgress

NAMES_MAX = 20
"""Most names of one kind in a report."""


class Report(msgspec.Struct):
    """What a load did.

    Args:
        read: resources in the files; each is stored, unchanged, kept or rejected.
        stored: new, or in a new version.
        unchanged: the source sent the same content before, whatever became of it since.
        kept: the source sent new content, but what was edited or deleted here stays, or is newer by the
            source's own clock; of a history also the older versions.
        rejected: refused, and kept in quarantine.
        seconds: how long it took.
        resources_per_second: of this run.
        quarantine: pieces of input put into quarantine (a whole Bundle is one).
        resumed: resources of `read` that an earlier, killed run had done.
        documents: documents kept byte for byte for the first time.
        withdrawn: earlier documents, and resources that only they said, that are no longer current.
        skipped: files of a folder that are of no known format; nothing of them was read.
        skipped_names: their paths, the first `NAMES_MAX`.
        doubtful_numbers: by system, how many national numbers of Patients break their country's rule.
        search_parameters: how many stored resources are SearchParameters, by which no search can be made yet.
        remarks: entries of searchsets that are a server's remarks on its search (search.mode outcome): they
            are no records, and not counted as read.
        dangling: references by ``urn:uuid:`` or ``urn:oid:`` in what was taken that lead to nothing in their
            file, as they came: of NDJSON, of Bundles that go resource by resource, and of documents.
        more_pages: Bundles of type searchset or history with a next page that is not among the files.
        more_pages_names: the addresses of those pages, the first `NAMES_MAX`.
        alike: pairs of Patients newly proposed as one person, since one source sent both with one identifier.
        checked: documents that were checked by the profiles of their category, on arrival.
        conformant: of them, those without error.
        quality: of files of another standard, what became of what they say; None where there were none.
        kept_names: "Type/id" here of the kept ones, the first `NAMES_MAX`.
    """

    read: int = 0
    stored: int = 0
    unchanged: int = 0
    kept: int = 0
    rejected: int = 0
    seconds: float = 0.0
    resources_per_second: float = 0.0
    quarantine: int = 0
    resumed: int = 0
    documents: int = 0
    withdrawn: int = 0
    skipped: int = 0
    skipped_names: list[str] = []
    doubtful_numbers: dict[str, int] = {}
    search_parameters: int = 0
    remarks: int = 0
    dangling: int = 0
    alike: int = 0
    more_pages: int = 0
    more_pages_names: list[str] = []
    checked: int = 0
    conformant: int = 0
    quality: Quality | None = None
    kept_names: list[str] = []

    def add(self, counts: FileProgress) -> None:
        """Count what became of some more resources."""
        self.stored += counts.stored
        self.unchanged += counts.unchanged
        self.kept += counts.kept
        self.rejected += counts.rejected
        self.read += counts.stored + counts.unchanged + counts.kept + counts.rejected

    def add_skipped(self, paths: Sequence[str]) -> None:
        """Name files that were not read."""
        self.skipped += len(paths)
        self.skipped_names += paths[: NAMES_MAX - len(self.skipped_names)]

    def add_doubtful(self, systems: Sequence[str]) -> None:
        """Count national numbers that break their country's rule."""
        for system in systems:
            self.doubtful_numbers[system] = self.doubtful_numbers.get(system, 0) + 1

    def add_pages(self, following: Sequence[str]) -> None:
        """Name pages that follow and were not read."""
        self.more_pages += len(following)
        self.more_pages_names += following[: NAMES_MAX - len(self.more_pages_names)]

    def add_quality(self, quality: Quality | None) -> None:
        """Count what became of what a translated file says."""
        if quality is not None:
            known = (self.quality,) if self.quality is not None else ()
            self.quality = together("translated files", (*known, quality))

    def add_kept(self, names: Sequence[str]) -> None:
        """Name resources that were kept."""
        self.kept_names += names[: NAMES_MAX - len(self.kept_names)]
