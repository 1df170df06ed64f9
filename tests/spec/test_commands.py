"""docs/commands.md: every command and option is explained, and every example is one that `salus` takes."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from salus.cli.main import commands, heads, parser
from salus.standards.nationalid.identifiers import holds

TEXT = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
EXAMPLES = [line for block in BLOCKS for line in block.splitlines() if line.strip()]


def section(name):
    found = re.search(rf"^## salus {name}\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def options(name):
    sub = argparse.ArgumentParser(add_help=False)
    commands()[name].arguments(sub)
    shown = [action for action in sub._actions if action.help != argparse.SUPPRESS]
    return {text for action in shown for text in action.option_strings if text.startswith("--")}


def salus_words(line):
    """Return the words of each `salus` call in a line of shell."""
    calls = re.findall(r"\$\((salus [^)]*)\)", line) or [line]
    return [words[1:] for call in calls if (words := shlex.split(call, comments=True))[:1] == ["salus"]]


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_is_explained_with_an_example(name):
    assert any(f"salus {name}" in example for example in EXAMPLES), f"docs/commands.md: no example of {name}"
    missing = sorted(option for option in options(name) if option not in section(name))
    assert missing == [], f"docs/commands.md does not explain {missing} of {name}"


def test_help_says_of_every_command_what_its_file_defines():
    defined = {command.name: command.help for command in commands().values()}
    assert {name: head.help for name, head in heads().items()} == defined


def test_every_explained_command_exists():
    assert set(re.findall(r"^## salus (\S+)$", TEXT, flags=re.MULTILINE)) == set(commands())


@pytest.mark.parametrize("line", [line for line in EXAMPLES if salus_words(line)])
def test_every_example_is_understood(line):
    for words in salus_words(line):
        assert callable(parser(words[0]).parse_intermixed_args(words[1:]).run)


def test_national_numbers_of_examples_keep_their_rule():
    named = re.findall(r"(urn:salus:national-id:[A-Z-]+)\|(\w+)", TEXT)
    bare = re.findall(r"--identifier (\d{9})\b", TEXT)  # of the Portuguese node of the examples
    numbers = named + [("urn:salus:national-id:PT-NIF", number) for number in bare]
    assert len(numbers) >= 2
    assert [number for system, number in numbers if holds(system, number) is not True] == []
