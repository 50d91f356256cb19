-- Children before parents, types last; nothing that depends on them from outside is taken along.

DROP TABLE "cross_site_sessions";

DROP TABLE "product_comparison_items";

DROP TABLE "product_comparisons";

DROP TABLE "wishlist_items";

DROP TABLE "wishlists";

DROP TABLE "saved_cart_items";

DROP TABLE "cart_items";

DROP TABLE "carts";

DROP TYPE "CrossSiteSessionStatus";

DROP TYPE "SiteType";

DROP TYPE "CartStatus";
