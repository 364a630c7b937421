-- Roles, customers, API keys, zones and sources.
--
-- Conventions of every migration:
--   * Times are Unix milliseconds given by the caller, never now(): simulated and replayed clocks give the same rows.
--   * Every table of a customer carries customer_id in its key and in every foreign key, and is under row-level security
--     (FORCE: it binds the owner too). Without the transaction's setting rainlogs.customer the policies show no row.
--   * An invariant is a constraint or a trigger, so that wrong code cannot commit a wrong row.

-- Roles belong to the whole server; another database of it may make them at this very moment.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rainlogs_app') THEN
    CREATE ROLE rainlogs_app NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- Owns the few functions that look across customers, and may read nothing but the columns those functions need.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rainlogs_scheduler') THEN
    CREATE ROLE rainlogs_scheduler NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- An owner that is no superuser must be a member of both roles: to work as the first and to give functions to the second.
-- If an administrator made the roles, that membership is the administrator's to grant.
DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT rainlogs_app, rainlogs_scheduler TO %I', current_user);
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'the roles rainlogs_app and rainlogs_scheduler must be granted to %', current_user;
END $$;

GRANT USAGE ON SCHEMA public TO rainlogs_app, rainlogs_scheduler;

-- Every number is one that JavaScript holds exactly (2^53 - 1).
CREATE DOMAIN unix_ms AS bigint CHECK (VALUE BETWEEN 0 AND 9007199254740991);
CREATE DOMAIN safe_count AS bigint CHECK (VALUE BETWEEN 0 AND 9007199254740991);
CREATE DOMAIN sha256_digest AS bytea CHECK (octet_length(VALUE) = 32);

CREATE TABLE customers (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (name <> ''),
  -- `<archive-domain>/t/<id>` (ledger format section 1).
  origin text NOT NULL UNIQUE CHECK (right(origin, 39) = '/t/' || id::text),
  created_ms unix_ms NOT NULL,
  UNIQUE (id, origin)
);

CREATE TABLE api_keys (
  customer_id uuid NOT NULL REFERENCES customers (id),
  -- The part of the key that finds it; the secret itself is not stored.
  prefix text PRIMARY KEY CHECK (prefix <> ''),
  sha256 sha256_digest NOT NULL,
  created_ms unix_ms NOT NULL,
  revoked_ms unix_ms
);
CREATE INDEX ON api_keys (customer_id);

CREATE TABLE zones (
  customer_id uuid NOT NULL REFERENCES customers (id),
  id uuid NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  cloudflare_zone text NOT NULL CHECK (cloudflare_zone ~ '^[0-9a-f]{32}$'),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked')),
  block_reason text CHECK (block_reason IN ('retention-off', 'unauthorised', 'zone-not-found', 'not-entitled')),
  block_since_ms unix_ms,
  block_remedy text,
  -- When the zone was last known to be collectable, to the minute.
  checked_ms unix_ms,
  -- The Cloudflare token, sealed under the customer's key: nonce, ciphertext, tag.
  token_sealed bytea NOT NULL CHECK (octet_length(token_sealed) >= 28),
  token_kek text NOT NULL CHECK (token_kek <> ''),
  created_ms unix_ms NOT NULL,
  PRIMARY KEY (customer_id, id),
  CONSTRAINT zones_cloudflare_zone_key UNIQUE (customer_id, cloudflare_zone),
  CONSTRAINT zones_block_complete CHECK (
    num_nulls(block_reason, block_since_ms, block_remedy) = CASE status WHEN 'blocked' THEN 0 ELSE 3 END
  )
);
CREATE INDEX zones_blocked ON zones (customer_id, id) WHERE status = 'blocked';

CREATE TABLE sources (
  customer_id uuid NOT NULL,
  id uuid NOT NULL,
  zone_id uuid NOT NULL,
  -- `<provider>/<way>/<dataset>`, as the ledger writes it.
  name text NOT NULL CHECK (name ~ '^[a-z0-9_-]+/[a-z0-9_-]+/[a-z0-9_-]+$'),
  -- Where the timeline starts. The first window holds on to it, so it never moves once there is one.
  starts_at_ms unix_ms NOT NULL,
  -- The longest window planned now.
  window_ms safe_count NOT NULL CHECK (window_ms > 0),
  PRIMARY KEY (customer_id, id),
  UNIQUE (customer_id, zone_id, name),
  UNIQUE (customer_id, zone_id, id),
  UNIQUE (customer_id, id, starts_at_ms),
  FOREIGN KEY (customer_id, zone_id) REFERENCES zones (customer_id, id)
);

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON customers
  USING (id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON api_keys
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

ALTER TABLE zones ENABLE ROW LEVEL SECURITY;
ALTER TABLE zones FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON zones
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

ALTER TABLE sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE sources FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON sources
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

GRANT SELECT, INSERT ON customers TO rainlogs_app;
GRANT SELECT, INSERT, UPDATE (revoked_ms) ON api_keys TO rainlogs_app;
GRANT SELECT, INSERT, UPDATE (name, status, block_reason, block_since_ms, block_remedy, checked_ms, token_sealed,
  token_kek) ON zones TO rainlogs_app;
GRANT SELECT, INSERT, UPDATE (window_ms) ON sources TO rainlogs_app;
