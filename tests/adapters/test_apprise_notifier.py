"""Notifiers of other services, against a real mail server and a real HTTP receiver, as apprise talks to them."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cartctl.adapters.notifiers.services import AppriseNotifier, new_notifier
from cartctl.adapters.notifiers.webhook import NotAccepted, Webhook
from cartctl.errors import ConfigError
from cartctl.redaction import redact
from tests.kubernetes.plane import free_ports
from tests.web import Reply, serve


class Mailbox:
    """Takes mail; refuses the recipient while `refusing`."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.refusing = 0

    async def handle_RCPT(  # noqa: N802 - the server's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        if self.refusing > 0:
            self.refusing -= 1
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail."""
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[str, Mailbox]]:
    """The apprise address of a mail server, and its mailbox."""
    mailbox = Mailbox()
    [port] = free_ports(1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield f"mailto://127.0.0.1:{port}/?from=cartctl@example.org&to=ops@example.org&mode=insecure", mailbox
    controller.stop()


def text_of(mail: Message) -> str:
    """The plain text of a mail."""
    part: Any = next(part for part in mail.walk() if part.get_content_type().startswith("text/"))
    return str(part.get_payload(decode=True), "utf-8")


def test_a_mail_arrives(mail: tuple[str, Mailbox]) -> None:
    """With recipient, subject and text; the notifier's name holds no part of the address."""
    url, mailbox = mail
    notifier = new_notifier(url)
    notifier.post("cartctl: run r1 in production: succeeded.\nNext: cartctl smoke")
    [received] = mailbox.mails
    assert (received["To"], received["Subject"]) == ("ops@example.org", "cartctl")
    assert "run r1 in production: succeeded." in text_of(received)
    assert (notifier.name, repr(notifier)) == ("E-Mail", "AppriseNotifier('E-Mail')")
    assert url not in redact(f"posted to {url}")


def test_a_refused_mail_is_tried_again_and_then_named(mail: tuple[str, Mailbox]) -> None:
    """A passing refusal is retried after a pause; a lasting one ends with its reason."""
    url, mailbox = mail
    pauses: list[float] = []
    mailbox.refusing = 1
    AppriseNotifier(url).post("again", pauses.append)
    assert (len(mailbox.mails), pauses) == (1, [1.0])
    mailbox.refusing = 9
    with pytest.raises(NotAccepted, match=r"E-Mail did not accept the message: .* after 3 attempts"):
        AppriseNotifier(url).post("never", pauses.append)
    assert pauses == [1.0, 1.0, 3.0]


def test_a_server_that_does_not_listen_is_a_reason_without_the_address() -> None:
    """And no exception of the package."""
    with pytest.raises(NotAccepted) as refused:
        AppriseNotifier(
            "mailto://user:hunter2hunter2@127.0.0.1:1/?from=c@b.example&to=a@b.example&mode=insecure"
        ).post("x", lambda _: None)
    assert "hunter2" not in f"{refused.value.message} {refused.value.reason}"


def test_other_services_are_reached_over_http() -> None:
    """Apprise's JSON service, for all that post JSON."""
    with serve(lambda _: Reply("ok")) as web:
        new_notifier(web.url.replace("http://", "json://") + "/hook").post("hello")
    assert web.requests[0].path == "/hook"
    assert json.loads(web.requests[0].body)["message"] == "hello"


def test_plain_webhooks_stay_with_our_own_client() -> None:
    """By their scheme, in any case."""
    assert isinstance(new_notifier("https://hooks.example/x"), Webhook)
    assert isinstance(new_notifier("HTTP://hooks.example/x"), Webhook)


@pytest.mark.parametrize(
    ("url", "message"),
    (
        ("nosuch://x", "unknown scheme: nosuch://"),
        ("slack://x", "slack:// address is incomplete or malformed"),
        ("pagerduty://", "pagerduty:// address is incomplete or malformed"),
        ("hunter2hunter2", "invalid URL"),
        ("\x1b[2J://x", "unknown scheme"),
    ),
)
def test_an_address_that_cannot_work_is_named(url: str, message: str) -> None:
    """With exit code 2; nothing but the scheme is shown."""
    with pytest.raises(ConfigError, match=message) as wrong:
        new_notifier(url)
    assert wrong.value.exit_code == 2
    assert "hunter2" not in wrong.value.message
