"""A large document is read in a thread, with the same result as a small one."""

from datetime import UTC, datetime

import msgspec
import pytest

from salus.core.errors import InvalidResource
from salus.core.limits import Limits
from salus.intake import documents
from salus.intake.setting import Setting

SETTING = Setting("urn:hospital:a", "", b"0123456789abcdef", datetime(2026, 11, 24, tzinfo=UTC), Limits())


def document(padding):
    return msgspec.json.encode(
        {
            "resourceType": "Bundle",
            "type": "document",
            "identifier": {"system": "urn:a", "value": "1"},
            "timestamp": "2026-11-24T10:00:00Z",
            "entry": [
                {
                    "fullUrl": "urn:uuid:0b5c4cc5-5d6a-4a0f-9a4b-b7f1d6d5a001",
                    "resource": {"resourceType": "Composition", "title": "a" * padding},
                }
            ],
        }
    )


@pytest.mark.parametrize("padding", [1, documents.LARGE_BYTES])
async def test_an_invalid_document_is_refused_whatever_its_size(padding):
    with pytest.raises(InvalidResource, match="not valid"):
        await documents._read(document(padding), "application/fhir+json", SETTING, "")


async def test_what_is_no_fhir_document_is_only_kept():
    assert await documents._read(b"%PDF" * documents.LARGE_BYTES, "application/pdf", SETTING, "") is None
