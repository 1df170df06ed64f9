"""The shared directory: types that are about no patient, and so are never hidden nor confined to a record."""

from __future__ import annotations

from salus.standards.fhir.search.links import IN_NO_RECORD

SHARED_TYPES = IN_NO_RECORD
