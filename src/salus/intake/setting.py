"""What is the same for all units of a load, or for one document that is received."""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.core.limits import Limits
from salus.intake.admission import Admission
from salus.intake.linking import Known
from salus.standards.tabular.mapping import TableMapping
from salus.store.parameters_known import Added
from salus.store.record_seal import Sealing


class Setting(msgspec.Struct, frozen=True):
    """What is the same for all units of a load.

    Args:
        source: URI of the system the file comes from.
        file: its path, for messages.
        key: the node's secret for search hashes.
        updated: when the load began (the grant's `opened_at`).
        limits: the node's.
        lenient: split a Bundle that should stand or fall as one.
        links: what conditional references and ifNoneExist were found to be: "Type?query" to "Type/id", to ""
            where nothing matches, to None where several do or it is no search.
        added: the search parameters of the node beside those of R4.
        arrived_at: when its units came first, of what was in quarantine; None of what comes now.
        sealing: how contents are sealed, None where they are not.
        known: which entries of a document its source sent before under another name (`intake.linking`).
        verifier: who takes a document over, "" for what a system of the node's own sends.
        mapping: what the columns of tables are; None where none are read.
        admission: what of a document is taken, by who sends it; None for all (the operator's load).
    """

    source: str
    file: str
    key: bytes
    updated: datetime
    limits: Limits
    lenient: bool = False
    links: dict[str, str | None] = {}
    added: Added = Added()
    arrived_at: datetime | None = None
    sealing: Sealing | None = None
    known: Known = Known()
    verifier: str = ""
    mapping: TableMapping | None = None
    admission: Admission | None = None
