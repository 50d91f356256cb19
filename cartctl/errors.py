"""The errors of cartctl, with their exit codes.

An error says what happened (`message`) and what to do about it (`hint`); its class sets the exit code.

| code | meaning |
|---|---|
| 0 | success |
| 1 | unexpected error: a bug |
| 2 | invalid command line or configuration |
| 3 | refused by a guard; nothing changed |
| 4 | failed; all changes were reverted |
| 5 | failed; an operator must act, the next command is printed |
| 6 | inconclusive: could not measure |
| 7 | a check failed |
| 8 | another run holds the lock |
| 129 | terminated by SIGHUP: the terminal was closed |
| 130 | interrupted: Ctrl-C, or a stop request of a rollback |
| 143 | terminated by SIGTERM |
"""

from collections.abc import Mapping
from typing import Any, ClassVar

QUOTED = 500  # characters of an unexpected exception's own text


class CartctlError(Exception):
    """An error with a message, a hint and an exit code; the base class itself is an unexpected error: a bug."""

    code: ClassVar[str] = "bug"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", evidence: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence: Mapping[str, Any] = evidence or {}  # JSON that the journal records with the failure


class UsageError(CartctlError):
    """An invalid option, argument or value on the command line."""

    code = "usage"
    exit_code = 2


class ConfigError(CartctlError):
    """An invalid or missing value in the configuration, or a system it names that is unreachable."""

    code = "config"
    exit_code = 2


class Refused(CartctlError):
    """A guard refused the command; nothing was changed."""

    code = "refused"
    exit_code = 3


class StepFailed(CartctlError):
    """A step failed; the run rolls back (exit 4) or an operator must act (exit 5)."""

    code = "failed"
    exit_code = 5


class RolledBack(CartctlError):
    """The run failed and all its changes were reverted."""

    code = "rolled_back"
    exit_code = 4


class OperatorNeeded(CartctlError):
    """The run failed and an operator must act; the hint is the next command."""

    code = "operator_needed"
    exit_code = 5


class LockLost(OperatorNeeded):
    """The run no longer holds its lock; another run may have started."""

    code = "lock_lost"


class LockUnknown(LockLost):
    """It cannot be determined whether the run still holds its lock: the server does not respond."""

    code = "lock_unknown"


class Inconclusive(CartctlError):
    """Something could not be measured, so that there is no verdict."""

    code = "inconclusive"
    exit_code = 6


class CheckFailed(CartctlError):
    """A check failed."""

    code = "check_failed"
    exit_code = 7


class Locked(CartctlError):
    """Another run holds the lock."""

    code = "locked"
    exit_code = 8


class Interrupted(CartctlError):
    """Ctrl-C or a stop request ended the command at a safe point."""

    code = "interrupted"
    exit_code = 130


class Terminated(Interrupted):
    """SIGTERM ended the command at a safe point."""

    code = "terminated"
    exit_code = 143


class HungUp(Interrupted):
    """SIGHUP ended the command at a safe point: its terminal was closed."""

    code = "hung_up"
    exit_code = 129


def as_error(failure: BaseException) -> CartctlError:
    """Convert an exception to a CartctlError with a message; a CartctlError is returned unchanged.

    An operating system error (full disk, missing permission) is not a bug; any other unexpected exception is.
    """
    if isinstance(failure, CartctlError):
        return failure
    if isinstance(failure, OSError) and failure.strerror:
        where = f"{failure.filename}: " if failure.filename else ""
        hint = "Check disk space and permissions; CARTCTL_STATE_DIR moves cartctl's files. For details, use --debug."
        return StepFailed(f"{where}{failure.strerror}.", hint=hint)
    from cartctl.redaction import redact

    try:
        text = " ".join(redact(str(failure)).split())[:QUOTED]
    except Exception:  # noqa: BLE001 - a bug's text may raise as well
        text = ""
    named = f"Unexpected {type(failure).__name__}"
    return CartctlError(
        f"{named}: {text}" if text else f"{named}.", hint="This is a bug: run again with --debug."
    )
