"""Who asks, as the database judges it."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from salus.core.access import Role
from salus.store.asker import EVERYTHING, asker_of, sees_hidden

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("audiences", "told", "sees"),
    [
        (None, {}, False),
        (frozenset(), json.loads(EVERYTHING), True),
        (frozenset({"b", 'a"\\\0'}), {"is": ['a"\\', "b"], "at": AT.timestamp()}, False),
    ],
)
def test_who_asks_is_told_by_audiences_and_moment(grant, audiences, told, sees):
    asked = msgspec.structs.replace(grant("ana", role=Role.CLINICIAN), audiences=audiences, opened_at=AT)
    assert json.loads(asker_of(asked)) == told
    assert sees_hidden(asked) is sees
