"""An admin sends a recovery mail from a page: it goes out once, and every page says so."""

import re
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from tests.sandbox.browsing import Browser
from tests.sandbox.shop_fixture import set_clock

CART = """
INSERT INTO carts (id, "companyId", "customerId", status, "itemCount", subtotal, "grandTotal", "createdAt", "lastActivityAt", "abandonedAt", "updatedAt")
VALUES ('left', 'avnz', 'avnz-ada', 'ABANDONED', 1, 40, 40, now() - interval '5 hours', now() - interval '4 hours', now() - interval '3 hours', now())
"""
SENT = 'SELECT "recoveryEmailSent", "recoveryEmailSentAt", status::text, version FROM carts'


def admin_of(url: str) -> Browser:
    """An admin who has signed in with the form."""
    admin = Browser(url)
    admin.open("/sign-in")
    admin.submit("/sign-in", token="token-avnz")
    return admin


def row(migrated: Postgres) -> tuple[object, ...]:
    """What the cart's row says of its mail."""
    with migrated.session("test") as connection:
        [known] = connection.execute(SENT.encode()).fetchall()
    return tuple(known)


def mails(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The keys of the mails that went out since this was last called: the service's log stands for its mailer."""
    return re.findall(r"INFO recovery mail (.*)", capsys.readouterr().err)


@pytest.mark.parametrize("start", ("/carts/abandoned", "/carts/left"))
def test_a_mail_is_sent_once(
    url: str, directory: Path, migrated: Postgres, capsys: pytest.CaptureFixture[str], start: str
) -> None:
    """One mail with its key; the list and the cart show when; a second attempt is refused and changes nothing."""
    with migrated.session("test") as connection:
        connection.execute(CART.encode())
        [(at,)] = connection.execute('SELECT "abandonedAt" FROM carts').fetchall()
    admin = admin_of(url)
    assert "E-mail due" in admin.open("/carts/abandoned").body
    assert "Recovery e-mail sent" not in admin.open("/carts/left").body
    admin.open(start)
    fields = admin.fields("/recovery")
    admin.submit("/recovery")
    assert "The recovery e-mail has been sent." in admin.body
    assert mails(capsys) == [
        f"cart=left company=avnz abandonedAt={at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "000+00:00"
    ]
    sent, sent_at, status, _ = row(migrated)
    assert (sent, sent_at is not None, status) == (True, True, "ABANDONED")
    for path in ("/carts/abandoned", "/carts/left"):
        body = admin.open(path).body
        assert "/recovery" not in body.replace("/recovery/", ""), path
        assert re.search(r">(E-mail sent|Recovery e-mail sent)<", body), path
        assert re.search(rf'<time datetime="{sent_at:%Y-%m-%dT%H:%M:%S}Z" data-relative', body), path
    before = row(migrated)
    again = admin.post("/carts/left/recovery", **fields)
    assert (again.status, "No e-mail was sent" in again.body, "sent already" in again.body) == (
        409,
        True,
        True,
    )
    assert (row(migrated), mails(capsys)) == (before, [])


def test_a_cart_that_is_not_due_gets_none(
    url: str, directory: Path, migrated: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """After 72 hours there is no button, and sending is refused."""
    with migrated.session("test") as connection:
        connection.execute(CART.encode())
    admin = admin_of(url)
    admin.open("/carts/abandoned")
    fields = admin.fields("/recovery")
    set_clock(directory, 72)
    assert "Not due" in admin.open("/carts/abandoned").body
    before = row(migrated)
    refused = admin.post("/carts/left/recovery", **fields)
    assert (refused.status, "not due for one" in refused.body) == (409, True)
    assert (row(migrated), mails(capsys)) == (before, [])
