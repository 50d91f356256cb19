DROP INDEX "idx_cross_site_sessions_cleanup";

DROP INDEX "idx_carts_expiration";

DROP INDEX "idx_carts_recovery_candidates";
