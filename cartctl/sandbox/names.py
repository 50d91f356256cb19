"""Names of the sandbox's database, its roles and its two known companies."""

from pathlib import Path

DATABASE = "platform"
OWNER = "payment_owner"  # owns the platform's tables; has no login
APP = "payment_api"  # the application
DEPLOYER = "deployer"  # cartctl

INTERNAL = ("avnz", "AVNZ")  # id and name of the company whose admin deploys
OUTSIDE = ("harbor-goods", "Harbor Goods")  # and of another company


def socket_directory(dsn: str) -> Path:
    """The socket directory of a DSN that was written here."""
    return Path(dsn.partition(" ")[0].removeprefix("host="))
