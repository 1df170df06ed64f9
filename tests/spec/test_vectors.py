"""The public vectors of ../shared/testvectors and our own: every case right, weaker rules included."""

import pytest
from conformance.scoreboard.board import find
from conformance.scoreboard.suite import score_of


@pytest.mark.parametrize(
    ("folder", "least"),
    [
        ("audit-balp", 92),
        ("consent-pcf", 35),
        ("decisions", 43),
        ("jose-crypto", 1_630),
        ("merkle-log", 800),
        ("own-tokens", 98),
        ("smart", 21),
        ("wallet", 68),
    ],
)
def test_every_case_is_judged_as_its_file_says(shared, folder, least):
    (found,) = find(shared / "testvectors" / folder)
    cases = list(found.suite.play(found.folder))
    assert [(case.name, case.failure) for case in cases if case.failure] == []
    assert score_of(found.suite, cases).total >= least
