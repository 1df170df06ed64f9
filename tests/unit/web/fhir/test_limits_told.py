"""Every list of a person's data tells a professional the same: the citizen may have limited what is shown."""

import pytest

from salus.core.access import Role
from salus.web.restrictions import set_restricted

STORED = (
    {"resourceType": "Patient", "id": "ana"},
    {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/ana"}, "code": {"text": "x"}},
)
LISTS = ("/Condition?patient=ana", "/Patient/ana/Condition", "/Patient/ana/$everything",
         "/Patient/ana/_history", "/Patient?_id=ana", "/DocumentReference?patient=ana",
         "/Condition?patient=nobody", "/Condition?patient=ana&_summary=count")  # fmt: skip


def told(bundle):
    return [tag["display"] for tag in bundle.get("meta", {}).get("tag", ())]


@pytest.mark.clause("EHDS 8")
async def test_the_same_line_restricted_or_not_and_no_entry_more(door, caller):
    for each in STORED:
        await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
    entries = []
    for restricted in (False, True):
        if restricted:
            own = caller(Role.CITIZEN, patient="ana")
            await set_restricted(door.services, own, "Condition", "c", hidden=True)
        for path in LISTS:
            answer = await door("GET", path)
            assert answer.status_code == 200, path
            assert told(answer.json()) == ["The citizen may have limited what is shown."], path
        entries.append(len((await door("GET", LISTS[0])).json().get("entry", ())))
    assert entries == [1, 0]


@pytest.mark.parametrize("role", ["citizen", "operator"])
async def test_whom_nothing_is_hidden_from_is_not_told_so(door, role):
    for each in STORED:
        await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
    who = {"role": Role(role), "patient": "ana" if role == "citizen" else None}
    assert told((await door("GET", LISTS[0], **who)).json()) == []
