"""The guard of an attacked node: whatever leads out of the machine is refused and written down."""

import subprocess
import sys
from pathlib import Path

import pytest
from conformance.scoreboard.attacks.guard import is_outside

HOUSE = Path(__file__).resolve().parents[3]
WATCHED = """
import asyncio, socket, sys, uvloop
from pathlib import Path
from conformance.scoreboard.attacks.guard import watch

async def reach():
    loop = asyncio.get_running_loop()
    for way in (
        loop.getaddrinfo("lookup.example", 80),
        loop.create_connection(asyncio.Protocol, "connect.example", 80),
        loop.create_connection(asyncio.Protocol, host="192.0.2.1", port=80),
    ):
        try:
            await way
        except OSError:
            pass
    await loop.getaddrinfo("127.0.0.1", 80)

watch(Path(sys.argv[1]))
uvloop.run(reach())
for way in (socket.gethostbyname, lambda host: socket.create_connection((host, 80))):
    try:
        way("plain.example")
    except OSError:
        pass
"""


def test_every_way_out_is_refused_and_written_down(tmp_path):
    record = tmp_path / "outside.txt"
    subprocess.run([sys.executable, "-c", WATCHED, str(record)], cwd=HOUSE, check=True)
    found = record.read_text().splitlines()
    assert found == ["'lookup.example'", "'connect.example'", "'192.0.2.1'", *["'plain.example'"] * 2]


@pytest.mark.parametrize(
    ("host", "outside"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("/run/postgresql", False),
        (None, False),
        ("169.254.169.254", True),
        ("10.0.0.1", True),
        (b"evil.example", True),
        ("localhost.evil.example", True),
        ("0x7f000001", True),
    ],
)
def test_what_is_outside(host, outside):
    assert is_outside(host) is outside
