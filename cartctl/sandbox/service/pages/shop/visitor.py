"""The visitor of a shop: the shop of an address, the shopper's cart, and whether they are signed in.

The signed session stores the cart and the customer of each shop. A cart counts only while it is open and belongs to the shopper:
a guest's, their own, or one whose recovery link they have used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from cartctl.cart import CartService, CartStatus, CartView, NotFound, SiteType
from cartctl.rollout.flag_names import CARTS, RECOVERY
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.middleware.maintenance import Maintenance
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.admin.access import bearer_of, data_of
from cartctl.sandbox.service.pages.catalogue import CURRENCY, products_by_id, service_of
from cartctl.sandbox.service.pages.failures import NO_SHOP, PageError, feature_disabled

OPEN = frozenset({CartStatus.ACTIVE, CartStatus.ABANDONED})
_SHOPS = "shops"  # session key of the stored values by company
_SHOP = "SELECT id, name FROM companies WHERE id = %(company)s"


@dataclass(frozen=True, slots=True)
class Shop:
    """A company's shop and its features."""

    id: str
    name: str
    carts: bool
    recovery: bool


@dataclass(frozen=True, slots=True)
class Visitor:
    """A shopper in a shop."""

    request: Request
    data: Data
    shop: Shop

    @property
    def service(self) -> CartService:
        """The shop's carts."""
        return service_of(self.request, self.data, self.shop.id)

    @property
    def known(self) -> Mapping[str, Any]:
        """The session's values of this shop."""
        values: Mapping[str, Any] = session.state(self.request).get(_SHOPS, {}).get(self.shop.id, {})
        return values

    @property
    def customer(self) -> str | None:
        """The customer who has signed in."""
        return self.known.get("customer")

    def remember(self, **changed: Any) -> None:
        """Store a value in the session; None removes it."""
        state = session.state(self.request)
        new = {name: value for name, value in {**self.known, **changed}.items() if value is not None}
        state[_SHOPS] = {**state.get(_SHOPS, {}), self.shop.id: new}

    def cart(self) -> CartView | None:
        """The shopper's open cart, or None."""
        cart_id = self.known.get("cart")
        if not (self.shop.carts and cart_id):
            return None
        try:
            view = self.service.get_cart(cart_id)
        except NotFound:
            return None
        own = view.cart.customer_id in {None, self.customer} or self.known.get("recovered") == cart_id
        return view if own and view.cart.status in OPEN else None

    def require_cart(self) -> CartView:
        """The shopper's open cart. Raises PageError where there is none."""
        view = self.cart()
        if view is None:
            raise PageError(409, "Your cart is empty", "Add a product first.", code="NO_CART")
        return view

    def open_cart(self, site_type: SiteType = SiteType.STOREFRONT) -> CartView:
        """The shopper's open cart, or a new one."""
        view = self.cart()
        if view is None or (site_type is not SiteType.STOREFRONT and view.cart.site_type is not site_type):
            view = self.service.open_cart(CURRENCY, customer_id=self.customer, site_type=site_type)
            self.remember(cart=view.id)
        return view

    def context(self, **values: Any) -> dict[str, Any]:
        """The values for every page of a shop: shop, shopper and mini cart."""
        view = values["view"] if "view" in values else self.cart()
        names = {item.product_id for item in view.items} if view else set()
        return {
            "shop": self.shop,
            "base": f"/shop/{self.shop.id}",
            "shopper": self.known.get("name", ""),
            "names": {
                key: row["name"]
                for key, row in products_by_id(self.data, self.shop.id, sorted(names)).items()
            },
            **values,
            "view": view,
        }


class Visit:
    """A dependency: the visitor of a shop.

    Raises PageError 404 for an unknown shop and a feature that is off, 503 during maintenance.
    """

    def __init__(self, *, carts: bool = True) -> None:
        self._carts = carts

    def __call__(self, request: Request, company: Annotated[str, Path(max_length=200)]) -> Visitor:
        """The visitor of a request."""
        _refuse_in_maintenance(request)
        data, flags = data_of(request), request.app.state.flags
        rows = data.rows(_SHOP, {"company": company.replace("\0", "")})
        if not rows:
            raise PageError(404, "Shop not found", "No shop has this address.", code=NO_SHOP)
        shop = _shop(rows[0], flags)
        if self._carts and not shop.carts:
            raise feature_disabled()
        return Visitor(request, data, shop)


def _shop(row: Mapping[str, Any], flags: Flags) -> Shop:
    return Shop(row["id"], row["name"], flags.on(CARTS, row["id"]), flags.on(RECOVERY, row["id"]))


def _refuse_in_maintenance(request: Request) -> None:
    mode: Maintenance = request.app.state.maintenance
    bearer = bearer_of(request)
    if mode.retry_after() is not None and not (bearer and bearer.admin):
        raise PageError(503, "Back in a moment", "The shop is being maintained.", code="maintenance")


Shopper = Annotated[Visitor, Depends(Visit())]
Anybody = Annotated[Visitor, Depends(Visit(carts=False))]
