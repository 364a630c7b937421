-- The timeline of every source and the jobs that fill it.
--
-- `windows` tiles the timeline: each tile but the first follows the end of another, no two start or end at the same
-- time, and there is one first tile, at the start of the source. As every tile ends after it starts, the tiles are one
-- chain without hole, overlap or fork, whoever writes them. Each tile has one job and each live job one tile.
--
-- Keys begin with their most selective column. With the tenant first, several indexes of a table would share a prefix of
-- two columns, and a planner without statistics takes any of them to find one row: each check of a foreign key then
-- reads the whole timeline.

-- State x event -> state, the same table as `transitions` of the domain's log job (a test compares them). A missing
-- row is a transition that must not happen.
CREATE TABLE job_transitions (
  state text NOT NULL,
  event text NOT NULL,
  next text NOT NULL,
  PRIMARY KEY (state, event)
);
INSERT INTO job_transitions (state, event, next) VALUES
  ('planned', 'lease', 'leased'),
  ('planned', 'expire', 'gap'),
  ('planned', 'split', 'split'),
  ('leased', 'lease', 'leased'),
  ('leased', 'store', 'stored'),
  ('leased', 'commit', 'committed'),
  ('leased', 'fail', 'planned'),
  ('leased', 'split', 'split'),
  ('stored', 'lease', 'leased'),
  ('stored', 'commit', 'committed'),
  ('stored', 'fail', 'planned');

CREATE TABLE log_jobs (
  customer_id uuid NOT NULL,
  id uuid NOT NULL,
  zone_id uuid NOT NULL,
  source_id uuid NOT NULL,
  from_ms unix_ms NOT NULL,
  to_ms unix_ms NOT NULL,
  state text NOT NULL CHECK (state IN ('planned', 'leased', 'stored', 'committed', 'gap', 'split')),
  -- How often the job was leased, and how many of those attempts failed.
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  failures integer NOT NULL DEFAULT 0 CHECK (failures BETWEEN 0 AND attempts),
  -- Grows by one with each lease; a write that carries an older fence is refused.
  fence integer NOT NULL DEFAULT 0 CHECK (fence >= 0),
  not_before_ms unix_ms NOT NULL DEFAULT 0,
  last_error text CHECK (length(last_error) <= 4000),
  lease_owner text,
  lease_until_ms unix_ms,
  -- The sealed object. It outlives a lost lease: the next attempt looks whether it is whole and adopts it.
  object_key text CHECK (object_key <> '-'),
  object_sha256 sha256_digest,
  object_size safe_count,
  codec text CHECK (codec IN ('identity', 'gzip', 'zstd')),
  encryption text CHECK (encryption IN ('none', 'c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM')),
  dek text,
  records safe_count,
  plain_size safe_count,
  fidelity text CHECK (fidelity IN ('complete', 'sampled', 'partial')),
  params_sha256 sha256_digest,
  -- A gap's facts, on the one job that stands for the whole gap.
  gap_reason text CHECK (gap_reason IN ('expired', 'blocked', 'outage', 'session', 'overflow', 'erased-at-source', 'unknown')),
  gap_detected_ms unix_ms,
  gap_document_sha256 sha256_digest,
  -- The gap's job, on the jobs it covers. They lost their tile to it.
  superseded_by uuid,
  created_ms unix_ms NOT NULL,
  updated_ms unix_ms NOT NULL,
  -- The job itself while it has a tile.
  tile_job uuid GENERATED ALWAYS AS (CASE WHEN state <> 'split' AND superseded_by IS NULL THEN id END) STORED,
  -- The job itself and its object or document, once the ledger must have its entry.
  entry_job uuid GENERATED ALWAYS AS (
    CASE WHEN state = 'committed' OR (state = 'gap' AND superseded_by IS NULL) THEN id END
  ) STORED,
  entry_object bytea GENERATED ALWAYS AS (
    CASE WHEN state = 'committed' THEN object_sha256
         WHEN state = 'gap' AND superseded_by IS NULL THEN gap_document_sha256 END
  ) STORED,
  PRIMARY KEY (id, customer_id),
  FOREIGN KEY (customer_id, zone_id, source_id) REFERENCES sources (customer_id, zone_id, id),
  FOREIGN KEY (customer_id, superseded_by) REFERENCES log_jobs (customer_id, id) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT log_jobs_tile_key UNIQUE (tile_job, source_id, customer_id, from_ms, to_ms),
  CONSTRAINT log_jobs_entry_key UNIQUE (entry_job, entry_object, customer_id),
  CONSTRAINT log_jobs_window CHECK (from_ms < to_ms),
  CONSTRAINT log_jobs_lease CHECK (
    num_nulls(lease_owner, lease_until_ms) = CASE WHEN state IN ('leased', 'stored') THEN 0 ELSE 2 END
  ),
  -- The facts of an object are there together or not at all; key, dek and params may be none.
  CONSTRAINT log_jobs_object_whole CHECK (
    num_nulls(object_sha256, object_size, codec, encryption, records, plain_size, fidelity) IN (0, 7)
    AND (object_sha256 IS NOT NULL OR num_nonnulls(object_key, dek, params_sha256) = 0)
  ),
  CONSTRAINT log_jobs_object_present CHECK (state NOT IN ('stored', 'committed') OR object_sha256 IS NOT NULL),
  CONSTRAINT log_jobs_object_encryption CHECK ((dek IS NULL) = (encryption = 'none')),
  -- An empty window stores nothing (ledger format section 3).
  CONSTRAINT log_jobs_object_empty CHECK (
    object_sha256 IS NULL OR (
      (object_key IS NULL) = (object_size = 0)
      AND (object_key IS NULL) = (records = 0)
      AND (object_key IS NULL) = (plain_size = 0)
      AND (object_key IS NULL) = (object_sha256 = sha256(''))
    )
  ),
  CONSTRAINT log_jobs_gap CHECK (
    num_nulls(gap_reason, gap_detected_ms, gap_document_sha256)
      = CASE WHEN state = 'gap' AND superseded_by IS NULL THEN 0 ELSE 3 END
  ),
  CONSTRAINT log_jobs_superseded CHECK (superseded_by IS NULL OR (state = 'gap' AND superseded_by <> id))
);
-- What may be leased and what may become a gap, by age.
CREATE INDEX log_jobs_open ON log_jobs (source_id, from_ms, customer_id) WHERE state IN ('planned', 'leased', 'stored');
-- The pages of a zone's jobs, newest first.
CREATE INDEX log_jobs_of_zone ON log_jobs (zone_id, from_ms, customer_id) WHERE tile_job IS NOT NULL;

CREATE TABLE windows (
  customer_id uuid NOT NULL,
  source_id uuid NOT NULL,
  from_ms unix_ms NOT NULL,
  to_ms unix_ms NOT NULL,
  job_id uuid NOT NULL,
  -- The end of the tile before; none for the first.
  follows bigint,
  first_from bigint GENERATED ALWAYS AS (CASE WHEN follows IS NULL THEN from_ms END) STORED,
  PRIMARY KEY (source_id, from_ms, customer_id),
  CONSTRAINT windows_to_key UNIQUE (source_id, to_ms, customer_id),
  CONSTRAINT windows_job_key UNIQUE (job_id, source_id, customer_id),
  CONSTRAINT windows_positive CHECK (from_ms < to_ms),
  CONSTRAINT windows_follow CHECK (follows = from_ms),
  CONSTRAINT windows_no_hole FOREIGN KEY (customer_id, source_id, follows)
    REFERENCES windows (customer_id, source_id, to_ms) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT windows_first_at_start FOREIGN KEY (customer_id, source_id, first_from)
    REFERENCES sources (customer_id, id, starts_at_ms),
  CONSTRAINT windows_live_job FOREIGN KEY (customer_id, source_id, job_id, from_ms, to_ms)
    REFERENCES log_jobs (customer_id, source_id, tile_job, from_ms, to_ms) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX windows_one_first ON windows (customer_id, source_id) WHERE follows IS NULL;

ALTER TABLE log_jobs ADD CONSTRAINT log_jobs_has_tile FOREIGN KEY (customer_id, source_id, tile_job)
  REFERENCES windows (customer_id, source_id, job_id) DEFERRABLE INITIALLY DEFERRED;

-- Where each timeline ends and what it holds: counted by triggers in the transaction that changes a job, so that
-- progress never scans the jobs. The application only reads it.
CREATE TABLE timelines (
  customer_id uuid NOT NULL,
  source_id uuid NOT NULL,
  -- The end of the last tile; none before the first. The foreign key and "never back" keep the tail from being cut off.
  last_to_ms unix_ms,
  -- When a job of the source was last leased: who waited longest is served first.
  last_leased_ms unix_ms,
  planned safe_count NOT NULL DEFAULT 0,
  leased safe_count NOT NULL DEFAULT 0,
  stored safe_count NOT NULL DEFAULT 0,
  committed safe_count NOT NULL DEFAULT 0,
  gap safe_count NOT NULL DEFAULT 0,
  split safe_count NOT NULL DEFAULT 0,
  -- Sums over the committed windows.
  records safe_count NOT NULL DEFAULT 0,
  plain_bytes safe_count NOT NULL DEFAULT 0,
  stored_bytes safe_count NOT NULL DEFAULT 0,
  PRIMARY KEY (customer_id, source_id),
  FOREIGN KEY (customer_id, source_id) REFERENCES sources (customer_id, id),
  CONSTRAINT timelines_end FOREIGN KEY (customer_id, source_id, last_to_ms)
    REFERENCES windows (customer_id, source_id, to_ms) DEFERRABLE INITIALLY DEFERRED
) WITH (fillfactor = 50);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION check_job_insert() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.state NOT IN ('planned', 'gap') OR NEW.fence <> 0 OR NEW.attempts <> 0 OR NEW.superseded_by IS NOT NULL THEN
    RAISE EXCEPTION 'a job starts as planned or as a gap, never leased' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER log_jobs_insert BEFORE INSERT ON log_jobs FOR EACH ROW EXECUTE FUNCTION check_job_insert();

CREATE FUNCTION check_job_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.customer_id, NEW.id, NEW.zone_id, NEW.source_id, NEW.from_ms, NEW.to_ms, NEW.created_ms)
     IS DISTINCT FROM (OLD.customer_id, OLD.id, OLD.zone_id, OLD.source_id, OLD.from_ms, OLD.to_ms, OLD.created_ms) THEN
    RAISE EXCEPTION 'job %: identity and window never change', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state = OLD.state AND NEW.fence = OLD.fence THEN
    -- The only change that is no event is a renewed lease.
    IF OLD.state NOT IN ('leased', 'stored')
       OR (NEW.lease_owner, NEW.attempts, NEW.failures, NEW.not_before_ms, NEW.last_error, NEW.object_key,
           NEW.object_sha256, NEW.object_size, NEW.codec, NEW.encryption, NEW.dek, NEW.records, NEW.plain_size,
           NEW.fidelity, NEW.params_sha256)
          IS DISTINCT FROM
          (OLD.lease_owner, OLD.attempts, OLD.failures, OLD.not_before_ms, OLD.last_error, OLD.object_key,
           OLD.object_sha256, OLD.object_size, OLD.codec, OLD.encryption, OLD.dek, OLD.records, OLD.plain_size,
           OLD.fidelity, OLD.params_sha256) THEN
      RAISE EXCEPTION 'job %: a % job does not change without an event', OLD.id, OLD.state
        USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NOT EXISTS (SELECT FROM job_transitions t WHERE t.state = OLD.state AND t.next = NEW.state) THEN
    RAISE EXCEPTION 'job %: no transition from % to %', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.fence <> OLD.fence + (NEW.state = 'leased')::integer THEN
    RAISE EXCEPTION 'job %: each lease, and nothing else, adds one to the fence', OLD.id
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state = 'leased' AND OLD.state <> 'planned' AND OLD.lease_until_ms > NEW.updated_ms THEN
    RAISE EXCEPTION 'job %: the lease of % has not run out', OLD.id, OLD.lease_owner
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER log_jobs_update BEFORE UPDATE ON log_jobs FOR EACH ROW EXECUTE FUNCTION check_job_update();
CREATE TRIGGER log_jobs_delete BEFORE DELETE ON log_jobs FOR EACH ROW
  EXECUTE FUNCTION refuse_change('a job is closed by its state, never deleted');
CREATE TRIGGER log_jobs_truncate BEFORE TRUNCATE ON log_jobs FOR EACH STATEMENT
  EXECUTE FUNCTION refuse_change('a job is closed by its state, never deleted');

CREATE FUNCTION open_timeline() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO timelines (customer_id, source_id) VALUES (NEW.customer_id, NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER sources_timeline AFTER INSERT ON sources FOR EACH ROW EXECUTE FUNCTION open_timeline();

CREATE FUNCTION check_timeline() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF OLD.last_to_ms IS NOT NULL AND (NEW.last_to_ms IS NULL OR NEW.last_to_ms < OLD.last_to_ms) THEN
    RAISE EXCEPTION 'the end of timeline % never moves back', OLD.source_id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER timelines_update BEFORE UPDATE ON timelines FOR EACH ROW EXECUTE FUNCTION check_timeline();

CREATE FUNCTION extend_timelines() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE timelines t SET last_to_ms = added.to_ms
  FROM (SELECT customer_id, source_id, max(to_ms) AS to_ms FROM new_rows GROUP BY customer_id, source_id) added
  WHERE (t.customer_id, t.source_id) = (added.customer_id, added.source_id)
    AND (t.last_to_ms IS NULL OR t.last_to_ms < added.to_ms);
  RETURN NULL;
END $$;
CREATE TRIGGER windows_extend AFTER INSERT ON windows REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION extend_timelines();

-- A job superseded by a gap is counted no more: `gap` counts the gaps, not the windows they cover.
CREATE FUNCTION count_new_jobs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE timelines t SET planned = t.planned + d.planned, gap = t.gap + d.gap
  FROM (
    SELECT customer_id, source_id, count(*) FILTER (WHERE state = 'planned') AS planned,
      count(*) FILTER (WHERE state = 'gap') AS gap
    FROM new_rows GROUP BY customer_id, source_id
  ) d
  WHERE (t.customer_id, t.source_id) = (d.customer_id, d.source_id);
  RETURN NULL;
END $$;
CREATE TRIGGER log_jobs_count_new AFTER INSERT ON log_jobs REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_new_jobs();

CREATE FUNCTION count_changed_jobs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE timelines t SET
    planned = t.planned + d.planned, leased = t.leased + d.leased, stored = t.stored + d.stored,
    committed = t.committed + d.committed, gap = t.gap + d.gap, split = t.split + d.split,
    records = t.records + d.records, plain_bytes = t.plain_bytes + d.plain_bytes,
    stored_bytes = t.stored_bytes + d.stored_bytes,
    last_leased_ms = coalesce(greatest(t.last_leased_ms, d.leased_ms), t.last_leased_ms)
  FROM (
    SELECT c.customer_id, c.source_id,
      coalesce(sum(c.change) FILTER (WHERE c.state = 'planned'), 0) AS planned,
      coalesce(sum(c.change) FILTER (WHERE c.state = 'leased'), 0) AS leased,
      coalesce(sum(c.change) FILTER (WHERE c.state = 'stored'), 0) AS stored,
      coalesce(sum(c.change) FILTER (WHERE c.state = 'committed'), 0) AS committed,
      coalesce(sum(c.change) FILTER (WHERE c.state = 'gap' AND c.superseded_by IS NULL), 0) AS gap,
      coalesce(sum(c.change) FILTER (WHERE c.state = 'split'), 0) AS split,
      coalesce(sum(c.change * c.records) FILTER (WHERE c.state = 'committed'), 0) AS records,
      coalesce(sum(c.change * c.plain_size) FILTER (WHERE c.state = 'committed'), 0) AS plain_bytes,
      coalesce(sum(c.change * c.object_size) FILTER (WHERE c.state = 'committed'), 0) AS stored_bytes,
      max(c.updated_ms) FILTER (WHERE c.state = 'leased' AND c.change = 1) AS leased_ms
    FROM (
      SELECT customer_id, source_id, state, superseded_by, records, plain_size, object_size, updated_ms, 1 AS change
      FROM new_rows
      UNION ALL
      SELECT customer_id, source_id, state, superseded_by, records, plain_size, object_size, updated_ms, -1
      FROM old_rows
    ) c
    GROUP BY c.customer_id, c.source_id
  ) d
  WHERE (t.customer_id, t.source_id) = (d.customer_id, d.source_id);
  RETURN NULL;
END $$;
CREATE TRIGGER log_jobs_count_changed AFTER UPDATE ON log_jobs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_changed_jobs();

ALTER TABLE log_jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE log_jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON log_jobs
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

ALTER TABLE windows ENABLE ROW LEVEL SECURITY;
ALTER TABLE windows FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON windows
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

ALTER TABLE timelines ENABLE ROW LEVEL SECURITY;
ALTER TABLE timelines FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON timelines
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

GRANT SELECT ON job_transitions TO rainlogs_app;
GRANT SELECT, INSERT, UPDATE (state, attempts, failures, fence, not_before_ms, last_error, lease_owner, lease_until_ms,
  object_key, object_sha256, object_size, codec, encryption, dek, records, plain_size, fidelity, params_sha256,
  superseded_by, updated_ms) ON log_jobs TO rainlogs_app;
GRANT SELECT, INSERT, DELETE ON windows TO rainlogs_app;
GRANT SELECT ON timelines TO rainlogs_app;
