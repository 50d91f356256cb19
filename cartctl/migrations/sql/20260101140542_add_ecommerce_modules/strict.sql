-- What no honest writer ever breaks. Applied where cartctl owns the database alone.

ALTER TABLE "carts" ADD CONSTRAINT "carts_money_check" CHECK ("subtotal" >= 0 AND "discountTotal" >= 0 AND "taxTotal" >= 0 AND "shippingTotal" >= 0 AND "grandTotal" >= 0);

ALTER TABLE "carts" ADD CONSTRAINT "carts_mergedIntoCartId_check" CHECK ("mergedIntoCartId" <> "id");

ALTER TABLE "cart_items" ADD CONSTRAINT "cart_items_money_check" CHECK ("unitPrice" >= 0 AND "originalPrice" >= 0 AND "discountAmount" >= 0 AND "lineTotal" >= 0);

ALTER TABLE "cart_items" ADD CONSTRAINT "cart_items_quantity_check" CHECK ("quantity" >= 1);

ALTER TABLE "saved_cart_items" ADD CONSTRAINT "saved_cart_items_money_check" CHECK ("priceAtSave" >= 0);

ALTER TABLE "saved_cart_items" ADD CONSTRAINT "saved_cart_items_quantity_check" CHECK ("quantity" >= 1);

CREATE UNIQUE INDEX "saved_cart_items_cartId_productId_key" ON "saved_cart_items" ("cartId", "productId") WHERE "variantId" IS NULL;

CREATE UNIQUE INDEX "wishlist_items_wishlistId_productId_key" ON "wishlist_items" ("wishlistId", "productId") WHERE "variantId" IS NULL;

CREATE UNIQUE INDEX "product_comparison_items_comparisonId_productId_key" ON "product_comparison_items" ("comparisonId", "productId") WHERE "variantId" IS NULL;
