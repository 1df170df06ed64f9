"""Codewords to the modules of a symbol (ISO/IEC 18004:2015 sections 6.3, 7.7 to 7.10), and its drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from salus.standards.qr.blocks import codewords, version_for

Modules = list[list[bool]]  # by row and column; True is dark
QUIET = 4
"""Light modules around a symbol (section 9.1)."""
_FORMAT_POLYNOMIAL, _FORMAT_MASK, _VERSION_POLYNOMIAL = 0b10100110111, 0b101010000010010, 0b1111100100101
_LEVEL_M_BITS = 0b00
MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda row, column: (row + column) % 2 == 0,
    lambda row, column: row % 2 == 0,
    lambda row, column: column % 3 == 0,
    lambda row, column: (row + column) % 3 == 0,
    lambda row, column: (row // 2 + column // 3) % 2 == 0,
    lambda row, column: row * column % 2 + row * column % 3 == 0,
    lambda row, column: (row * column % 2 + row * column % 3) % 2 == 0,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2 == 0,
)


def symbol(text: str) -> Modules:
    """Return the modules of a text's symbol, without the quiet zone, under the mask of least penalty.

    Raises:
        TooLarge: the text is too long.
    """
    body = text.encode()
    version = version_for(len(body))
    fixed = _function_patterns(version)
    bits = "".join(f"{byte:08b}" for byte in codewords(body, version))
    candidates = [_masked(fixed, bits, version, mask) for mask in range(len(MASKS))]
    return min(candidates, key=penalty)


def svg(text: str, *, title: str, pixels: int = 4) -> str:
    """Return a drawing of the symbol, `pixels` wide a module; `title` says in words what it is."""
    modules = symbol(text)
    size = len(modules) + 2 * QUIET
    path = "".join(
        f"M{column + QUIET} {row + QUIET}h1v1h-1z"
        for row, line in enumerate(modules)
        for column, dark in enumerate(line)
        if dark
    )
    named = title.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {size} {size}" '
        f'width="{size * pixels}" height="{size * pixels}"><title>{named}</title>'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{path}" fill="#000"/></svg>'
    )


def _function_patterns(version: int) -> list[list[bool | None]]:
    """Return finder, timing and alignment patterns and version; None where data and format go."""
    size = 17 + 4 * version
    found: list[list[bool | None]] = [[None] * size for _ in range(size)]
    for row, column in ((0, 0), (0, size - 7), (size - 7, 0)):
        _finder(found, row, column)
    places = _alignments(version)
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    for row in places:
        for column in places:
            if (row, column) not in corners:
                _alignment(found, row, column)
    for place in range(8, size - 8):
        for row, column in ((6, place), (place, 6)):
            if found[row][column] is None:
                found[row][column] = place % 2 == 0
    if version >= 7:
        bits = version << 12 | _remainder(version << 12, _VERSION_POLYNOMIAL)
        for place in range(18):
            row, column = size - 11 + place % 3, place // 3
            found[row][column] = found[column][row] = bool(bits >> place & 1)
    return found


def _finder(found: list[list[bool | None]], top: int, left: int) -> None:
    size = len(found)
    for row in range(max(0, top - 1), min(size, top + 8)):
        for column in range(max(0, left - 1), min(size, left + 8)):
            away = max(abs(row - top - 3), abs(column - left - 3))
            found[row][column] = away not in (2, 4)


def _alignment(found: list[list[bool | None]], middle: int, centre: int) -> None:
    for row in range(middle - 2, middle + 3):
        for column in range(centre - 2, centre + 3):
            found[row][column] = max(abs(row - middle), abs(column - centre)) != 1


def _alignments(version: int) -> list[int]:
    """Return the rows and columns of alignment patterns (annex E), for versions up to 20."""
    if version == 1:
        return []
    count, last = version // 7 + 2, 4 * version + 10
    step = -(-(last - 6) // (2 * (count - 1))) * 2
    return [6, *(last - step * place for place in range(count - 2, -1, -1))]


def _masked(fixed: list[list[bool | None]], bits: str, version: int, mask: int) -> Modules:
    size = len(fixed)
    whole = [[bool(one) for one in row] for row in fixed]
    _write_format(whole, mask)
    stream = iter(bits)
    for row, column in _data_places(fixed):
        whole[row][column] = (next(stream, "0") == "1") != MASKS[mask](row, column)
    assert size == 17 + 4 * version
    return whole


def _data_places(fixed: list[list[bool | None]]) -> Iterator[tuple[int, int]]:
    """Yield the places of data in their order: pairs of columns from the right, up and down in turn."""
    size = len(fixed)
    upwards = True
    for right in [*range(size - 1, 6, -2), *range(5, 0, -2)]:
        for step in range(size):
            row = size - 1 - step if upwards else step
            for column in (right, right - 1):
                if fixed[row][column] is None and not _is_format(row, column, size):
                    yield row, column
        upwards = not upwards


def _is_format(row: int, column: int, size: int) -> bool:
    beside = row == 8 and (column <= 8 or column >= size - 8)
    below = column == 8 and (row <= 8 or row >= size - 8)
    return beside or below


def _write_format(whole: Modules, mask: int) -> None:
    size = len(whole)
    bits = _LEVEL_M_BITS << 3 | mask
    bits = (bits << 10 | _remainder(bits << 10, _FORMAT_POLYNOMIAL)) ^ _FORMAT_MASK
    first = [
        (8, 0),
        (8, 1),
        (8, 2),
        (8, 3),
        (8, 4),
        (8, 5),
        (8, 7),
        (8, 8),
        (7, 8),
        (5, 8),
        (4, 8),
        (3, 8),
        (2, 8),
    ]
    first += [(1, 8), (0, 8)]
    second = [(size - 1 - place, 8) for place in range(7)] + [(8, size - 8 + place) for place in range(8)]
    for places in (first, second):
        for place, (row, column) in enumerate(places):
            whole[row][column] = bool(bits >> (14 - place) & 1)
    whole[size - 8][8] = True


def _remainder(value: int, polynomial: int) -> int:
    while value.bit_length() >= polynomial.bit_length():
        value ^= polynomial << (value.bit_length() - polynomial.bit_length())
    return value


def penalty(modules: Modules) -> int:
    """Return how hard a symbol is to read (section 7.8.3): long runs, blocks, false finders, imbalance."""
    size = len(modules)
    lines = ["".join("1" if one else "0" for one in row) for row in modules]
    lines += ["".join(column) for column in zip(*lines, strict=True)]
    runs = sum(
        len(run) - 2
        for line in lines
        for digit in "01"
        for run in line.replace("10" if digit == "0" else "01", "1|0" if digit == "0" else "0|1").split("|")
        if len(run) >= 5 and run[0] == digit
    )
    blocks = sum(
        3
        for row in range(size - 1)
        for column in range(size - 1)
        if modules[row][column]
        == modules[row][column + 1]
        == modules[row + 1][column]
        == modules[row + 1][column + 1]
    )
    finders = sum(
        40
        for line in lines
        for place in range(size - 10)
        if line[place : place + 11] in ("10111010000", "00001011101")
    )
    dark = sum(map(sum, modules)) * 100 / size**2
    return runs + blocks + finders + int(abs(dark - 50) // 5) * 10
