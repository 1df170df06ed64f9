import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.errors import MalformedContent
from salus.standards.hl7v2.er7 import looks_like_er7, read_message, split_messages

MSH = b"MSH|^~\\&|LAB|HOSP|||20261130120000+0100||ORU^R01|1|P|2.5.1"


def read(*lines, head=MSH):
    return read_message(b"\r".join((head, *lines)))


@pytest.mark.parametrize("ending", [b"\r", b"\n", b"\r\n"])
def test_lines_may_end_in_any_way(ending):
    message = read_message(ending.join((MSH, b"PID|||1", b"")))
    assert [each.name for each in message.segments] == ["MSH", "PID"]


def test_pieces_are_found_by_field_component_subcomponent_and_repetition():
    pid = read(b"PID|||a^b&c~d").segments[1]
    assert pid.text(3) == "a"
    assert (pid.text(3, 2, 1), pid.text(3, 2, 2), pid.whole(3, 2)) == ("b", "c", "b&c")
    assert (pid.text(3, 1, 1, 1), pid.count(3), pid.text(9), pid.count(99)) == ("d", 2, "", 0)


def test_msh_counts_its_separator_as_a_field():
    header = read().header
    assert (header.text(1), header.text(2), header.text(9, 2)) == ("|", "^~\\&", "R01")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (rb"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),  # v2.5.1, 2.7.4
        (rb"\XC3A9\t", "ét"),  # 2.7.6
        (rb"one\.br\two", "one\ntwo"),  # 2.7.7
        (rb"\H\bold\N\ ", "bold "),  # 2.7.3
        (rb"C:\no escape", "C:\\no escape"),
        (rb"\Zlocal\x", "\\Zlocal\\x"),
        (b'""', ""),
    ],
)
def test_escape_sequences_are_undone_and_what_is_none_stays(written, meant):
    assert read(b"OBX|1|ST|||" + written).segments[1].text(5) == meant


def test_other_delimiters_are_those_that_the_message_declares():
    message = read_message(b"MSH#*:!%#A#B#####ORU*R01#7\rPID###x*y%z:w")
    pid = message.segments[1]
    assert (message.header.text(9, 2), pid.text(3, 2, 2), pid.text(3, 1, 1, 1)) == ("R01", "z", "w")


def test_a_line_without_a_segment_goes_on_with_the_one_before():
    obx = read(b"OBX|1|TX|||first line", b"second line|F", b"NTE|1").segments
    assert obx[1].text(5) == "first line\nsecond line"
    assert [each.name for each in obx] == ["MSH", "OBX", "NTE"]


@pytest.mark.parametrize(
    ("named", "encoded"),
    [(b"UNICODE UTF-8", "Zoë".encode()), (b"8859/1", "Zoë".encode("latin-1")), (b"", "Zoë".encode("latin-1")),
     (b"8859/7", "Ζωή".encode("iso-8859-7"))],
)  # fmt: skip
def test_the_character_set_is_that_of_msh_18(named, encoded):
    head = MSH + b"||||||" + named
    assert read(b"PID|||||" + encoded, head=head).segments[1].text(5) in ("Zoë", "Ζωή")


@pytest.mark.parametrize(
    "wrong", [b"", b"PID|1", b"MSH", b"MSH|", b"MSHaaaaaaaa", b"MSH||||||||", b"\x0b\x1c\r"]
)
def test_what_is_no_message_is_refused_with_what_one_begins_with(wrong):
    with pytest.raises(MalformedContent, match="MSH"):
        read_message(wrong)


def test_a_message_that_is_not_in_the_set_it_names_is_read_all_the_same():
    head = MSH + b"||||||UNICODE UTF-8"
    assert read(b"PID|||||" + "Zoë".encode("latin-1"), head=head).segments[1].text(5) == "Zoë"


def test_values_that_nobody_took_are_named_by_place():
    pid = read(b'PID|||1^^^A|""|Doe').segments[1]
    assert pid.text(5) == "Doe"
    assert list(pid.left()) == [("PID-3.1", "1"), ("PID-3.4", "A")]


def test_a_file_of_messages_is_taken_apart_with_the_line_of_each():
    file = b"FHS|^~\\&\rBHS|^~\\&\r" + MSH + b"\rPID|||1\r\r" + MSH + b"\rPID|||2\rBTS|2\rFTS|1\r"
    assert looks_like_er7(file)
    found = list(split_messages(file))
    assert [line for line, _ in found] == [3, 6]
    assert [body.count(b"PID") for _, body in found] == [1, 1]


def test_frames_of_mllp_in_a_file_are_no_part_of_its_messages():
    framed = b"\x0b" + MSH + b"\rPID|||1\r\x1c\r\x0b" + MSH + b"\rPID|||2\r\x1c\r"
    assert [body[:3] for _, body in split_messages(framed)] == [b"MSH", b"MSH"]
    assert not any(b"\x0b" in body or b"\x1c" in body for _, body in split_messages(framed))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tail):
    try:
        message = read_message(MSH + b"\r" + tail)
    except MalformedContent:
        return
    for segment in message.segments:
        assert all(path.startswith(segment.name) for path, _ in segment.left())
