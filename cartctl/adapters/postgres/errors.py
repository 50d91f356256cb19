"""What PostgreSQL and its driver report, as cartctl's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cartctl.errors import ConfigError, Refused, StepFailed, UsageError

LONGEST_DETAIL = 400  # characters of a server's DETAIL in a sentence
RLS_CHECK = (
    "check_enable_rls"  # the server's function that raises the error; its message may be in any language
)


class DatabaseUnreachable(ConfigError):
    """No connection: wrong address, database, user or password, or the server is down.

    `database` is the name that libpq asked for, as far as it is known.
    """

    code = "database_unreachable"

    def __init__(self, message: str, *, hint: str = "", database: str = "") -> None:
        super().__init__(message, hint=hint)
        self.database = database


class SqlFailed(StepFailed):
    """The server refused a statement. `sqlstate` is its five-letter code, empty when the connection was lost."""

    code = "sql_failed"

    def __init__(self, message: str, *, hint: str = "", sqlstate: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class RowsHidden(Refused):
    """A row-level security policy would hide rows, so they can be neither counted nor saved: never the same as no rows."""

    code = "rows_hidden"


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into SqlFailed with the server's first line, its detail and its hint.

    Raises RowsHidden where a policy would hide rows, UsageError for an argument that is not text: a command line may contain
    any bytes, the database's text may not.
    """
    try:
        yield
    except psycopg.Error as error:
        message = _sentence(error)
        if error.diag.source_function == RLS_CHECK:
            raise RowsHidden(
                f"Row-level security hides rows from this role, so they cannot be counted or saved: {message}.",
                hint="Connect as a role with BYPASSRLS (ALTER ROLE … BYPASSRLS) or as the table's owner; "
                "with FORCE ROW LEVEL SECURITY the owner needs BYPASSRLS too.",
            ) from error
        raise SqlFailed(message, hint=error.diag.message_hint or "", sqlstate=error.sqlstate or "") from error
    except UnicodeEncodeError as wrong:
        raise UsageError(f"{wrong.object!a} is not valid UTF-8 text.") from wrong
    except UnicodeDecodeError as wrong:
        raise SqlFailed(
            "The database contains text that is not valid UTF-8.",
            hint="Its encoding is SQL_ASCII, so names and values may be any bytes. Correct those first.",
        ) from wrong


def _sentence(error: psycopg.Error) -> str:
    """The first line, and in brackets the server's detail, which names keys, rows and dependents; one line, bounded."""
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    detail = " ".join((error.diag.message_detail or "").split())
    if len(detail) > LONGEST_DETAIL:
        detail = f"{detail[: LONGEST_DETAIL - 1]}…"
    return f"{first} ({detail.removesuffix('.')})" if detail else first
