"""The run's lock as the runner uses it: confirmed before each step, and before each undo."""

from cartctl.engine.lock import Lock
from cartctl.errors import CartctlError, LockLost, LockUnknown


class LockGuard:
    """Confirms the lock of one run."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._responds = True

    def before_step(self) -> None:
        """Raise LockLost if this run no longer holds the lock, LockUnknown if that cannot be determined."""
        self._lock.confirm()

    def before_undo(self) -> None:
        """Raise LockLost if another run has had the lock: it may have set the values that would be reverted.

        While the lock's server does not respond, or has become a standby, reverting is safer than leaving everything as it is.
        It is not tried again: each attempt may take as long as connecting does.
        """
        if not self._responds:
            return
        try:
            self._lock.confirm()
        except LockUnknown:
            self._responds = False
        except LockLost:
            raise
        except CartctlError:
            self._responds = False
