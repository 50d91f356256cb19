"""`cartctl cart`: quotes, statistics and jobs."""

from cartctl.commands.cart.jobs import CART_JOBS
from cartctl.commands.cart.quote import cart

__all__ = ["cart"]

for _name, _job in CART_JOBS.items():
    cart.command(_name)(_job)
