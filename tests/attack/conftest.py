"""One node for all tests of a module to attack; what it looks up or connects to outside is refused."""

import pytest
from conformance.scoreboard.attacks.target import target as attacked


@pytest.fixture(scope="module")
def target():
    """Yield the node."""
    with attacked() as found:
        yield found
