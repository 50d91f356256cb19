"""`cartctl cart quote`: price a cart and explain each amount."""

import os
import select
import stat
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError

if TYPE_CHECKING:
    from cartctl.cart.pricing.quote import Quote

WRITER_SECONDS = 5.0  # for somebody to open the other end of a named pipe

cart = typer.Typer(no_args_is_help=True, help="Price carts, show cart statistics and run cart jobs.")


@cart.command("quote")
def quote_cart(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON document of the cart and its terms; - reads stdin.")
    ],
    check_columns: Annotated[
        bool,
        typer.Option(
            "--check-columns", help="Refuse numbers that the environment's database would round or reject."
        ),
    ] = False,
) -> None:
    """Price a cart and explain each amount.

    The document contains the cart's lines and its company's terms: promotions, tax rates and shipping zones. No database is
    needed, except with --check-columns, and nothing is changed. An invalid document ends with exit code 2 and the path of the
    invalid field.

    Examples:
        cartctl cart quote cart.json
        cartctl cart quote - -o json < cart.json
        cartctl cart quote cart.json --env production --check-columns
    """
    from cartctl.cart.pricing.quote import quote
    from cartctl.cart.quote_document.document_reader import LARGEST_DOCUMENT, read_quote

    options: Options = ctx.obj
    priced = quote(read_quote(_read(file, LARGEST_DOCUMENT + 1)))
    if check_columns:
        _check_columns(options, priced)
    options.show(priced)


def _check_columns(options: Options, priced: "Quote") -> None:
    """Raise OutOfRange for a number that the database's columns do not hold exactly."""
    from cartctl.cart.pricing.column_ranges import refuse_inexact
    from cartctl.database.numeric_columns import read_column_ranges
    from cartctl.ports import Ports

    env = options.environment("database")
    with Ports(env) as ports:
        refuse_inexact(read_column_ranges(ports.database, env.database), priced.request, priced.priced)


def _read(file: str, limit: int) -> bytes:
    """The first bytes of a file, a pipe or stdin. Raises UsageError, also for a pipe without a writer.

    A writer, as stdin, may take its time: Ctrl-C ends the wait.
    """
    if file == "-":
        return sys.stdin.buffer.read(limit)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            first = _first(file, descriptor)
            os.set_blocking(descriptor, True)
            return first + stream.read(limit)
    except OSError as wrong:
        raise UsageError(
            f"Cannot read {file}: {wrong.strerror}.", hint="Use a JSON file, or - for stdin."
        ) from wrong


def _first(file: str, descriptor: int) -> bytes:
    """The byte that a look for a pipe's writer may have taken. Raises UsageError when there is no writer in time."""
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    if not is_pipe or select.select([descriptor], [], [], WRITER_SECONDS)[0]:
        return b""
    try:
        first = os.read(descriptor, 1)
    except BlockingIOError:  # there is one, which has written nothing so far
        return b""
    if not first:
        raise UsageError(
            f"The pipe {file} has no writer.",
            hint="Start its writer first, or use a file, or - for stdin.",
        )
    return first
