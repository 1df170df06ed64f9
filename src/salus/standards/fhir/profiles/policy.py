"""What a receiver may ask beyond the standard, as the reference validator's options do."""

from __future__ import annotations

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """Strictness of a check; the default refuses nothing that R4 allows.

    Args:
        unknown_extensions: whether an extension that is not at hand is let through, whoever defines it.
        example_addresses: whether addresses at example.org and example.com are let through.
        markup_in_markdown: whether markdown may hold what looks like HTML.
    """

    unknown_extensions: bool = True
    example_addresses: bool = True
    markup_in_markdown: bool = True


LENIENT = Policy()
