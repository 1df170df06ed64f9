"""A node calls https addresses and its own machine, and nothing else."""

import pytest

from salus.core.addresses import is_callable_address


@pytest.mark.parametrize(
    ("address", "callable_"),
    [
        ("https://ee.example", True),
        ("https://ee.example/salus", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost:8080", True),
        ("http://ee.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://169.254.169.254", False),
        ("https://user@ee.example", False),
        ("https://ee.example?x=1", False),
        ("https://ee.example/#x", False),
        ("https://ee.example/", False),
        ("https://ee.example:99999", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_nodes_call_https_or_their_own_machine_and_nothing_else(address, callable_):
    assert is_callable_address(address) is callable_
