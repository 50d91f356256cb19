-- Carts, saved items, wishlists, comparisons and cross-site sessions.

CREATE TYPE "CartStatus" AS ENUM ('ACTIVE', 'CONVERTED', 'ABANDONED', 'MERGED', 'EXPIRED');

CREATE TYPE "SiteType" AS ENUM ('STOREFRONT', 'FUNNEL', 'TRIAL', 'MARKETPLACE', 'B2B_PORTAL');

CREATE TYPE "CrossSiteSessionStatus" AS ENUM ('ACTIVE', 'EXPIRED', 'MERGED', 'REVOKED');

CREATE TABLE "carts" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "siteId" TEXT,
    "customerId" TEXT,
    "sessionToken" TEXT,
    "visitorId" TEXT,
    "status" "CartStatus" NOT NULL DEFAULT 'ACTIVE',
    "currency" TEXT NOT NULL DEFAULT 'USD',
    "subtotal" NUMERIC(12,2) NOT NULL DEFAULT 0,
    "discountTotal" NUMERIC(12,2) NOT NULL DEFAULT 0,
    "taxTotal" NUMERIC(12,2) NOT NULL DEFAULT 0,
    "shippingTotal" NUMERIC(12,2) NOT NULL DEFAULT 0,
    "grandTotal" NUMERIC(12,2) NOT NULL DEFAULT 0,
    "itemCount" INTEGER NOT NULL DEFAULT 0,
    "discountCodes" JSONB NOT NULL DEFAULT '[]',
    "shippingPostalCode" TEXT,
    "shippingCountry" TEXT,
    "shippingState" TEXT,
    "shippingCity" TEXT,
    "notes" TEXT,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "utmSource" TEXT,
    "utmMedium" TEXT,
    "utmCampaign" TEXT,
    "recoveryEmailSent" BOOLEAN NOT NULL DEFAULT false,
    "recoveryEmailSentAt" TIMESTAMP(3),
    "recoveryClicks" INTEGER NOT NULL DEFAULT 0,
    "mergedIntoCartId" TEXT,
    "mergedAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "lastActivityAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expiresAt" TIMESTAMP(3),
    "convertedAt" TIMESTAMP(3),
    "abandonedAt" TIMESTAMP(3),
    "orderId" TEXT,
    "siteType" "SiteType" NOT NULL DEFAULT 'STOREFRONT',
    "version" INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "carts_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "cart_items" (
    "id" TEXT NOT NULL,
    "cartId" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "variantId" TEXT,
    "productSnapshot" JSONB NOT NULL,
    "quantity" INTEGER NOT NULL DEFAULT 1,
    "unitPrice" NUMERIC(12,2) NOT NULL,
    "originalPrice" NUMERIC(12,2) NOT NULL,
    "discountAmount" NUMERIC(12,2) NOT NULL DEFAULT 0,
    "lineTotal" NUMERIC(12,2) NOT NULL,
    "customFields" JSONB NOT NULL DEFAULT '{}',
    "giftMessage" TEXT,
    "isGift" BOOLEAN NOT NULL DEFAULT false,
    "giftPromotionId" TEXT,
    "addedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "cart_items_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "saved_cart_items" (
    "id" TEXT NOT NULL,
    "cartId" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "variantId" TEXT,
    "quantity" INTEGER NOT NULL DEFAULT 1,
    "priceAtSave" NUMERIC(12,2) NOT NULL,
    "savedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "saved_cart_items_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "wishlists" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "siteId" TEXT,
    "customerId" TEXT,
    "sessionToken" TEXT,
    "name" TEXT NOT NULL DEFAULT 'My Wishlist',
    "isPublic" BOOLEAN NOT NULL DEFAULT false,
    "sharedUrl" TEXT,
    "itemCount" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "wishlists_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "wishlist_items" (
    "id" TEXT NOT NULL,
    "wishlistId" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "variantId" TEXT,
    "productSnapshot" JSONB NOT NULL,
    "priority" INTEGER NOT NULL DEFAULT 100,
    "notes" TEXT,
    "addedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "wishlist_items_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "product_comparisons" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "siteId" TEXT,
    "customerId" TEXT,
    "sessionToken" TEXT,
    "visitorId" TEXT,
    "name" TEXT,
    "shareToken" TEXT,
    "isShared" BOOLEAN NOT NULL DEFAULT false,
    "sharedAt" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3),
    "mergedIntoComparisonId" TEXT,
    "mergedAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "product_comparisons_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "product_comparison_items" (
    "id" TEXT NOT NULL,
    "comparisonId" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "variantId" TEXT,
    "productSnapshot" JSONB NOT NULL,
    "position" INTEGER NOT NULL DEFAULT 0,
    "addedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "product_comparison_items_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "cross_site_sessions" (
    "id" TEXT NOT NULL,
    "companyId" TEXT NOT NULL,
    "sessionToken" TEXT NOT NULL,
    "visitorId" TEXT,
    "customerId" TEXT,
    "status" "CrossSiteSessionStatus" NOT NULL DEFAULT 'ACTIVE',
    "dataReferences" JSONB NOT NULL DEFAULT '[]',
    "deviceInfo" JSONB,
    "firstSeenAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastActiveAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "cross_site_sessions_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "carts_sessionToken_key" ON "carts" ("sessionToken");

CREATE UNIQUE INDEX "carts_orderId_key" ON "carts" ("orderId");

CREATE INDEX "carts_companyId_status_idx" ON "carts" ("companyId", "status");

CREATE INDEX "carts_companyId_customerId_idx" ON "carts" ("companyId", "customerId");

CREATE INDEX "carts_companyId_siteId_status_idx" ON "carts" ("companyId", "siteId", "status");

CREATE INDEX "carts_status_expiresAt_idx" ON "carts" ("status", "expiresAt");

CREATE INDEX "carts_visitorId_idx" ON "carts" ("visitorId");

CREATE INDEX "carts_companyId_lastActivityAt_id_idx" ON "carts" ("companyId", "lastActivityAt", "id");

CREATE INDEX "carts_companyId_status_lastActivityAt_id_idx" ON "carts" ("companyId", "status", "lastActivityAt", "id") INCLUDE ("currency", "grandTotal");

CREATE INDEX "carts_companyId_createdAt_idx" ON "carts" ("companyId", "createdAt") INCLUDE ("status", "currency", "siteType", "itemCount", "abandonedAt", "convertedAt", "recoveryEmailSentAt");

CREATE INDEX "carts_companyId_convertedAt_idx" ON "carts" ("companyId", "convertedAt") INCLUDE ("currency", "siteType", "grandTotal");

CREATE INDEX "carts_siteId_idx" ON "carts" ("siteId");

CREATE INDEX "carts_customerId_idx" ON "carts" ("customerId");

CREATE INDEX "cart_items_cartId_idx" ON "cart_items" ("cartId");

CREATE INDEX "cart_items_productId_idx" ON "cart_items" ("productId");

CREATE UNIQUE INDEX "saved_cart_items_cartId_productId_variantId_key" ON "saved_cart_items" ("cartId", "productId", "variantId");

CREATE INDEX "saved_cart_items_productId_idx" ON "saved_cart_items" ("productId");

CREATE UNIQUE INDEX "wishlists_sessionToken_key" ON "wishlists" ("sessionToken");

CREATE UNIQUE INDEX "wishlists_sharedUrl_key" ON "wishlists" ("sharedUrl");

CREATE INDEX "wishlists_companyId_idx" ON "wishlists" ("companyId");

CREATE INDEX "wishlists_siteId_idx" ON "wishlists" ("siteId");

CREATE INDEX "wishlists_customerId_idx" ON "wishlists" ("customerId");

CREATE UNIQUE INDEX "wishlist_items_wishlistId_productId_variantId_key" ON "wishlist_items" ("wishlistId", "productId", "variantId");

CREATE INDEX "wishlist_items_productId_idx" ON "wishlist_items" ("productId");

CREATE UNIQUE INDEX "product_comparisons_sessionToken_key" ON "product_comparisons" ("sessionToken");

CREATE UNIQUE INDEX "product_comparisons_shareToken_key" ON "product_comparisons" ("shareToken");

CREATE INDEX "product_comparisons_companyId_idx" ON "product_comparisons" ("companyId");

CREATE INDEX "product_comparisons_siteId_idx" ON "product_comparisons" ("siteId");

CREATE INDEX "product_comparisons_customerId_idx" ON "product_comparisons" ("customerId");

CREATE UNIQUE INDEX "product_comparison_items_comparisonId_productId_variantId_key" ON "product_comparison_items" ("comparisonId", "productId", "variantId");

CREATE INDEX "product_comparison_items_productId_idx" ON "product_comparison_items" ("productId");

CREATE UNIQUE INDEX "cross_site_sessions_sessionToken_key" ON "cross_site_sessions" ("sessionToken");

CREATE INDEX "cross_site_sessions_companyId_idx" ON "cross_site_sessions" ("companyId");

CREATE INDEX "cross_site_sessions_customerId_idx" ON "cross_site_sessions" ("customerId");

ALTER TABLE "carts" ADD CONSTRAINT "carts_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "carts" ADD CONSTRAINT "carts_siteId_fkey" FOREIGN KEY ("siteId") REFERENCES "sites" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "carts" ADD CONSTRAINT "carts_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "customers" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "cart_items" ADD CONSTRAINT "cart_items_cartId_fkey" FOREIGN KEY ("cartId") REFERENCES "carts" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "cart_items" ADD CONSTRAINT "cart_items_productId_fkey" FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "saved_cart_items" ADD CONSTRAINT "saved_cart_items_cartId_fkey" FOREIGN KEY ("cartId") REFERENCES "carts" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "saved_cart_items" ADD CONSTRAINT "saved_cart_items_productId_fkey" FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "wishlists" ADD CONSTRAINT "wishlists_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "wishlists" ADD CONSTRAINT "wishlists_siteId_fkey" FOREIGN KEY ("siteId") REFERENCES "sites" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "wishlists" ADD CONSTRAINT "wishlists_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "customers" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "wishlist_items" ADD CONSTRAINT "wishlist_items_wishlistId_fkey" FOREIGN KEY ("wishlistId") REFERENCES "wishlists" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "wishlist_items" ADD CONSTRAINT "wishlist_items_productId_fkey" FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "product_comparisons" ADD CONSTRAINT "product_comparisons_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "product_comparisons" ADD CONSTRAINT "product_comparisons_siteId_fkey" FOREIGN KEY ("siteId") REFERENCES "sites" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "product_comparisons" ADD CONSTRAINT "product_comparisons_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "customers" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "product_comparison_items" ADD CONSTRAINT "product_comparison_items_comparisonId_fkey" FOREIGN KEY ("comparisonId") REFERENCES "product_comparisons" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "product_comparison_items" ADD CONSTRAINT "product_comparison_items_productId_fkey" FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "cross_site_sessions" ADD CONSTRAINT "cross_site_sessions_companyId_fkey" FOREIGN KEY ("companyId") REFERENCES "companies" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "cross_site_sessions" ADD CONSTRAINT "cross_site_sessions_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "customers" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
