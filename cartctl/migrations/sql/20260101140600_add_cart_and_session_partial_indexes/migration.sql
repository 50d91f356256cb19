-- The background jobs' indexes. Their queries spell these predicates as literals.

-- Abandoned carts whose owner has not been written to.
CREATE INDEX "idx_carts_recovery_candidates" ON "carts" ("companyId", "abandonedAt", "recoveryEmailSent") WHERE "status" = 'ABANDONED' AND "recoveryEmailSent" = false;

-- Carts whose time runs out.
CREATE INDEX "idx_carts_expiration" ON "carts" ("expiresAt") WHERE "status" = 'ACTIVE' AND "expiresAt" IS NOT NULL;

-- Sessions whose time runs out.
CREATE INDEX "idx_cross_site_sessions_cleanup" ON "cross_site_sessions" ("expiresAt") WHERE "status" = 'ACTIVE';
