-- The platform's tables that the cart's migrations reference and never change; small versions of their own.
CREATE TABLE companies (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    beta BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE sites (
    id TEXT PRIMARY KEY,
    "companyId" TEXT NOT NULL REFERENCES companies (id) ON UPDATE CASCADE ON DELETE CASCADE,
    name TEXT NOT NULL,
    domain TEXT NOT NULL UNIQUE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "sites_companyId_idx" ON sites ("companyId");

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    "companyId" TEXT NOT NULL REFERENCES companies (id) ON UPDATE CASCADE ON DELETE CASCADE,
    email TEXT NOT NULL,
    "firstName" TEXT NOT NULL,
    "lastName" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX "customers_companyId_email_key" ON customers ("companyId", email);

CREATE TABLE products (
    id TEXT PRIMARY KEY,
    "companyId" TEXT NOT NULL REFERENCES companies (id) ON UPDATE CASCADE ON DELETE CASCADE,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    price NUMERIC(12, 2) NOT NULL,
    stock INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "products_companyId_category_idx" ON products ("companyId", category);

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    "companyId" TEXT NOT NULL REFERENCES companies (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "customerId" TEXT REFERENCES customers (id) ON UPDATE CASCADE ON DELETE SET NULL,
    status TEXT NOT NULL DEFAULT 'PENDING',
    currency TEXT NOT NULL DEFAULT 'USD',
    total NUMERIC(12, 2) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "processedAt" TIMESTAMP(3)
);
CREATE INDEX "orders_companyId_createdAt_idx" ON orders ("companyId", "createdAt");
CREATE INDEX "orders_customerId_idx" ON orders ("customerId");
CREATE INDEX "orders_pending_idx" ON orders ("createdAt") WHERE status = 'PENDING';
