-- Evidence bundles that are made in the background: what was asked for, who makes it, and the file that came of it.

-- State x event -> state, the same table as `transitions` of the bundle job (a test compares them).
CREATE TABLE bundle_transitions (
  state text NOT NULL,
  event text NOT NULL,
  next text NOT NULL,
  PRIMARY KEY (state, event)
);
INSERT INTO bundle_transitions (state, event, next) VALUES
  ('requested', 'lease', 'running'),
  ('running', 'lease', 'running'),
  ('running', 'finish', 'ready'),
  ('running', 'retry', 'requested'),
  ('running', 'fail', 'failed'),
  ('ready', 'expire', 'expired');

CREATE TABLE bundle_jobs (
  customer_id uuid NOT NULL,
  id uuid NOT NULL,
  zone_id uuid NOT NULL,
  from_ms unix_ms NOT NULL,
  to_ms unix_ms NOT NULL,
  -- Whether the data keys of the objects go into the bundle.
  disclose boolean NOT NULL,
  -- The caller's name for the request: asking again under it is the same job.
  idempotency_key text CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'ready', 'failed', 'expired')),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- Grows by one with each lease; a write that carries an older fence is refused.
  fence integer NOT NULL DEFAULT 0 CHECK (fence >= 0),
  not_before_ms unix_ms NOT NULL DEFAULT 0,
  lease_owner text,
  lease_until_ms unix_ms,
  -- Of the attempt that runs: ledger entries gone through, and bytes of the file written.
  progress_entries safe_count NOT NULL DEFAULT 0,
  progress_bytes safe_count NOT NULL DEFAULT 0,
  -- The file, once it is whole.
  file_bytes safe_count,
  file_sha256 sha256_digest,
  file_objects safe_count,
  file_ledger_size safe_count,
  error_code text CHECK (length(error_code) <= 100),
  error_detail text CHECK (length(error_detail) <= 4000),
  created_ms unix_ms NOT NULL,
  updated_ms unix_ms NOT NULL,
  -- When the file is removed.
  expires_ms unix_ms,
  PRIMARY KEY (id, customer_id),
  FOREIGN KEY (customer_id, zone_id) REFERENCES zones (customer_id, id),
  CONSTRAINT bundle_jobs_idempotency_key UNIQUE (customer_id, idempotency_key),
  CONSTRAINT bundle_jobs_range CHECK (from_ms < to_ms),
  CONSTRAINT bundle_jobs_lease CHECK (
    num_nulls(lease_owner, lease_until_ms) = CASE state WHEN 'running' THEN 0 ELSE 2 END
  ),
  CONSTRAINT bundle_jobs_file CHECK (
    num_nulls(file_bytes, file_sha256, file_objects, file_ledger_size, expires_ms)
      = CASE WHEN state IN ('ready', 'expired') THEN 0 ELSE 5 END
  ),
  CONSTRAINT bundle_jobs_error CHECK (
    num_nulls(error_code, error_detail) IN (0, 2) AND (state <> 'failed' OR error_code IS NOT NULL)
  )
);
CREATE INDEX bundle_jobs_open ON bundle_jobs (created_ms, id) WHERE state IN ('requested', 'running');
CREATE INDEX bundle_jobs_of_customer ON bundle_jobs (customer_id, created_ms, id);
CREATE INDEX bundle_jobs_expiry ON bundle_jobs (expires_ms) WHERE state = 'ready';
CREATE INDEX bundle_jobs_ended ON bundle_jobs (updated_ms) WHERE state IN ('failed', 'expired');

CREATE FUNCTION check_bundle_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.customer_id, NEW.id, NEW.zone_id, NEW.from_ms, NEW.to_ms, NEW.disclose, NEW.idempotency_key, NEW.created_ms)
     IS DISTINCT FROM
     (OLD.customer_id, OLD.id, OLD.zone_id, OLD.from_ms, OLD.to_ms, OLD.disclose, OLD.idempotency_key, OLD.created_ms)
  THEN
    RAISE EXCEPTION 'bundle %: what was asked for never changes', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state = OLD.state AND NEW.fence = OLD.fence THEN
    -- The only change that is no event is a renewed lease with its progress.
    IF OLD.state <> 'running' OR (NEW.lease_owner, NEW.attempts) IS DISTINCT FROM (OLD.lease_owner, OLD.attempts) THEN
      RAISE EXCEPTION 'bundle %: a % bundle does not change without an event', OLD.id, OLD.state
        USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NOT EXISTS (SELECT FROM bundle_transitions t WHERE t.state = OLD.state AND t.next = NEW.state) THEN
    RAISE EXCEPTION 'bundle %: no transition from % to %', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.fence <> OLD.fence + (NEW.state = 'running')::integer THEN
    RAISE EXCEPTION 'bundle %: each lease, and nothing else, adds one to the fence', OLD.id
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state = 'running' AND OLD.state = 'running' AND OLD.lease_until_ms > NEW.updated_ms THEN
    RAISE EXCEPTION 'bundle %: the lease of % has not run out', OLD.id, OLD.lease_owner
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bundle_jobs_update BEFORE UPDATE ON bundle_jobs FOR EACH ROW EXECUTE FUNCTION check_bundle_update();

CREATE FUNCTION check_bundle_insert() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.state <> 'requested' OR NEW.fence <> 0 OR NEW.attempts <> 0 THEN
    RAISE EXCEPTION 'a bundle starts as requested' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bundle_jobs_insert BEFORE INSERT ON bundle_jobs FOR EACH ROW EXECUTE FUNCTION check_bundle_insert();

ALTER TABLE bundle_jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE bundle_jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON bundle_jobs
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

GRANT SELECT ON bundle_transitions TO rainlogs_app;
GRANT SELECT, INSERT, DELETE, UPDATE (state, attempts, fence, not_before_ms, lease_owner, lease_until_ms,
  progress_entries, progress_bytes, file_bytes, file_sha256, file_objects, file_ledger_size, error_code, error_detail,
  updated_ms, expires_ms) ON bundle_jobs TO rainlogs_app;

-- What looks across customers returns ids and scheduling facts, as in 0004.
GRANT SELECT (customer_id, id, state, not_before_ms, lease_until_ms, created_ms, updated_ms, expires_ms)
  ON bundle_jobs TO rainlogs_scheduler;
CREATE POLICY of_all ON bundle_jobs FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');

-- Bundles that may be leased at `at_ms`: at most `most`. Customers take turns, the one with the fewest running first.
CREATE FUNCTION due_bundles(at_ms bigint, most integer) RETURNS TABLE (customer_id uuid, bundle_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH open AS (
    SELECT b.customer_id, b.id, b.created_ms,
      b.not_before_ms <= at_ms AND (b.lease_until_ms IS NULL OR b.lease_until_ms <= at_ms) AS due,
      count(*) FILTER (WHERE b.lease_until_ms > at_ms) OVER (PARTITION BY b.customer_id) AS running
    FROM bundle_jobs b WHERE b.state IN ('requested', 'running')
  ), turns AS (
    SELECT o.*, o.running + row_number() OVER (PARTITION BY o.customer_id ORDER BY o.created_ms, o.id) AS turn
    FROM open o WHERE o.due
  )
  SELECT t.customer_id, t.id FROM turns t ORDER BY t.turn, t.created_ms, t.id LIMIT most
$$;

-- Bundles whose file has expired at `at_ms`, and ended ones that were last changed before `ended_before_ms`.
CREATE FUNCTION overdue_bundles(at_ms bigint, ended_before_ms bigint, most integer)
RETURNS TABLE (customer_id uuid, bundle_id uuid, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  (SELECT b.customer_id, b.id, b.state FROM bundle_jobs b
   WHERE b.state = 'ready' AND b.expires_ms <= at_ms ORDER BY b.expires_ms LIMIT most)
  UNION ALL
  (SELECT b.customer_id, b.id, b.state FROM bundle_jobs b
   WHERE b.state IN ('failed', 'expired') AND b.updated_ms < ended_before_ms ORDER BY b.updated_ms LIMIT most)
$$;

-- How many bundles wait or run, and when the oldest of them was asked for.
CREATE FUNCTION open_bundles() RETURNS TABLE (requested bigint, running bigint, oldest_ms bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT count(*) FILTER (WHERE state = 'requested'), count(*) FILTER (WHERE state = 'running'), min(created_ms)::bigint
  FROM bundle_jobs WHERE state IN ('requested', 'running')
$$;

REVOKE ALL ON FUNCTION due_bundles(bigint, integer), overdue_bundles(bigint, bigint, integer), open_bundles() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_bundles(bigint, integer), overdue_bundles(bigint, bigint, integer), open_bundles()
  TO rainlogs_app;
REVOKE ALL ON FUNCTION check_bundle_update(), check_bundle_insert() FROM PUBLIC;

GRANT CREATE ON SCHEMA public TO rainlogs_scheduler;
ALTER FUNCTION due_bundles(bigint, integer) OWNER TO rainlogs_scheduler;
ALTER FUNCTION overdue_bundles(bigint, bigint, integer) OWNER TO rainlogs_scheduler;
ALTER FUNCTION open_bundles() OWNER TO rainlogs_scheduler;
REVOKE CREATE ON SCHEMA public FROM rainlogs_scheduler;
