"""What the sandbox's database, its roles and its two known companies are called."""

from pathlib import Path

DATABASE = "platform"
OWNER = "payment_owner"  # owns the platform's tables; nobody logs in as it
APP = "payment_api"  # the application
DEPLOYER = "deployer"  # cartctl

INTERNAL = ("avnz", "AVNZ")  # id and name of the company whose admin deploys
OUTSIDE = ("harbor-goods", "Harbor Goods")  # and of one of the others


def socket_directory(dsn: str) -> Path:
    """Where the socket of a DSN written here is."""
    return Path(dsn.partition(" ")[0].removeprefix("host="))
