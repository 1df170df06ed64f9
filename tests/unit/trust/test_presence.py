"""One-time codes: what is kept of them, and how they are read out."""

from salus.trust.presence import CODE_LENGTH, LETTERS, digest_of, new_code

KEY = b"k" * 32


def test_a_code_is_of_letters_that_nobody_mistakes_and_new_each_time():
    codes = {new_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(len(code) == CODE_LENGTH and set(code) <= set(LETTERS) for code in codes)
    assert not set("01OILU") & set(LETTERS)


def test_a_code_is_the_same_however_it_is_written_and_its_digest_is_of_the_node():
    assert digest_of(KEY, "ABCD2345") == digest_of(KEY, " abcd-2345 ")
    assert digest_of(KEY, "ABCD2345") != digest_of(KEY, "ABCD2346")
    assert digest_of(KEY, "ABCD2345") != digest_of(b"j" * 32, "ABCD2345")
    assert b"ABCD" not in digest_of(KEY, "ABCD2345")
