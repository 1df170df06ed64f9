"""A node from its folder to its end: made once, served, stopped, and no process left behind."""

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

SALUS = [sys.executable, "-m", "salus.cli.main"]


def salus(*words, **options):
    return subprocess.run([*SALUS, *map(str, words)], capture_output=True, text=True, check=False, **options)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_node(data, **extra):
    port = free_port()
    made = salus(
        "node", "init", "--data", data, "--country", "PT", "--name", "Portugal", "--port", port, "--demo"
    )
    assert made.returncode == 0, made.stderr
    if extra:
        lines = [f"{name} = {value}" for name, value in extra.items()]
        settings = data / "salus.toml"
        settings.write_text(settings.read_text() + "\n".join(lines) + "\n")
    return f"http://127.0.0.1:{port}"


@contextmanager
def serving(data, code=0):
    with subprocess.Popen(
        [*SALUS, "serve", "--stop-with-input", "--data", str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert "listens" in process.stdout.readline()
        yield process
        process.stdin.close()
        assert process.wait(30) == code


def processes_of(data):
    """Return the command lines of the running processes that name the folder, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if any(str(data).encode() in word for word in words):
            found[int(entry.name)] = b" ".join(words).decode()
    return found


def wait_for_end(pid):
    """Return when the process, which need not be a child, has ended."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        select.select([handle], [], [], 30)
        os.close(handle)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "node"
    yield folder
    assert processes_of(folder) == {}


def test_a_node_is_made_once_and_keeps_its_keys(data):
    make_node(data)
    keys = {path.name: path.read_bytes() for path in (data / "keys").iterdir()}
    again = salus("node", "init", "--data", data, "--country", "EE", "--name", "Other", "--port", 1234)
    assert again.returncode == 1
    assert "holds a node already" in again.stderr
    assert {path.name: path.read_bytes() for path in (data / "keys").iterdir()} == keys
    assert all(path.stat().st_mode & 0o077 == 0 for path in (data / "keys").iterdir())


def test_a_wrong_wish_makes_no_node(data):
    made = salus("node", "init", "--data", data, "--country", "Portugal", "--name", "x", "--port", 80)
    assert made.returncode == 1
    assert "country: " in made.stderr
    assert "two capital letters" in made.stderr
    assert not data.exists()


def test_a_folder_without_a_node_says_how_to_make_one(data):
    served = salus("serve", "--data", data)
    assert served.returncode == 1
    assert "salus node init" in served.stderr


@pytest.mark.parametrize("end", ["SIGTERM", "SIGINT", "end of input"])
def test_a_served_node_answers_and_stops_with_its_database(data, end):
    url = make_node(data)
    with serving(data) as process:
        assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
        assert any("postgres" in line for line in processes_of(data).values())
        if end != "end of input":
            process.send_signal(getattr(signal, end))
            assert process.wait(30) == 0


def test_workers_share_the_port_and_all_stop(data):
    url = make_node(data, workers=2)
    with serving(data):
        assert len([line for line in processes_of(data).values() if "--worker" in line]) == 2
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_killed_supervisor_takes_its_workers_and_their_database_along(data):
    make_node(data, workers=2)
    with serving(data, code=-signal.SIGKILL) as process:
        workers = [pid for pid, line in processes_of(data).items() if "--worker" in line]
        process.kill()
        for pid in workers:
            wait_for_end(pid)


def test_a_killed_node_starts_again_and_then_stops_its_database(data):
    url = make_node(data)
    with serving(data, code=-signal.SIGKILL) as process:
        process.kill()
    assert any("postgres" in line for line in processes_of(data).values())
    with serving(data):
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_port_that_is_taken_is_refused(data, tmp_path):
    url = make_node(data)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        taken.listen()
        served = salus("serve", "--data", data)
    assert served.returncode == 1
    assert "cannot listen at" in served.stderr


def test_a_command_uses_the_running_database_and_leaves_it_running(data):
    url = make_node(data)
    with serving(data):
        beside = salus("status", "--json", "--data", data)
        assert beside.returncode == 0, beside.stderr
        assert '"answers": true' in beside.stdout
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_two_commands_at_once_on_a_stopped_node_both_succeed(data):
    make_node(data)
    commands = [
        subprocess.Popen(
            [*SALUS, "status", "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    ended = [(command.communicate(timeout=60), command.returncode) for command in commands]
    assert [code for _, code in ended] == [0, 0], ended


def test_the_environment_names_the_folder(data):
    make_node(data)
    told = salus("token", "--role", "clinician", env={**os.environ, "SALUS_DATA": str(data)})
    assert told.returncode == 0
    assert told.stdout.count(".") == 2


def test_only_a_demonstration_node_gives_test_logins(data):
    make_node(data)
    settings = data / "salus.toml"
    settings.write_text(settings.read_text().replace("demo = true", "demo = false"))
    refused = salus("token", "--role", "clinician", "--data", data)
    assert refused.returncode == 1
    assert "no test logins" in refused.stderr
