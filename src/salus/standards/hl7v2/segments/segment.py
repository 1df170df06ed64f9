"""What a module of a segment defines."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making


class Reads(msgspec.Struct, frozen=True):
    """How a segment is read.

    Args:
        name: of the segment, as PID.
        read: adds to the resources what the segment says, and takes its values.
    """

    name: str
    read: Callable[[Making, Segment], None]
