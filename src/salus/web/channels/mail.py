"""Mail, handed to the operator's server over TLS (RFC 6409, RFC 8314)."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from salus.core.errors import InvalidSearch, PeerUnavailable
from salus.trust.mail import Mail, check_address, password_of
from salus.web.channel import Channel, Message
from salus.web.services import Services

ANSWER_SECONDS = 10.0


def _check(services: Services, address: str) -> str:
    if services.mail is None:
        raise InvalidSearch("This node sends no mail; choose another channel.")
    return check_address(address)


async def _send(services: Services, message: Message) -> None:
    mail = services.mail
    assert mail is not None, "a channel that is not offered has nothing to send"
    written = EmailMessage()
    written["From"] = mail.sender
    written["To"] = message.address
    written["Subject"] = message.subject
    written["Date"] = format_datetime(services.clock())
    written["Message-ID"] = make_msgid(domain=mail.sender.rpartition("@")[2])
    written["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer from an absence note
    written.set_content(message.body)
    password = password_of(mail, services.data) if mail.user else ""
    try:
        await asyncio.to_thread(_hand_in, mail, password, _context(services, mail), written)
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()))[0]
        raise PeerUnavailable(f"The mail server refused the address ({code}).") from error
    except smtplib.SMTPResponseException as error:
        raise PeerUnavailable(f"The mail server refused the message ({error.smtp_code}).") from error
    except (OSError, smtplib.SMTPException) as error:
        raise PeerUnavailable(f"The mail server was not reached ({type(error).__name__}).") from error


def _context(services: Services, mail: Mail) -> ssl.SSLContext:
    authorities = services.data / mail.authorities_file if mail.authorities_file else None
    return ssl.create_default_context(cafile=authorities)


def _hand_in(mail: Mail, password: str, context: ssl.SSLContext, written: EmailMessage) -> None:
    with _connect(mail, context) as server:
        if mail.user:
            server.login(mail.user, password)
        server.send_message(written)


def _connect(mail: Mail, context: ssl.SSLContext) -> smtplib.SMTP:
    if mail.tls == "implicit":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=ANSWER_SECONDS, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=ANSWER_SECONDS)
    try:
        server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


CHANNEL = Channel("mail", lambda services: services.mail is not None, _check, _send)
