"""Whoever holds connections holds up nobody else: idle, slow to ask, slow to send, slow to read."""

import resource
import select
import socket
from contextlib import ExitStack

import httpx
import pytest
from tests.flow.test_serving import make_node, serving

IDLE = 1_100
LIMITS = """
[limits]
connections_address_max = 1000
headers_ms_max = 3000
transfer_grace_ms = 1500
"""
HELD = {
    "idle": b"",
    "slow to ask": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "idle after an answer": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "slow to send": b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    data = tmp_path_factory.mktemp("held") / "node"
    url = make_node(data)
    settings = data / "salus.toml"
    settings.write_text(settings.read_text() + LIMITS)
    with serving(data):
        yield url


@pytest.fixture
def connect(url):
    """Yield a function that opens a connection; all are closed in the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * IDLE, hard), hard))
    with ExitStack() as stack:

        def open_connection(said=b""):
            port = int(url.rpartition(":")[2])
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            held.sendall(said)
            return held

        yield open_connection
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def read_to_end(held):
    """Return what comes until the node ends the connection, which it must."""
    read = b""
    try:
        while part := held.recv(65536):
            read += part
    except ConnectionResetError:
        pass
    return read


def test_health_is_answered_while_1100_connections_are_idle(url, connect):
    held = [connect() for _ in range(IDLE)]
    assert httpx.get(f"{url}/healthz", timeout=10).json()["status"] == "ok"
    assert read_to_end(held[-1]) == read_to_end(held[0]) == b""
    assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200


@pytest.mark.parametrize("name", sorted(HELD))
def test_a_connection_that_is_held_is_closed(connect, name):
    read = read_to_end(connect(HELD[name]))
    if name == "slow to send":
        assert read.startswith(b"HTTP/1.1 408")


def test_an_answer_that_is_not_read_is_given_up(connect):
    held = connect()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n"
    held.sendall(request * 400)
    reset = select.poll()
    reset.register(held, 0)
    assert reset.poll(30_000)
