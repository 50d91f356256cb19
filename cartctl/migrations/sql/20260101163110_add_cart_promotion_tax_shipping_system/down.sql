-- Children before parents, types last; nothing that depends on them from outside is taken along.

DROP TABLE "cart_promotions";

DROP TABLE "shipping_rules";

DROP TABLE "shipping_zones";

DROP TABLE "tax_rates";

DROP TABLE "promotion_usages";

DROP TABLE "promotions";

DROP TYPE "ShippingRuleType";

DROP TYPE "TaxType";

DROP TYPE "PromotionScope";

DROP TYPE "PromotionType";
