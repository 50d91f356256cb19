"""How a command that failed says so: one sentence and a hint on stderr, or an `error` object on stdout."""

import json
import sys

from cartctl.errors import CartctlError


def report_failure(error: CartctlError, *, as_json: bool) -> None:
    """Tell what happened and what to do. Plain writes: this must work when everything else does not."""
    if as_json:
        fields = {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
        }
        sys.stdout.write(json.dumps({"kind": "error", "version": 1, **fields}) + "\n")
        return
    sys.stderr.write(f"cartctl: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  hint: {error.hint}\n")
