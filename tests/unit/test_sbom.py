"""The bill of materials (`make sbom`): every locked package with its hashes, and the same bytes each time."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def recipe():
    """Return the words of the Makefile's command, without what runs it and where it writes."""
    command = re.search(r"^sbom:.*\n\t\$\(BIN\)/python (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return command[1].split()


def written(path):
    words = [str(path) if word == "sbom.cdx.json" else word for word in recipe()]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    return path.read_bytes()


def test_the_bill_names_every_locked_package_and_is_reproducible(tmp_path):
    bill = written(tmp_path / "one.json")
    assert written(tmp_path / "two.json") == bill
    found = json.loads(bill)
    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["component"]["name"] == "salus"
    locked = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {(part["name"], part["version"]) for part in found["components"]} == set(locked)
    assert all(each["hashes"] for part in found["components"] for each in part.get("externalReferences", []))
