"""Who goes when connections are too many, and who reads too slowly; what the kernel tells of them."""

import socket
from contextlib import suppress

import pytest

from salus.core.limits import Limits
from salus.web.connections import (
    Connection,
    Stage,
    address_of,
    excess,
    open_connections,
    shut,
    slow,
)

LIMITS = Limits(
    connections_max=8, connections_address_max=3, transfer_grace_ms=2_000, transfer_bytes_per_second_min=100
)


def connection(host="192.0.2.1", port=1, *, silent_ms=0, acked=0, owed=False):
    return Connection(port, (host, str(port)), silent_ms, acked, owed)


def test_an_address_keeps_its_connections_that_ask_and_those_that_asked_last():
    held = [connection(port=port, silent_ms=100 * port) for port in range(1, 6)]
    gone = excess(held, {held[4].peer: Stage.BODY_ANONYMOUS}, LIMITS)
    assert {each.file for each in gone} == {3, 4}


@pytest.mark.parametrize(
    ("stage", "files"), [(Stage.BODY_ANONYMOUS, {4, 5}), (Stage.BODY, {4, 5}), (Stage.ANSWERED, {1, 2})]
)
def test_of_one_stage_the_silent_go_and_of_those_who_wait_for_an_answer_the_last(stage, files):
    held = [connection(port=port, silent_ms=100 * port) for port in range(1, 6)]
    gone = excess(held, {each.peer: stage for each in held}, LIMITS)
    assert {each.file for each in gone} == files


def test_who_waits_for_an_answer_is_kept_before_bodies_with_a_token_and_these_before_others():
    waits, known = connection(port=1, silent_ms=9_000), connection(port=2, silent_ms=6_000)
    strangers = [connection(port=port) for port in range(3, 9)]
    stages = {waits.peer: Stage.ANSWERED, known.peer: Stage.BODY}
    gone = excess(
        [*strangers, known, waits], stages | {each.peer: Stage.BODY_ANONYMOUS for each in strangers}, LIMITS
    )
    assert len(gone) == len(strangers) - 1
    assert not {waits, known} & {*gone}


def test_all_together_leave_a_quarter_of_the_places_free():
    held = [connection(f"192.0.2.{port}", port, silent_ms=port) for port in range(1, 9)]
    assert {each.file for each in excess(held, {}, LIMITS)} == {7, 8}
    assert excess(held[:6], {}, LIMITS) == []


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(host, address):
    assert address_of((host, "1")) == address


def test_who_reads_nothing_has_the_grace_and_who_reads_has_longer():
    stuck, reading = connection(port=1, owed=True), connection(port=2, owed=True)
    late, debts = slow([stuck, reading], {}, LIMITS, now=10.0)
    assert late == []
    reading = connection(port=2, acked=150, owed=True)
    late, debts = slow([stuck, reading], debts, LIMITS, now=13.0)
    assert late == [stuck]
    late, debts = slow([reading], debts, LIMITS, now=13.6)
    assert late == [reading]


def test_who_has_read_everything_begins_anew():
    late, debts = slow([connection(owed=True)], {}, LIMITS, now=0.0)
    late, debts = slow([connection(acked=50)], debts, LIMITS, now=1.0)
    late, debts = slow([connection(acked=50, owed=True)], debts, LIMITS, now=3.0)
    assert late == []


def test_the_kernel_tells_what_is_owed_and_a_connection_is_shut_from_outside():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, peer = server.accept()
            with accepted:
                (found,) = open_connections(port)
                assert (found.file, found.peer) == (accepted.fileno(), (peer[0], str(peer[1])))
                assert not found.owed
                accepted.setblocking(False)
                with suppress(BlockingIOError):
                    while accepted.send(b"x" * 100_000):
                        pass
                assert open_connections(port)[0].owed
                shut(Connection(found.file, ("192.0.2.1", "1"), 0, 0, owed=False), port)
                assert open_connections(port)
                shut(found, port)
                client.settimeout(20)
                while client.recv(1_000_000):
                    pass
