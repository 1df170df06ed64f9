"""What a load did, and the state of each of its files."""

from __future__ import annotations

import msgspec

from salus.store.progress import FileProgress


class Report(msgspec.Struct):
    """What a load did.

    Args:
        read: resources in the files; each is stored, unchanged or rejected.
        stored: new, or in a new version.
        unchanged: there already with the same content.
        rejected: refused, and kept in quarantine.
        seconds: how long it took.
        resources_per_second: of this run.
        quarantine: pieces of input put into quarantine (a whole Bundle is one).
        resumed: resources of `read` that an earlier, killed run had done.
    """

    read: int = 0
    stored: int = 0
    unchanged: int = 0
    rejected: int = 0
    seconds: float = 0.0
    resources_per_second: float = 0.0
    quarantine: int = 0
    resumed: int = 0

    def add(self, counts: FileProgress) -> None:
        """Count what became of some more resources."""
        self.stored += counts.stored
        self.unchanged += counts.unchanged
        self.rejected += counts.rejected
        self.read += counts.stored + counts.unchanged + counts.rejected
