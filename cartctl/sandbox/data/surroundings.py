"""What stands around the seeded carts: visitors' sessions, promotions, tax rates and shipping, a little for each company."""

from cartctl.adapters.postgres import Connection
from cartctl.sandbox.data.population import DAYS, Population

CARTS_PER_SESSION = 4

_SESSIONS = """
INSERT INTO cross_site_sessions (id, "companyId", "sessionToken", "visitorId", status, "firstSeenAt", "lastActiveAt",
                                 "expiresAt", "createdAt", "updatedAt")
SELECT 's' || n, ids[1 + (n * 7919 + n / 977) %% cardinality(ids)], 'seeded-' || %(seed)s || '-' || n, 'v' || lpad((n %% 5000)::text, 7, '0'),
       (CASE WHEN seen < %(until)s::timestamp - interval '31 days' THEN 'EXPIRED' WHEN n %% 41 = 0 THEN 'MERGED'
             WHEN n %% 97 = 0 THEN 'REVOKED' ELSE 'ACTIVE' END)::"CrossSiteSessionStatus",
       seen, seen, seen + interval '30 days', seen, seen
FROM (SELECT n, %(until)s::timestamp - interval '1 day' * %(days)s * (1 - n::float8 / %(count)s) AS seen, %(ids)s::text[] AS ids
      FROM generate_series(1, %(count)s) AS n) AS made
"""
_PROMOTIONS = """
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "maximumDiscount", "maxUsesPerCustomer",
                        "startsAt", stackable, "createdAt", "updatedAt")
SELECT 'seeded-' || company || '-' || lower(code), company, code, name, type::"PromotionType", scope::"PromotionScope", value,
       "maximum", uses, %(until)s::timestamp - interval '120 days', stackable, %(until)s, %(until)s
FROM unnest(%(ids)s::text[]) AS made (company),
     (VALUES ('WELCOME10', '10 %% off the first order', 'PERCENTAGE_OFF', 'CART', 10.00, 50.00, 1, false),
             ('SHIPFREE', 'Free shipping', 'FREE_SHIPPING', 'SHIPPING', 0.00, NULL, NULL, true))
     AS terms (code, name, type, scope, value, "maximum", uses, stackable)
"""
_TAX_RATES = """
INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "createdAt", "updatedAt")
SELECT 'seeded-' || company || '-' || country, company, country, type::"TaxType", name, rate, %(until)s, %(until)s
FROM unnest(%(ids)s::text[]) AS made (company),
     (VALUES ('US', 'SALES_TAX', 'Sales tax', 0.0725), ('DE', 'VAT', 'VAT', 0.19)) AS terms (country, type, name, rate)
"""
_ZONES = """
INSERT INTO shipping_zones (id, "companyId", name, countries, "createdAt", "updatedAt")
SELECT 'seeded-' || company, company, 'Everywhere', NULL, %(until)s, %(until)s FROM unnest(%(ids)s::text[]) AS made (company)
"""
_RULES = """
INSERT INTO shipping_rules (id, "shippingZoneId", name, type, "baseRate", "freeShippingThreshold", "createdAt", "updatedAt")
SELECT 'seeded-' || company, 'seeded-' || company, 'Parcel', 'FLAT_RATE', 4.90, 75.00, %(until)s, %(until)s
FROM unnest(%(ids)s::text[]) AS made (company)
"""


def fill_surroundings(connection: Connection, chosen: Population) -> None:
    """Write them for every company of the carts; the caller commits."""
    values = {
        "ids": [tenant.id for tenant in chosen.tenants],
        "seed": chosen.seed,
        "until": chosen.until,
        "days": DAYS,
        "count": max(1, chosen.carts // CARTS_PER_SESSION),
    }
    for statement in (_SESSIONS, _PROMOTIONS, _TAX_RATES, _ZONES, _RULES):
        connection.execute(statement, values)
