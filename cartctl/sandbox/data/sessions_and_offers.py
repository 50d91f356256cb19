"""The rows around the seeded carts: visitors' sessions, promotions, tax rates and shipping, a few for each company."""

import json

from cartctl.adapters.postgres import Connection
from cartctl.sandbox.data.cart_amounts import CODE
from cartctl.sandbox.data.population import DAYS, Population

CARTS_PER_SESSION = 4
SESSIONS_PER_BATCH = 200_000

# n is a bigint: n * 7919 leaves int4 at 271,000 sessions, which are those of 1.08 million carts
_SESSIONS = """
INSERT INTO cross_site_sessions (id, "companyId", "sessionToken", "visitorId", status, "firstSeenAt", "lastActiveAt",
                                 "expiresAt", "createdAt", "updatedAt")
SELECT 's' || n, ids[1 + (n * 7919 + n / 977) %% cardinality(ids)], 'seeded-' || %(seed)s || '-' || n, 'v' || lpad((n %% 5000)::text, 7, '0'),
       (CASE WHEN seen < %(until)s::timestamp - interval '31 days' THEN 'EXPIRED' WHEN n %% 41 = 0 THEN 'MERGED'
             WHEN n %% 97 = 0 THEN 'REVOKED' ELSE 'ACTIVE' END)::"CrossSiteSessionStatus",
       seen, seen, seen + interval '30 days', seen, seen
FROM (SELECT n, %(until)s::timestamp - interval '1 day' * %(days)s * (1 - n::float8 / %(count)s) AS seen, %(ids)s::text[] AS ids
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
_PROMOTIONS = """
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "startsAt", stackable, "createdAt", "updatedAt")
SELECT 'seeded-' || company || '-' || lower(code), company, code, name, type::"PromotionType", scope::"PromotionScope", value,
       %(until)s::timestamp - interval '120 days', stackable, %(until)s, %(until)s
FROM unnest(%(ids)s::text[]) AS made (company),
     (VALUES (%(code)s, '10 %% off', 'PERCENTAGE_OFF', 'CART', 10.00, false),
             ('SHIPFREE', 'Free shipping', 'FREE_SHIPPING', 'SHIPPING', 0.00, true))
     AS terms (code, name, type, scope, value, stackable)
"""
_MARKETS = """
CREATE TEMPORARY TABLE seeded_markets ON COMMIT DROP AS
SELECT company, market.* FROM unnest(%(ids)s::text[], %(markets)s::text[]) AS made (company, market_json),
       jsonb_to_record(market_json::jsonb) AS market (country text, tax_type text, tax_name text, rate numeric, shipping numeric, free_from numeric)
"""
_TAX_RATES = """
INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "createdAt", "updatedAt")
SELECT 'seeded-' || company || '-' || country, company, country, tax_type::"TaxType", tax_name, rate, %(until)s, %(until)s
FROM seeded_markets
"""
_ZONES = """
INSERT INTO shipping_zones (id, "companyId", name, countries, "createdAt", "updatedAt")
SELECT 'seeded-' || company, company, 'Everywhere', NULL, %(until)s, %(until)s FROM unnest(%(ids)s::text[]) AS made (company)
"""
_RULES = """
INSERT INTO shipping_rules (id, "shippingZoneId", name, type, "baseRate", "freeShippingThreshold", "createdAt", "updatedAt")
SELECT 'seeded-' || company, 'seeded-' || company, 'Parcel', 'FLAT_RATE', shipping, free_from, %(until)s, %(until)s
FROM seeded_markets
"""
_USES = """
UPDATE promotions SET "currentUses" = used.uses
FROM (SELECT "promotionId", count(*) AS uses FROM promotion_usages GROUP BY 1) AS used
WHERE id = used."promotionId" AND id LIKE 'seeded-%'
"""


def fill_offers(connection: Connection, chosen: Population) -> None:
    """Write promotions, tax rates and shipping of every company of the carts; the caller commits."""
    values = {
        "ids": [tenant.id for tenant in chosen.tenants],
        "markets": [json.dumps(tenant.market.row()) for tenant in chosen.tenants],
        "until": chosen.until,
        "code": CODE,
    }
    for statement in (_MARKETS, _PROMOTIONS, _TAX_RATES, _ZONES, _RULES):
        connection.execute(statement, values)


def sessions_of(chosen: Population) -> int:
    """The number of visitors' sessions."""
    return max(1, chosen.carts // CARTS_PER_SESSION)


def fill_sessions(connection: Connection, chosen: Population, first: int, last: int) -> None:
    """Write the sessions from number `first` to `last`, counted from 1; the caller commits."""
    values = {
        "ids": [tenant.id for tenant in chosen.tenants],
        "seed": chosen.seed,
        "until": chosen.until,
        "days": DAYS,
        "count": sessions_of(chosen),
        "first": first,
        "last": last,
    }
    connection.execute(_SESSIONS, values)


def count_uses(connection: Connection) -> None:
    """Write how often each seeded promotion was used; the caller commits."""
    connection.execute(_USES)
