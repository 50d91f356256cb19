"""How a command that failed says so: one sentence and a hint on stderr, or an `error` object on stdout."""

import json
import re
import sys

from cartctl.errors import CartctlError
from cartctl.render.enduring import silence
from cartctl.render.words import harmless

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)|(?<=password=)\S+", re.IGNORECASE)


def report_failure(error: CartctlError, *, as_json: bool) -> None:
    """Tell what happened and what to do. Plain writes: this must work when everything else does not.

    Errors carry no secrets; that of a bug may quote anything, so credentials are masked once more.
    """
    message, hint = (_CREDENTIALS.sub("***", text) for text in (error.message, error.hint))
    if as_json:
        fields = {
            "code": error.code,
            "message": message,
            "hint": hint,
            "exit_code": error.exit_code,
        }
        try:
            sys.stdout.write(json.dumps({"kind": "error", "version": 1, **fields}) + "\n")
            sys.stdout.flush()
        except OSError:
            silence(sys.stdout)  # and a person may still read the other one
        else:
            return
    sys.stderr.write(f"cartctl: {_lines(message)}\n")
    if hint:
        sys.stderr.write(f"  hint: {_lines(hint)}\n")


def _lines(told: str) -> str:
    """The lines of a sentence that may quote anything."""
    return "\n".join(map(harmless, told.split("\n")))
