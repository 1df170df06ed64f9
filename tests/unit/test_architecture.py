"""Rules of the house that neither the linter nor the type checker knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def calls_of(name, path):
    tree = ast.parse(path.read_text())
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) == name or getattr(node.func, "attr", None) == name)
    ]


def test_only_the_gate_makes_a_grant():
    makers = {path.relative_to(ROOT / "src").as_posix() for path in SOURCES if calls_of("Grant", path)}
    assert makers <= {"salus/trust/gate.py"}


def takes_a_grant_first(function):
    arguments = function.args.posonlyargs + function.args.args
    return bool(arguments) and ast.unparse(arguments[0].annotation or ast.Constant("")) == "Grant"


PERSONAL = ("resources", "documents", "quarantine", "search", "bulk", "transaction", "persons")


@pytest.mark.parametrize("name", PERSONAL)
def test_a_store_function_that_reads_or_writes_personal_data_takes_a_grant_first(name):
    path = ROOT / "src" / "salus" / "store" / f"{name}.py"
    if not path.exists():
        pytest.skip(f"store/{name}.py does not exist yet")
    functions = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    without = [function.name for function in functions if not takes_a_grant_first(function)]
    assert without == []


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    ).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_path_of_a_machine_and_no_package_index_in_the_repository():
    forbidden = re.compile(
        "|".join(["/wo" + "rk/", "pypi" + r"\.org", "pythonhosted" + r"\.org", "npm" + r"js\.org"])
    )
    found = []
    for path in tracked():
        body = path.read_bytes()
        if b"\0" not in body[:4096] and forbidden.search(body.decode("utf-8", "replace")):
            found.append(path.relative_to(ROOT).as_posix())
    assert found == []


def test_no_module_is_called_after_nothing():
    empty_names = {"utils", "helpers", "common", "misc", "base", "manager"}
    assert [path.name for path in SOURCES if path.stem in empty_names] == []


def test_packages_hold_no_code_but_a_docstring():
    registries = []
    for path in SOURCES:
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            if any(not isinstance(node, ast.Expr) for node in body):
                registries.append(path.relative_to(ROOT / "src").as_posix())
    assert registries == []
