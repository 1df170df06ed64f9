"""Whose record an account opens (issue 4, section 1: never by demographics alone, recovery as strong)."""

import pytest

from salus.trust.login.binding import CODE_LETTERS, How, Known, decide, digest_of, new_code

BY_NUMBER = Known("ana", How.IDENTIFIER)
BY_CODE = Known("ana", How.CODE)


@pytest.mark.parametrize(
    ("has_number", "found", "known", "outcome"),
    [
        (True, ["ana"], Known(), "bind"),
        (True, ["ana"], BY_NUMBER, "open"),
        (True, ["ana"], BY_CODE, "open"),
        (True, ["eva"], BY_NUMBER, "contradiction"),
        (True, ["eva"], BY_CODE, "contradiction"),
        (True, ["ana"], Known(ended=frozenset({"ana"})), "ask"),
        (True, ["eva"], Known(ended=frozenset({"ana"})), "bind"),
        (True, [], Known(), "nobody"),
        (True, [], BY_NUMBER, "nobody"),
        (True, [], BY_CODE, "open"),
        (True, ["ana", "eva"], Known(), "several"),
        (True, ["ana", "eva"], BY_NUMBER, "several"),
        (True, ["ana", "eva"], BY_CODE, "open"),
        (True, ["eva", "ida"], BY_CODE, "several"),
        (False, [], Known(), "code"),
        (False, [], BY_CODE, "open"),
        (False, [], BY_NUMBER, "code"),
    ],
)
def test_an_account_opens_a_record_by_number_or_code(has_number, found, known, outcome):
    assert decide(has_number=has_number, found=found, known=known) == outcome


def test_a_code_is_read_however_it_is_typed_and_stored_as_a_digest():
    code = new_code()
    assert len(code.replace("-", "")) == 12
    assert set(code) <= {*CODE_LETTERS, "-"}
    typed = code.lower().replace("-", " ")
    assert digest_of(typed, b"k") == digest_of(code, b"k") != digest_of(code, b"other")
    assert new_code() != code
