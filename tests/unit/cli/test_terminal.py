"""What others wrote reaches the operator's terminal as text only."""

import json
import re
from pathlib import Path

import msgspec
import pytest

import salus.cli
from salus.cli.terminal import say, say_json, shown
from salus.core.plain import plain

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\u202emoc\u2069\udcff"


def test_steering_characters_are_shown_as_escapes_and_letters_stay():
    assert plain("Tromsø sjukehus, Ελλάδα") == "Tromsø sjukehus, Ελλάδα"
    assert plain(STEERING) == r"\x1b]0;owned\x07\x1b[2J\x9b31m\x0d\x0a\u202emoc\u2069\udcff"


def test_each_line_said_is_one_line(capsys):
    say(f"ee-1\t{STEERING}", "second")
    assert capsys.readouterr().out.split("\n") == [f"ee-1\t{plain(STEERING)}", "second", ""]


def test_json_stays_json_and_cannot_steer(capsys):
    text = STEERING[:-1]
    say_json(msgspec.json.encode({"name": text}))
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": text}
    assert printed.rstrip("\n").isprintable()


def test_content_as_received_is_shown_line_by_line():
    assert shown(b'{"a":\n\t"\x1b[2J\xff"}\r\n') == '{"a":\n    "\\x1b[2J\\xff"}\\x0d\n'


@pytest.mark.parametrize(
    "file", sorted(Path(salus.cli.__file__).parent.glob("*.py")), ids=lambda file: file.stem
)
def test_commands_print_through_the_filter(file):
    if file.stem != "terminal":
        assert not re.search(r"(?<![\w.])print\(", file.read_text(encoding="utf-8"))
