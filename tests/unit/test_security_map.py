"""SECURITY.md maps the OWASP lists to tests; each test that it or docs/threats.md names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(
    set(re.findall(r"`((?:unit|spec|property|flow|federation|attack)/[\w/]+\.py)(?:::(\w+))?`", TEXT))
)


@cache
def functions(path):
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_named_exists(path, name):
    assert not name or name in functions(path)


def test_what_attackers_can_do_is_shown_by_tests_that_exist():
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "threats.md").read_text())
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def rows(heading):
    section = TEXT.split(heading)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_item_of_the_top_ten_names_a_test():
    found = rows("## OWASP API Security Top 10 (2023)")
    assert [row[0].split()[0] for row in found] == [f"API{number}" for number in range(1, 11)]
    assert all("`" in row[2] for row in found)


def test_every_requirement_names_a_test_or_an_item_above():
    found = rows("## OWASP ASVS 5.0, level 2")
    assert len(found) > 30
    assert all(re.match(r"\d+\.\d+\.\d+", row[0]) for row in found)
    assert all("`" in row[1] or re.search(r"\bAPI\d", row[1]) for row in found)
