"""A small mail server for tests (RFC 5321): TLS from the first byte or by STARTTLS, its own certificate."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Server:
    """What it took, as (receiver, message), and how it answers the next receivers."""

    def __init__(self, folder, *, starttls=False):
        self.taken, self.answers = [], []
        self.authorities, self.starttls = folder / "mail-ca.pem", starttls
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(_certificate(self.authorities), folder / "mail.key")

    async def __aenter__(self):
        tls = None if self.starttls else self.context
        self.server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def _talk(self, reader, writer):
        receiver = ""

        async def say(line):
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 test")
        while line := await reader.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if word.upper() == "EHLO":
                await say("250-test")
                await say("250 STARTTLS" if self.starttls else "250 8BITMIME")
            elif word.upper() == "STARTTLS":
                await say("220 go on")
                await writer.start_tls(self.context)
            elif word.upper() == "RCPT":
                receiver = rest[rest.index("<") + 1 : rest.index(">")]
                await say(self.answers.pop(0) if self.answers else "250 ok")
            elif word.upper() == "DATA":
                await say("354 go on")
                body = await reader.readuntil(b"\r\n.\r\n")
                self.taken.append((receiver, body.decode()))
                await say("250 taken")
            elif word.upper() == "QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()


def _certificate(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test mail")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file = path.with_name("mail.key")
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path
