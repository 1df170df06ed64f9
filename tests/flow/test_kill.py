"""kill -9 in the middle of transactions: what was acknowledged is there, and nothing is there by half."""

import asyncio
import http.client
import itertools
import json
import multiprocessing
import socket
import subprocess
import sys
import threading

import pytest
from tests.flow.opened import opened

from salus.cli.main import main
from salus.core.access import Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.node import load_node_keys, terms_of
from salus.settings import read_settings
from salus.store.ledger import decode_entry
from salus.store.sealing import Seal
from salus.trust import tokens

SALUS = [sys.executable, "-m", "salus.cli.main"]
ROUNDS = 20
ENTRIES = 20
CLIENTS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bundle(number):
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:bundle", "value": str(number)}]}
    entry = {"resource": patient, "request": {"method": "POST", "url": "Patient"}}
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry] * ENTRIES}).encode()


class Sender(threading.Thread):
    """Posts one transaction after another until the node is gone; keeps the numbers of those acknowledged."""

    def __init__(self, port, token, numbers, wanted):
        super().__init__()
        self.port, self.token, self.numbers, self.wanted = port, token, numbers, wanted
        self.acknowledged = []
        self.enough = threading.Event()

    def run(self):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            while True:
                number = next(self.numbers)
                connection.request("POST", "/fhir/", body=bundle(number), headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    self.acknowledged.append(number)
                if len(self.acknowledged) >= self.wanted:
                    self.enough.set()
        except (OSError, http.client.HTTPException):
            self.enough.set()


class Reader(Sender):
    """Searches again and again until the node is gone; keeps how many answers it got."""

    def run(self):
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            while True:
                connection.request(
                    "GET", f"/fhir/Patient?identifier=urn:x|{next(self.numbers)}", headers=headers
                )
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    self.acknowledged.append(answer.status)
                if len(self.acknowledged) >= self.wanted:
                    self.enough.set()
        except (OSError, http.client.HTTPException):
            self.enough.set()


@pytest.fixture
def node(tmp_path, database_url):
    data, port = tmp_path / "data", free_port()
    words = ["node", "init", "--data", data, "--country", "EE", "--name", "Estonia", "--port", port]
    made = subprocess.run([*SALUS, *map(str, words)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    settings = data / "salus.toml"
    settings.write_text(f"database = {json.dumps(database_url)}\n" + settings.read_text())
    return data, port


def reachable(port):
    """Return once somebody listens; a process that serves takes a moment to."""
    for _ in range(3_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    raise AssertionError("the node does not listen")


def round_of(forks, data, port, token, numbers, wanted, sender=Sender):
    """Serve, let the clients post, kill -9 in the middle; return the numbers acknowledged."""
    process = forks.Process(target=main, args=(["serve", "--data", str(data)],))
    process.start()
    reachable(port)
    senders = [sender(port, token, numbers, wanted) for _ in range(CLIENTS)]
    for sender in senders:
        sender.start()
    senders[0].enough.wait(60)
    process.kill()
    process.join(60)
    for sender in senders:
        sender.join(60)
    return [number for sender in senders for number in sender.acknowledged]


async def test_a_killed_node_keeps_what_it_acknowledged_and_no_half_transaction(node, database_url):
    data, port = node
    keys, terms = load_node_keys(data), terms_of(read_settings(data))
    caller = Caller("s", "Test", Role.OPERATOR, "o", terms.issuer, Purpose.OPERATIONS)
    token = tokens.issue(keys.token, caller, terms, now=utc_now())
    numbers = itertools.count()
    acknowledged = []
    forks = multiprocessing.get_context("forkserver")  # 20 starts, one import
    forks.set_forkserver_preload(["salus.cli.main", "salus.cli.serve"])
    for turn in range(ROUNDS):
        acknowledged += round_of(forks, data, port, token, numbers, wanted=1 + turn % 4)
    async with opened(data) as connection:
        rows = await connection.fetch("SELECT content FROM resource")
        leaves = await connection.fetchval("SELECT count(DISTINCT patient) FROM leaf WHERE patient <> ''")
    counts = {}
    for row in rows:
        number = int(json.loads(row["content"])["identifier"][0]["value"])
        counts[number] = counts.get(number, 0) + 1
    assert len(acknowledged) >= ROUNDS
    assert set(counts.values()) == {ENTRIES}
    assert set(acknowledged) <= set(counts)
    assert leaves == len(rows)


async def test_a_killed_node_keeps_the_leaf_of_each_read_that_it_answered(node, database_url):
    data, port = node
    keys, terms = load_node_keys(data), terms_of(read_settings(data))
    caller = Caller("s", "Test", Role.OPERATOR, "o", terms.issuer, Purpose.OPERATIONS)
    token = tokens.issue(keys.token, caller, terms, now=utc_now())
    numbers, acknowledged = itertools.count(), []
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["salus.cli.main", "salus.cli.serve"])
    for turn in range(4):
        acknowledged += round_of(forks, data, port, token, numbers, 5 + turn * 7, Reader)
    looked = await asyncio.to_thread(main, ["ledger", "status", "--data", str(data)])
    assert looked == 0
    async with opened(data) as connection:
        rows = await connection.fetch("SELECT entry FROM leaf")
    seal = Seal(*keys.audit)
    leaves = [decode_entry(seal.open(row["entry"])) for row in rows]
    searches = [leaf.request for leaf in leaves if leaf.action == "search"]
    assert len(acknowledged) >= 4 * 5
    assert len(acknowledged) <= len(searches) <= len(acknowledged) + 4 * CLIENTS
    assert len(searches) == len(set(searches))
