"""A leaf whose author is withheld tells nothing by which the author could be known (EHDS 9(3))."""

from datetime import timedelta

import msgspec
from tests.conftest import NOW

from salus.core.access import Leaf, Outcome
from salus.store.withholding import WITHHELD, Withheld

TOLD = frozenset(
    {"at", "patient", "role", "node", "purpose", "action", "what", "resources", "outcome", "rule"}
)
"""What of a leaf does not tell its author; a new member of a leaf is blanked, or argued here."""


def test_nothing_of_the_author_is_shown():
    texts = {
        name: name for name in Leaf.__struct_fields__ if name not in ("at", "resources", "outcome", "marks")
    }
    leaf = Leaf(**texts, at=NOW, resources=1, outcome=Outcome.SERVED, marks=("emergency",))
    shown = Withheld({("patient", "subject"): NOW + timedelta(days=1)}).shown(leaf)
    members = msgspec.structs.asdict(shown)
    left = {name for name, member in members.items() if member and name not in (*TOLD, "country")}
    assert left == {"name"}
    assert shown.name == WITHHELD
