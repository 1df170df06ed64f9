"""The shipped tables are what the tool derives from the pinned package."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT.parent / "shared/fhir-packages/hl7.fhir.r4.core-4.0.1.tgz"
TABLES = ROOT / "src/salus/standards/fhir/tables"


@pytest.mark.skipif(not PACKAGE.exists(), reason="needs ../shared (fhir-packages)")
def test_a_second_run_of_the_tool_writes_the_shipped_bytes(tmp_path):
    command = [sys.executable, "-m", "tools.r4_tables", "--package", str(PACKAGE), "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in TABLES.glob("*.json")}


def test_another_package_is_refused(tmp_path):
    other = tmp_path / "other.tgz"
    other.write_bytes(b"other")
    command = [sys.executable, "-m", "tools.r4_tables", "--package", str(other), "--out", str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "SHA-256" in answer.stderr
