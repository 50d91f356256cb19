-- The roles that cartctl uses, none of them a superuser. To be run once by an administrator of the server:
--
--   psql -v deployer=cart_deployer -v owner=payment_owner -v reader=cart_reader -d shop -f roles.sql
--
-- owner     owns the cart's tables (database.owner_role); may be the role that owns the platform's tables
-- deployer  the user in database.dsn: becomes the owner for DDL, reads everything for dumps, writes the journal
-- reader    for every command that only reads (status, verify, plans, preflight, history, monitor, cart stats): changes
--           nothing, and does not need membership in the owner
--
-- The application's own role (database.app_role) needs nothing here: each migration grants it what it needs.
-- Passwords are not set here; use \password, or another authentication method of the server.
\set ON_ERROR_STOP on

SELECT current_database() AS database \gset

SELECT format('CREATE ROLE %I NOLOGIN', :'owner') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
SELECT format('CREATE ROLE %I LOGIN', :'deployer') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'deployer') \gexec
SELECT format('CREATE ROLE %I LOGIN', :'reader') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'reader') \gexec

-- DDL is executed as the owner, on exactly what the migrations touch.
GRANT :"owner" TO :"deployer";
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
GRANT REFERENCES, SELECT ON public.companies, public.sites, public.customers, public.products TO :"owner";

-- The schemas `cartctl` (applied migrations) and `cartctl_journal` (the runs) are created at the first use.
GRANT CONNECT, CREATE ON DATABASE :"database" TO :"deployer";

-- Dumps read every table; a blocking lock is reported with its holder. Rows that a policy hides are an error, never "no rows":
-- for tables with row-level security, also ALTER ROLE <deployer> BYPASSRLS, and the same for the owner with FORCE.
GRANT pg_read_all_data, pg_read_all_stats TO :"deployer";

-- Only cartctl's rows of Prisma's ledger are added and removed, if the ledger exists.
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON public._prisma_migrations TO %I', :'owner')
WHERE to_regclass('public._prisma_migrations') IS NOT NULL \gexec

GRANT CONNECT ON DATABASE :"database" TO :"reader";
GRANT pg_read_all_data, pg_read_all_stats TO :"reader";

-- Only for `cartctl signoff add` and `attest` by people who must not deploy (after the first run has created the schema):
--   GRANT CONNECT ON DATABASE <database> TO <approver>;
--   GRANT USAGE ON SCHEMA cartctl_journal TO <approver>;
--   GRANT SELECT, INSERT ON cartctl_journal.event TO <approver>;

-- Only for `cartctl snapshot restore`, which replaces the live database with a new one: the deployer must be able to create
-- databases and be a member of the role that owns this one.
--   ALTER ROLE :"deployer" CREATEDB;
--   GRANT <owner of the database> TO :"deployer";
