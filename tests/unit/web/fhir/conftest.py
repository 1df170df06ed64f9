"""A FHIR face on a fresh database, called in process, with real tokens and a real gate."""

import json
from pathlib import Path

import asyncpg
import httpx
import pytest
from joserfc.jwk import ECKey, OKPKey

from salus.core.access import Purpose, Role
from salus.core.clock import utc_now
from salus.core.identifiers import new_id
from salus.core.limits import Limits
from salus.federation.membership import Membership
from salus.store.journal import open_journal
from salus.store.postgres import open_database
from salus.store.tallies import Tallies
from salus.trust import tokens
from salus.trust.gate import Gatehouse
from salus.trust.identity import Doorkeeper
from salus.trust.keys import NodeKeys
from salus.trust.tokens import TokenTerms
from salus.web.application import assemble
from salus.web.fhir.face import face
from salus.web.services import Services

ADDRESS = "https://node.test"
JSON = {"content-type": "application/fhir+json"}


class Door:
    """Sends requests as a caller of a role."""

    def __init__(self, client, services, caller):
        self.client = client
        self.services = services
        self.make_caller = caller

    def token(self, role=Role.CLINICIAN, **fields):
        caller = self.make_caller(role, **fields)
        return tokens.issue(self.services.keys.token, caller, self.services.terms, now=self.services.clock())

    async def __call__(self, method, path, body=None, *, role=Role.CLINICIAN, headers=None, **fields):
        sent = {"authorization": f"Bearer {self.token(role, **fields)}", **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None and "content-type" not in {name.lower() for name in sent}:
            sent |= JSON
        return await self.client.request(method, f"{ADDRESS}/fhir{path}", content=body, headers=sent)

    async def citizen(self, method, path, body=None, *, patient, **more):
        return await self(method, path, body, role=Role.CITIZEN, patient=patient, subject=patient, **more)

    async def operator(self, method, path, body=None, **more):
        return await self(method, path, body, role=Role.OPERATOR, purpose=Purpose.OPERATIONS, **more)


async def resolve(host, _port):
    """Stand for the name service: every name has one public address."""
    return [host if host[:1].isdigit() else "93.184.215.14"]


def make_services(database, journal, clock, **changes):
    keys = NodeKeys(
        ECKey.generate_key("P-384", auto_kid=True),
        ECKey.generate_key("P-256", auto_kid=True),
        OKPKey.generate_key("Ed25519", auto_kid=True),
        b"k" * 32,
        b"p" * 32,
        (b"a" * 32,),
    )
    terms = TokenTerms(ADDRESS, 300, 60)
    values = {
        "node": "test-1",
        "name": "Test node",
        "country": "EE",
        "base_url": ADDRESS,
        "own_addresses": (),
        "languages": ("en",),
        "demo": False,
        "referential_integrity": False,
        "subscription_targets": (),
        "private_hosts": (),
        "resolve": resolve,
        "limits": Limits(),
        "clock": clock,
        "database": database,
        "gatehouse": Gatehouse(journal, clock),
        "journal": journal,
        "doorkeeper": Doorkeeper(keys.token, terms, clock, {}),
        "terms": terms,
        "keys": keys,
        "membership": Membership(Path("nowhere")),
        "data": Path("nowhere"),
        "tallies": Tallies(),
        "systems": {},
    }
    values = dict.fromkeys(Services.__struct_fields__) | values | changes
    return Services(**values)


@pytest.fixture
async def open_door(database, caller):
    """Yield a maker of doors, `open_door(faces=(mhd.face, face), referential_integrity=True)`."""
    async with open_journal(database) as journal, httpx.AsyncClient() as outside:
        clients = []

        def make(faces=(face,), **changes):
            of_the_test = {"database": database, "journal": journal, "clock": utc_now, "client": outside}
            services = make_services(**(of_the_test | changes))
            application = assemble([one(services) for one in faces], limits=services.limits, secure=True)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=application))
            clients.append(client)
            return Door(client, services, caller)

        yield make
        for client in clients:
            await client.aclose()


@pytest.fixture
async def absent(server):
    """Yield the empty database of a second node."""
    name = f"absent_{new_id()}"
    outside = await asyncpg.connect(server)
    await outside.execute(f"CREATE DATABASE {name} TEMPLATE salus_template STRATEGY file_copy")
    async with open_database(server.replace("/postgres?", f"/{name}?"), migrated=False) as database:
        yield database
    await outside.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await outside.close()


@pytest.fixture
async def door(open_door):
    """Yield the door of a node with default settings."""
    return open_door()


@pytest.fixture
async def leaves(database):
    """Return a reader of the audit: (patient, action, what, resources, outcome) in order of arrival."""
    from salus.store.ledger import decode_entry

    async def read():
        async with database.system() as connection:
            rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
        found = [decode_entry(bytes(row["entry"])) for row in rows]
        return [(leaf.patient, leaf.action, leaf.what, leaf.resources, leaf.outcome) for leaf in found]

    return read
