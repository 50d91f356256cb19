-- Promotions and their use, tax rates, shipping zones and rules.

CREATE TYPE "PromotionType" AS ENUM ('PERCENTAGE_OFF', 'FIXED_AMOUNT_OFF', 'BUY_X_GET_Y', 'FREE_SHIPPING', 'FREE_GIFT');

CREATE TYPE "PromotionScope" AS ENUM ('CART', 'PRODUCT', 'CATEGORY', 'SHIPPING');

CREATE TYPE "TaxType" AS ENUM ('SALES_TAX', 'VAT', 'GST', 'HST', 'PST', 'CONSUMPTION');

CREATE TYPE "ShippingRuleType" AS ENUM ('FLAT_RATE', 'PER_ITEM', 'WEIGHT_BASED', 'PRICE_BASED', 'FREE', 'CALCULATED');

CREATE TABLE "promotions" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "type" "PromotionType" NOT NULL,
    "scope" "PromotionScope" NOT NULL,
    "value" NUMERIC(12,2) NOT NULL,
    "minimumOrderAmount" NUMERIC(12,2),
    "maximumDiscount" NUMERIC(12,2),
    "buyQuantity" INTEGER,
    "getQuantity" INTEGER,
    "getProductId" TEXT,
    "maxUsesTotal" INTEGER,
    "maxUsesPerCustomer" INTEGER,
    "currentUses" INTEGER NOT NULL DEFAULT 0,
    "startsAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3),
    "targeting" JSONB NOT NULL DEFAULT '{}',
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "stackable" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "promotions_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "promotion_usages" (
    "id" TEXT NOT NULL,
    "promotionId" TEXT NOT NULL,
    "cartId" TEXT,
    "orderId" TEXT,
    "customerId" TEXT,
    "discountAmount" NUMERIC(12,2) NOT NULL,
    "appliedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "promotion_usages_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "tax_rates" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "country" TEXT NOT NULL,
    "state" TEXT,
    "city" TEXT,
    "zipCode" TEXT,
    "taxType" "TaxType" NOT NULL,
    "name" TEXT NOT NULL,
    "rate" NUMERIC(9,6) NOT NULL,
    "isCompound" BOOLEAN NOT NULL DEFAULT false,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "exemptCategories" JSONB NOT NULL DEFAULT '[]',
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "tax_rates_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "shipping_zones" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "countries" TEXT[],
    "states" TEXT[],
    "zipCodes" TEXT[],
    "priority" INTEGER NOT NULL DEFAULT 0,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "shipping_zones_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "shipping_rules" (
    "id" TEXT NOT NULL,
    "shippingZoneId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "carrier" TEXT,
    "serviceCode" TEXT,
    "type" "ShippingRuleType" NOT NULL,
    "baseRate" NUMERIC(12,2) NOT NULL,
    "perItemRate" NUMERIC(12,2),
    "perWeightUnitRate" NUMERIC(12,2),
    "weightUnit" TEXT NOT NULL DEFAULT 'lb',
    "freeShippingThreshold" NUMERIC(12,2),
    "minWeight" NUMERIC(10,3),
    "maxWeight" NUMERIC(10,3),
    "minOrderTotal" NUMERIC(12,2),
    "maxOrderTotal" NUMERIC(12,2),
    "estimatedDaysMin" INTEGER,
    "estimatedDaysMax" INTEGER,
    "sortOrder" INTEGER NOT NULL DEFAULT 0,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "shipping_rules_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "cart_promotions" (
    "id" TEXT NOT NULL,
    "cartId" TEXT NOT NULL,
    "promotionId" TEXT NOT NULL,
    "discountAmount" NUMERIC(12,2) NOT NULL,
    "appliedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "cart_promotions_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "promotions_companyId_code_key" ON "promotions" ("companyId", "code");

CREATE UNIQUE INDEX "promotions_companyId_canonical_code_key" ON "promotions" ("companyId", upper(btrim("code")));

CREATE INDEX "promotions_companyId_isActive_idx" ON "promotions" ("companyId", "isActive");

CREATE UNIQUE INDEX "promotion_usages_promotionId_orderId_key" ON "promotion_usages" ("promotionId", "orderId");

CREATE INDEX "promotion_usages_promotionId_customerId_idx" ON "promotion_usages" ("promotionId", "customerId");

CREATE INDEX "promotion_usages_customerId_idx" ON "promotion_usages" ("customerId");

CREATE INDEX "tax_rates_companyId_country_state_idx" ON "tax_rates" ("companyId", "country", "state");

CREATE INDEX "shipping_zones_companyId_idx" ON "shipping_zones" ("companyId");

CREATE INDEX "shipping_rules_shippingZoneId_idx" ON "shipping_rules" ("shippingZoneId");

CREATE UNIQUE INDEX "cart_promotions_cartId_promotionId_key" ON "cart_promotions" ("cartId", "promotionId");

CREATE INDEX "cart_promotions_promotionId_idx" ON "cart_promotions" ("promotionId");

ALTER TABLE "promotions" ADD CONSTRAINT "promotions_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "promotion_usages" ADD CONSTRAINT "promotion_usages_promotionId_fkey" FOREIGN KEY ("promotionId") REFERENCES "promotions" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "promotion_usages" ADD CONSTRAINT "promotion_usages_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "customers" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "tax_rates" ADD CONSTRAINT "tax_rates_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "shipping_zones" ADD CONSTRAINT "shipping_zones_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "shipping_rules" ADD CONSTRAINT "shipping_rules_shippingZoneId_fkey" FOREIGN KEY ("shippingZoneId") REFERENCES "shipping_zones" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "cart_promotions" ADD CONSTRAINT "cart_promotions_cartId_fkey" FOREIGN KEY ("cartId") REFERENCES "carts" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "cart_promotions" ADD CONSTRAINT "cart_promotions_promotionId_fkey" FOREIGN KEY ("promotionId") REFERENCES "promotions" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
