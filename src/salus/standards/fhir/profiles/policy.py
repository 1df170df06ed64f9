"""What a receiver may ask beyond the standard, as the reference validator's options do."""

from __future__ import annotations

import msgspec

from salus.standards.fhir.validation.issue import Severity


class Policy(msgspec.Struct, frozen=True):
    """Strictness of a check; the default refuses nothing that R4 allows.

    Args:
        unknown_extensions: whether an extension that is not at hand is let through, whoever defines it.
        example_addresses: whether addresses at example.org and example.com are let through.
        markup_in_markdown: whether markdown may hold what looks like HTML.
        markup_in_strings: whether other texts may hold it.
        wrong_display: how bad a display is that is not what its code is called.
    """

    unknown_extensions: bool = True
    example_addresses: bool = True
    markup_in_markdown: bool = True
    markup_in_strings: bool = True
    wrong_display: Severity = "error"


LENIENT = Policy()
