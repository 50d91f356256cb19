"""The driver's errors that a rule explains, under the rule's name: nobody has to know a constraint to understand them."""

from collections.abc import Iterator
from contextlib import contextmanager

from cartctl.cart.errors import InputError, OrderConflict, OutOfRange


@contextmanager
def order_errors(order_id: str) -> Iterator[None]:
    """Statements that write an order.

    Raises OrderConflict where another cart has the order, and OutOfRange for a number that a column does not hold:
    tables of another application may be narrower.
    """
    try:
        yield
    except Exception as error:
        match sqlstate(error):
            case "23505":  # unique_violation
                raise order_conflict(order_id) from error
            case "22003":  # numeric_value_out_of_range
                raise OutOfRange(
                    "", f"Order {order_id} has a number that is too large for its column."
                ) from error
        raise


def sqlstate(error: Exception) -> str | None:
    """PostgreSQL's code of an error, also inside SQLAlchemy's: an engine of the caller's own wraps what the driver raises."""
    state: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state


def order_conflict(order_id: str) -> OrderConflict:
    """The error for an order of another cart, of this or of another company."""
    return OrderConflict(f"Order {order_id} was created from another cart.", hint="Use a new order ID.")


def refuse_unstorable(**values: str) -> None:
    """Raises InputError, by the value's name, for text that PostgreSQL does not store."""
    for name, value in values.items():
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InputError(name, f"{value!a} contains a character that cannot be stored")
