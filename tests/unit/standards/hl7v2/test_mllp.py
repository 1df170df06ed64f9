"""Frames and acknowledgements, held to MLLP Release 1 (2.3.1) and HL7 v2.5.1 (2.9)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.errors import MalformedContent, TooLarge
from salus.standards.hl7v2.acknowledgement import Header, Problem, answers, header_of
from salus.standards.hl7v2.er7 import read_message
from salus.standards.hl7v2.mllp import Frames, framed

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
MSH = b"MSH|^~\\&|LAB|HOSP^2.999^ISO|SALUS|NODE|20261130120000+0100||ORU^R01^ORU_R01|77|P|2.5.1"


@given(st.lists(st.binary(max_size=40).filter(lambda one: b"\x1c" not in one), max_size=4), st.data())
def test_messages_come_whole_however_their_bytes_are_parted(messages, data):
    stream = b"".join(map(framed, messages))
    frames, found, at = Frames(100), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, 7))
        frames.feed(stream[at : at + step])
        at += step
        while (message := frames.take()) is not None:
            found.append(message)
    assert found == messages
    assert not frames.is_inside


@pytest.mark.parametrize("stream", [MSH + b"\r", b"GET / HTTP/1.1\r\n" * 80, b"x\x0b" + MSH])
def test_what_is_in_no_frame_is_refused(stream):
    with pytest.raises(MalformedContent, match="0B"):
        Frames(1000).feed(stream)


def test_blank_lines_between_frames_are_passed_over_and_a_message_has_a_length():
    frames = Frames(10)
    frames.feed(b"\r\n\r\n")
    frames.feed(framed(b"0123456789"))
    assert frames.take() == b"0123456789"
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        frames.feed(b"\x0b" + b"0" * 13)


def acknowledged(header, verdict="A", problems=()):
    sent = answers(header, verdict, problems, number="1", at=AT)
    return [read_message(one) for one in sent]


def test_an_answer_goes_back_to_the_sender_and_names_the_message():
    (answer,) = acknowledged(header_of(MSH))
    msh, msa = answer.segments
    assert [msh.text(place) for place in (3, 4, 5, 6)] == ["SALUS", "NODE", "LAB", "HOSP"]
    assert (msh.text(6, 2), msh.text(6, 3)) == ("2.999", "ISO")
    assert [msh.text(9, place) for place in (1, 2, 3)] == ["ACK", "R01", "ACK"]
    assert (msh.text(7), msh.text(11), msh.text(12)) == ("20261130120000+0000", "P", "2.5.1")
    assert (msa.text(1), msa.text(2)) == ("AA", "77")


@pytest.mark.parametrize(
    ("accept", "application", "verdict", "codes"),
    [
        ("", "", "A", ["AA"]), ("", "", "E", ["AE"]), ("", "", "R", ["AR"]),
        ("AL", "NE", "A", ["CA"]), ("AL", "NE", "R", ["CR"]), ("NE", "AL", "A", ["AA"]),
        ("AL", "AL", "E", ["CE", "AE"]), ("ER", "NE", "A", []), ("ER", "NE", "E", ["CE"]),
        ("NE", "SU", "A", ["AA"]), ("NE", "SU", "E", []), ("NE", "NE", "R", []), ("", "ER", "R", ["AR"]),
    ],
)  # fmt: skip
def test_msh_15_and_16_say_which_answers_are_wanted(accept, application, verdict, codes):
    """Table 0155: AL always, NE never, ER on error or reject, SU on success."""
    found = acknowledged(Header(control="77", accept=accept, application=application), verdict)
    assert [one.segments[1].text(1) for one in found] == codes


def test_an_error_says_where_what_and_why_as_its_version_does():
    problem = (Problem("required", "PID-3 | is\nmissing", "PID-3.1"),)
    (answer,) = acknowledged(Header(control="7", version="2.5.1"), "E", problem)
    err = answer.segments[2]
    assert [err.text(2, place) for place in range(1, 6)] == ["PID", "1", "3", "1", "1"]
    assert [err.text(3, place) for place in (1, 3)] == ["101", "HL70357"]
    assert (err.text(4), err.text(8)) == ("E", "PID-3 | is missing")
    (older,) = acknowledged(Header(control="7", version="2.3.1"), "E", problem)
    assert [older.segments[2].text(1, place) for place in (1, 2, 3)] == ["PID", "1", "3"]
    assert older.segments[2].text(1, 4, 1) == "101"
    assert older.segments[1].text(3) == "PID-3 | is missing"


@pytest.mark.parametrize("message", [b"", b"MSH", b"nonsense", b"MSH|^~\\&", b"MSH||||"])
def test_a_header_that_cannot_be_read_is_answered_all_the_same(message):
    (answer,) = acknowledged(header_of(message), "R", (Problem("structure", "no message"),))
    assert answer.segments[1].text(1) == "AR"


def test_an_answer_is_in_the_character_set_of_the_message():
    header = header_of(MSH + b"||||||8859/1")
    (sent,) = answers(header, "E", (Problem("value", "Zoë"),), number="1", at=AT)
    assert "Zoë".encode("latin-1") in sent
