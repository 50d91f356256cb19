"""The pages of shoppers: products, cart, checkout, funnel and recovery links."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter


def routers() -> "tuple[APIRouter, ...]":
    """The routes of every page."""
    from cartctl.sandbox.service.pages.shop import (
        cart_changes,
        cart_page,
        checkout,
        funnel,
        products,
        recovery,
        sign_in,
    )

    modules = (products, cart_page, cart_changes, checkout, sign_in, funnel, recovery)
    return tuple(module.router for module in modules)
