"""Symbols as another implementation draws them, in full (versions 1, 2, 6, 13, 20; level M, bytes)."""

import hashlib

import pytest

from salus.core.errors import TooLarge
from salus.standards.qr.blocks import version_for
from salus.standards.qr.symbol import svg, symbol

# SHA-256 of the modules by row, "1" dark, one row a line: of python-qrcode 8.2 with the same mask.
KNOWN = [
    (1, "bc9009ae87ca68f1d256b69eb2636208"),
    (2, "8b3a305e6990a7e79b2652115849fc1e"),
    (3, "898a791db8daf87950e6fd89cebf3309"),
    (4, "bba5be6f30ab04e281d722344192271a"),
    (5, "49114298d9d1215978dfc781ca0a49a4"),
    (6, "8ec5a19462e18765179d63953cc5c1d1"),
]
TEXTS = ["A", "https://node.example/x", "x" * 100, "y" * 300, "é" * 50, "z" * 660]


@pytest.mark.parametrize(("number", "digest"), KNOWN)
def test_a_symbol_is_that_of_another_implementation(number, digest):
    rows = ["".join("1" if dark else "0" for dark in row) for row in symbol(TEXTS[number - 1])]
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32] == digest


def test_the_smallest_version_that_holds_the_text_is_taken():
    assert [version_for(size) for size in (14, 15, 26, 27, 180, 181, 213, 214)] == [1, 2, 2, 3, 9, 10, 10, 11]
    with pytest.raises(TooLarge):
        version_for(667)


def test_a_drawing_says_what_it_is_and_carries_no_script():
    drawn = svg("https://node.example", title="Log in <with> a wallet & phone")
    assert "<title>Log in &lt;with> a wallet &amp; phone</title>" in drawn
    assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 33 33"')
    assert "script" not in drawn
