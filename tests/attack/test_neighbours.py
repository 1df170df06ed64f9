"""The neighbourhood of the corpus: its kinds of attack with other payloads, places and ways of writing them.

A variant has the form of a line of ../shared/testvectors/attacks, and is judged as the scoreboard judges one.
A harmless value stands beside most kinds, so that a refusal means the payload and not its surroundings.
"""

from importlib import import_module
from pathlib import Path

import pytest
from conformance.scoreboard.suites.attacks import play_cases

KINDS = sorted(path.stem for path in (Path(__file__).parent / "kinds").glob("[!_]*.py"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_neighbourhood_of_the_corpus_is_answered_as_the_corpus(target, kind):
    variants = import_module(f"tests.attack.kinds.{kind}").cases()
    named = [{"id": f"{number}: {case}"[:300]} | case for number, case in enumerate(variants)]
    assert [(case.name, case.failure) for case in play_cases(target, named) if case.failure] == []
