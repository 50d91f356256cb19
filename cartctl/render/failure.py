"""The report of a failed command: one sentence and a hint on stderr, or an `error` object on stdout."""

import sys

from cartctl.errors import CartctlError
from cartctl.render.json import VERSION, write_object
from cartctl.render.run.broken_pipe import silence


def report_failure(error: CartctlError, *, as_json: bool) -> None:
    """Write the error and its hint. Plain writes: this must work when everything else fails.

    They may quote anything: the guarded streams and the JSON writer mask and escape it.
    """
    if as_json:
        fields = {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
        }
        try:
            write_object({"kind": "error", "version": VERSION, **fields}, sys.stdout)
        except OSError:
            silence(sys.stdout)  # a person may still read the other stream
        else:
            return
    sys.stderr.write(f"cartctl: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  hint: {error.hint}\n")
