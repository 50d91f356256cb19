"""`CartService`: everything that a shop does with carts, each call one transaction of one company."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Engine

from cartctl.cart.analytics import Period
from cartctl.cart.components import FEW, HORIZON, SUGGESTIONS
from cartctl.cart.enums import SiteType
from cartctl.cart.errors import SessionNotActive
from cartctl.cart.lifecycle.cart import SavedItem
from cartctl.cart.lifecycle.lists import Compared, Wish
from cartctl.cart.lifecycle.merge import Quantities
from cartctl.cart.lifecycle.payment import PAYMENT_TIMEOUT, AgreedTotal, Payment
from cartctl.cart.lifecycle.states import ABANDON_AFTER, LIFETIME
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.service import (
    lines,
    list_merging,
    lists,
    merging,
    opening,
    saved,
    sessions,
    terms_of_cart,
    transitions,
)
from cartctl.cart.service.cart_components import CartComponents, components_of
from cartctl.cart.service.changes import CartView
from cartctl.cart.service.lines import NewLine
from cartctl.cart.service.lists import ListOwner
from cartctl.cart.service.scope import Scope, Transactions, utc_now
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.cart_statistics import StatsReport
from cartctl.cart.store.checkout import payments
from cartctl.cart.store.checkout.unsold_lines import UnsoldLine, unsold_lines
from cartctl.cart.store.conversion import Converted, cancel, convert
from cartctl.cart.store.loading import PricingTerms

T = TypeVar("T")


class CartService:
    """The carts of one company.

    Every call is one transaction: when it raises, nothing was changed. It locks the cart's row, so overlapping calls are
    serialised across any number of processes; after a conflict, the transaction is retried. IDs of other companies raise
    NotFound. Every error is a `CartError` with a `code`; the database's own errors (no connection, missing rights) are
    passed on unchanged.

    `engine` is from `connect`, or from `over` if the application opens connections itself; any other must use the driver
    psycopg, the isolation level READ COMMITTED and the time zone UTC.

    `version` is optional everywhere: the version of the cart that the caller has read; if the cart has changed since, the
    call raises VersionConflict. `terms` are the pricing terms, or a function that returns them. `clock` gives the time.
    The service is thread-safe. An asynchronous application runs its calls in threads:
    `await asyncio.to_thread(service.add_line, cart_id, line)`; the engine's pool limits how many run at the same time.
    """

    def __init__(
        self,
        engine: Engine,
        company_id: str,
        *,
        terms: PricingTerms | Callable[[], PricingTerms] = PricingTerms(),  # noqa: B008 - frozen
        lifetime: timedelta = LIFETIME,
        payment_timeout: timedelta = PAYMENT_TIMEOUT,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        current = terms if callable(terms) else lambda: terms
        self._transactions = Transactions(engine, company_id, current, lifetime, payment_timeout, clock)

    def open_cart(
        self,
        currency: str,
        *,
        customer_id: str | None = None,
        session_token: str | None = None,
        site_id: str | None = None,
        site_type: SiteType = SiteType.STOREFRONT,
        visitor_id: str | None = None,
    ) -> CartView:
        """Find the open cart of a customer, or of a guest's token, or open a new one.

        A cart is found by its currency and type of site, so that a funnel has carts of its own. A guest's new cart has a
        new token, whatever token was given: set it as the browser's cookie. Raises InputError for an unknown currency.
        """
        return self._run(
            lambda s: opening.open_cart(
                s, currency, customer_id, session_token, site_id, site_type, visitor_id
            )
        )

    def find_by_token(self, session_token: str) -> CartView:
        """The guest's cart with this token, whatever its status. Raises NotFound."""
        return self._run(lambda s: opening.find_by_token(s, session_token))

    def get_cart(self, cart_id: str) -> CartView:
        """A cart with its price; a converted one as it was sold. Writes nothing. Raises NotFound."""
        return self._run(lambda s: opening.read_cart(s, cart_id))

    def components(
        self, cart_id: str, *, horizon: timedelta = HORIZON, few: int = FEW, suggestions: int = SUGGESTIONS
    ) -> CartComponents:
        """The conversion components of an open cart: urgency, scarcity, free-shipping progress and upsell; read-only.

        An end is urgent within `horizon`; up to `few` units left are scarce. Up to `suggestions` products are suggested,
        from the company's latest 1,000 orders without cancelled ones. Products that `terms.stock` does not name are
        neither scarce nor suggested. Raises NotFound and CartNotActive.
        """
        return self._run(lambda s: components_of(s, cart_id, horizon, few, suggestions))

    def price(self, cart_id: str) -> CartView:
        """Price a cart, and store what the shopper is shown, which conversion compares with. Raises NotFound."""
        return self._run(lambda s: opening.price_cart(s, cart_id))

    def add_line(
        self, cart_id: str, line: NewLine, *, key: str | None = None, version: int | None = None
    ) -> CartView:
        """Add a product; if the cart already has the same line, the units are added to it at the new price.

        `key` is an idempotency key: a request that is sent again with its key adds nothing again. A cart remembers its last
        50 keys. Raises KeyReused for a key with another line, NotFound, OutOfRange, InputError, CartNotActive,
        PaymentInFlight, VersionConflict.
        """
        return self._run(lambda s: lines.add_line(s, cart_id, line, key, version))

    def change_quantity(
        self, cart_id: str, line_id: str, quantity: int, *, version: int | None = None
    ) -> CartView:
        """Set the units of a line; 0 removes it. Raises NotFound, GiftFixed, OutOfRange and what `add_line` raises."""
        return self._run(lambda s: lines.change_quantity(s, cart_id, line_id, quantity, version))

    def remove_line(self, cart_id: str, line_id: str, *, version: int | None = None) -> CartView:
        """Remove a line. Raises NotFound and GiftFixed; a gift is declined instead."""
        return self._run(lambda s: lines.remove_line(s, cart_id, line_id, version))

    def save_for_later(self, cart_id: str, line_id: str, *, version: int | None = None) -> CartView:
        """Move a line from the cart to the saved items."""
        return self._run(lambda s: saved.save_for_later(s, cart_id, line_id, version))

    def move_to_cart(self, cart_id: str, line: NewLine, *, version: int | None = None) -> CartView:
        """Move a saved product into the cart, in its saved quantity and at the line's price. Raises NotFound."""
        return self._run(lambda s: saved.move_to_cart(s, cart_id, line, version))

    def saved_items(self, cart_id: str) -> tuple[SavedItem, ...]:
        """The saved items, earliest first. Raises NotFound."""
        return self._run(lambda s: saved.read_saved(s, cart_id))

    def apply_code(self, cart_id: str, code: str, *, version: int | None = None) -> CartView:
        """Apply a promotion code. Its discount, or the reason why it has none, is in `priced.promotions`. Raises NotFound."""
        return self._run(lambda s: terms_of_cart.apply_code(s, cart_id, code, version))

    def remove_code(self, cart_id: str, code: str, *, version: int | None = None) -> CartView:
        """Remove a promotion code. Raises NotFound."""
        return self._run(lambda s: terms_of_cart.remove_code(s, cart_id, code, version))

    def decline_gift(self, cart_id: str, promotion_id: str, *, version: int | None = None) -> CartView:
        """Decline the gift of a promotion."""
        return self._run(lambda s: terms_of_cart.decline_gift(s, cart_id, promotion_id, version))

    def set_address(self, cart_id: str, address: Address | None, *, version: int | None = None) -> CartView:
        """Set where the cart is shipped to. Raises InputError for an unknown country or state."""
        return self._run(lambda s: terms_of_cart.set_address(s, cart_id, address, version))

    def choose_shipping(self, cart_id: str, rule_id: str | None, *, version: int | None = None) -> CartView:
        """Choose a shipping rule of the zone; None is the cheapest. An unavailable rule gives a warning."""
        return self._run(lambda s: terms_of_cart.choose_shipping(s, cart_id, rule_id, version))

    def merge(
        self, cart_id: str, session_token: str, customer_id: str, *, quantities: Quantities = Quantities.SUM
    ) -> tuple[CartView, tuple[str, ...]]:
        """At login: merge a guest's cart into the customer's, or make it the customer's own, with a new token.

        The token's wishlist and comparison are merged as well. Gives the customer's cart, and warnings about lines that
        stock has cut and products that the comparison has no place for. Again it changes nothing. Raises MergeRefused,
        CurrencyMismatch, NotFound, CartNotActive, PaymentInFlight, OutOfRange.
        """
        return self._run(lambda s: merging.merge_cart(s, cart_id, session_token, customer_id, quantities))

    def merge_lists(self, session_token: str, customer_id: str) -> tuple[str, ...]:
        """At login of a guest without a cart: merge the token's wishlist and comparison into the customer's.

        Gives warnings about products that the comparison has no place for. Again it changes nothing. Raises NotFound.
        """
        return self._run(lambda s: list_merging.merge_lists(s, session_token, customer_id))

    def hand_over(
        self, cart_id: str, *, visitor_id: str | None = None, lifetime: timedelta = sessions.SESSION_LIFETIME
    ) -> str:
        """Start a session that opens the cart on another site of the company; returns its token, which is a secret."""
        return self._run(lambda s: sessions.hand_over(s, cart_id, visitor_id, lifetime))

    def continue_session(self, token: str) -> CartView:
        """The cart of a session. Raises NotFound, and SessionNotActive for one that is over.

        A guest's session is over when the guest has logged in: like the guest's token, it opens no customer's cart.
        """
        result = self._run(lambda s: sessions.continue_session(s, token))
        if isinstance(result, SessionNotActive):  # raised after the commit, which keeps its new status
            raise result
        return result

    def end_session(self, token: str) -> None:
        """Revoke a session. Raises NotFound and SessionNotActive."""
        self._run(lambda s: sessions.end_session(s, token))

    def abandon(self, cart_id: str, *, after: timedelta = ABANDON_AFTER) -> CartView:
        """Mark a cart without activity for `after` as abandoned; the job `expire` does it for all. Raises TransitionInvalid."""
        return self._run(lambda s: transitions.abandon(s, cart_id, after))

    def recover(self, cart_id: str, *, abandoned_at: datetime | None = None) -> CartView:
        """The shopper follows the link in a recovery mail: the cart becomes active again. Raises CartNotActive.

        With `abandoned_at` the link is of that abandonment and works once; after it, TransitionInvalid.
        """
        return self._run(lambda s: transitions.recover(s, cart_id, abandoned_at))

    def start_payment(self, cart_id: str, payment_id: str, agreed: AgreedTotal) -> Payment:
        """Store the accepted quote before the payment begins: until the payment ends, the cart cannot be changed and does not expire.

        With the same `payment_id` the same payment comes back. Raises PaymentInFlight, and what `convert` raises.
        """
        return self._run(
            lambda s: payments.start_payment(
                *(s.connection, s.company_id, cart_id, payment_id, agreed, s.now, s.terms),
                timeout=s.payment_timeout,
            )
        )

    def end_payment(self, cart_id: str, payment_id: str) -> bool:
        """End a failed payment; False if it does not exist. A conversion ends it as well."""
        return self._run(
            lambda s: payments.end_payment(s.connection, s.company_id, cart_id, payment_id, s.now)
        )

    def convert(self, cart_id: str, order_id: str, agreed: AgreedTotal) -> Converted:
        """Convert the cart into an order, for the total that the shopper accepted, and use up its promotions.

        `order_id` is the idempotency key: again with it the same order comes back, with `replayed`. Raises TotalChanged,
        DiscountLost, LimitReached, CodeRequiresLogin, CartChanged, ConversionBlocked, OrderConflict, CartNotActive,
        NotFound, OutOfRange, InputError.
        """
        return self._run(
            lambda s: convert(s.connection, s.company_id, cart_id, order_id, agreed, s.now, s.terms)
        )

    def cancel(self, order_id: str) -> None:
        """Cancel an order: its promotions are given back once, and statistics exclude it. Raises NotFound."""
        self._run(lambda s: cancel(s.connection, s.company_id, order_id, s.now))

    def unsold_lines(self, period: Period) -> tuple[UnsoldLine, ...]:
        """Lines that other applications added to carts after their conversion in a period, which are unpaid."""
        return self._run(lambda s: unsold_lines(s.connection, s.company_id, period))

    def wishes(self, owner: ListOwner) -> tuple[Wish, ...]:
        """The wishlist, most wanted first."""
        return self._run(lambda s: lists.wishes(s, owner))

    def add_wish(
        self, owner: ListOwner, wish: Wish, *, snapshot: Mapping[str, Any] | None = None
    ) -> tuple[Wish, ...]:
        """Put a product on the wishlist; if it is already there, change its priority and notes. Raises NotFound."""
        return self._run(lambda s: lists.add_wish(s, owner, wish, snapshot or {}))

    def remove_wish(
        self, owner: ListOwner, product_id: str, *, variant_id: str | None = None
    ) -> tuple[Wish, ...]:
        """Remove a product from the wishlist. Raises NotFound."""
        return self._run(lambda s: lists.remove_wish(s, owner, product_id, variant_id))

    def compared(self, owner: ListOwner) -> tuple[Compared, ...]:
        """The comparison, from left to right."""
        return self._run(lambda s: lists.compared(s, owner))

    def add_compared(
        self,
        owner: ListOwner,
        product_id: str,
        *,
        variant_id: str | None = None,
        snapshot: Mapping[str, Any] | None = None,
    ) -> tuple[Compared, ...]:
        """Put a product into the comparison. Raises ListFull and NotFound."""
        return self._run(lambda s: lists.add_compared(s, owner, product_id, variant_id, snapshot or {}))

    def remove_compared(
        self, owner: ListOwner, product_id: str, *, variant_id: str | None = None
    ) -> tuple[Compared, ...]:
        """Remove a product from the comparison. Raises NotFound."""
        return self._run(lambda s: lists.remove_compared(s, owner, product_id, variant_id))

    def stats(self, period: Period) -> StatsReport:
        """Carts by status, their value by currency, and the outcome of the carts of a period. Raises NotFound."""
        return self._run(lambda s: cart_statistics.report(s.connection, s.company_id, period))

    def _run(self, call: Callable[[Scope], T]) -> T:
        return self._transactions.run(call)
