"""The command line as a whole."""

import subprocess
import sys

SALUS = [sys.executable, "-m", "salus.cli.main"]


def test_a_reader_that_has_enough_is_no_failure_worth_a_word():
    command = [*SALUS, "synth", "--country", "PT", "--persons", "1000", "--seed", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        complaint = process.stderr.read()
    assert complaint == b""
    assert process.returncode == 141


def test_help_loads_no_part_of_a_node():
    watched = "import sys; from salus.cli.main import parser; parser('').format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith(("salus.node", "salus.web", "salus.store"))] == []
    assert [name for name in loaded if name in ("asyncpg", "granian", "cryptography", "rich", "httpx")] == []
