"""One line per event, on standard error, which the supervisor puts into the replica's log file."""

import sys
from datetime import UTC, datetime


def log(level: str, message: str, **fields: object) -> None:
    """Write `time LEVEL message key=value …`. Never a token, never a body."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    detail = "".join(f" {key}={value}" for key, value in fields.items())
    sys.stderr.write(f"{at} {level} {message}{detail}".replace("\n", " ") + "\n")


def complain(message: str) -> None:
    """Log an error."""
    log("ERROR", message)
