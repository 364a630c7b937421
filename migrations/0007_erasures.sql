-- Legal holds, and erasures from their announcement to the report that they are done (ledger format section 7).
--
-- Every row here is written in the transaction that appends its entry to the ledger, under the ledger's lock; the foreign
-- keys to the ledger keep a row without its entry from being committed.

CREATE TABLE holds (
  customer_id uuid NOT NULL REFERENCES customers (id),
  id uuid NOT NULL,
  basis text NOT NULL CHECK (basis <> ''),
  issued_ms unix_ms NOT NULL,
  -- The hold's entry and its document.
  job_id uuid NOT NULL,
  document sha256_digest NOT NULL,
  -- The same of the release, once there is one.
  release_job uuid,
  release_document sha256_digest,
  released_ms unix_ms,
  PRIMARY KEY (id, customer_id),
  CONSTRAINT holds_in_ledger FOREIGN KEY (customer_id, job_id, document)
    REFERENCES ledger_entries (customer_id, job_id, object) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT holds_release_in_ledger FOREIGN KEY (customer_id, release_job, release_document)
    REFERENCES ledger_entries (customer_id, job_id, object) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT holds_released CHECK (num_nulls(release_job, release_document, released_ms) IN (0, 3))
);
CREATE INDEX holds_active ON holds (customer_id, issued_ms, id) WHERE released_ms IS NULL;
CREATE INDEX holds_listed ON holds (customer_id, issued_ms, id);

-- Windows [from, to) of one chain, or of every chain.
CREATE TABLE hold_scopes (
  customer_id uuid NOT NULL,
  hold_id uuid NOT NULL,
  chain text NOT NULL,
  from_ms unix_ms NOT NULL,
  to_ms unix_ms NOT NULL,
  zone_id uuid GENERATED ALWAYS AS (CASE WHEN chain <> '*' THEN chain::uuid END) STORED,
  PRIMARY KEY (hold_id, chain, from_ms, to_ms, customer_id),
  FOREIGN KEY (customer_id, hold_id) REFERENCES holds (customer_id, id),
  FOREIGN KEY (customer_id, zone_id) REFERENCES zones (customer_id, id),
  CONSTRAINT hold_scopes_window CHECK (from_ms < to_ms)
);

-- A hold ends once, and nothing else about it changes.
CREATE FUNCTION check_hold_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF OLD.released_ms IS NOT NULL
     OR (NEW.customer_id, NEW.id, NEW.basis, NEW.issued_ms, NEW.job_id, NEW.document)
        IS DISTINCT FROM (OLD.customer_id, OLD.id, OLD.basis, OLD.issued_ms, OLD.job_id, OLD.document) THEN
    RAISE EXCEPTION 'hold %: only its release may be added, once', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER holds_update BEFORE UPDATE ON holds FOR EACH ROW EXECUTE FUNCTION check_hold_update();
CREATE TRIGGER holds_delete BEFORE DELETE ON holds FOR EACH ROW
  EXECUTE FUNCTION refuse_change('a hold is released, never deleted');
CREATE TRIGGER hold_scopes_change BEFORE UPDATE OR DELETE ON hold_scopes FOR EACH ROW
  EXECUTE FUNCTION refuse_change('the scope of a hold never changes');

-- announced: the intent is in the ledger. executing: objects or keys may be gone. done: they are, and the ledger says so.
CREATE TABLE erasures (
  customer_id uuid NOT NULL REFERENCES customers (id),
  id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('announced', 'executing', 'done')),
  reason text NOT NULL CHECK (reason IN ('retention', 'gdpr-art17', 'tenant-exit', 'court-order')),
  method text NOT NULL CHECK (method IN ('delete', 'crypto-erase')),
  basis text NOT NULL CHECK (basis <> ''),
  policy sha256_digest NOT NULL,
  requested_ms unix_ms NOT NULL,
  not_before_ms unix_ms NOT NULL,
  targets integer NOT NULL CHECK (targets > 0),
  -- The entry of the announcement and its document.
  intent_job uuid NOT NULL,
  intent_document sha256_digest NOT NULL,
  -- The same of the report, and when the store had answered.
  done_job uuid,
  done_document sha256_digest,
  executed_ms unix_ms,
  -- Why the last try did not come to its end.
  last_error text CHECK (length(last_error) <= 2000),
  updated_ms unix_ms NOT NULL,
  PRIMARY KEY (id, customer_id),
  CONSTRAINT erasures_intent_in_ledger FOREIGN KEY (customer_id, intent_job, intent_document)
    REFERENCES ledger_entries (customer_id, job_id, object) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT erasures_done_in_ledger FOREIGN KEY (customer_id, done_job, done_document)
    REFERENCES ledger_entries (customer_id, job_id, object) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT erasures_done CHECK (
    num_nulls(done_job, done_document, executed_ms) = CASE WHEN state = 'done' THEN 0 ELSE 3 END
  )
);
CREATE INDEX erasures_open ON erasures (customer_id, requested_ms, id) WHERE state <> 'done';
CREATE INDEX erasures_listed ON erasures (customer_id, requested_ms, id);

CREATE FUNCTION check_erasure_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.customer_id, NEW.id, NEW.reason, NEW.method, NEW.basis, NEW.policy, NEW.requested_ms, NEW.not_before_ms,
      NEW.targets, NEW.intent_job, NEW.intent_document)
     IS DISTINCT FROM
     (OLD.customer_id, OLD.id, OLD.reason, OLD.method, OLD.basis, OLD.policy, OLD.requested_ms, OLD.not_before_ms,
      OLD.targets, OLD.intent_job, OLD.intent_document) THEN
    RAISE EXCEPTION 'erasure %: what was announced never changes', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF (OLD.state, NEW.state) NOT IN (('announced', 'executing'), ('executing', 'executing'), ('executing', 'done')) THEN
    RAISE EXCEPTION 'erasure %: no transition from % to %', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER erasures_update BEFORE UPDATE ON erasures FOR EACH ROW EXECUTE FUNCTION check_erasure_update();
CREATE TRIGGER erasures_delete BEFORE DELETE ON erasures FOR EACH ROW
  EXECUTE FUNCTION refuse_change('an erasure that was announced is executed, never forgotten');

-- The erasure that names a committed window: at most one, for good.
ALTER TABLE log_jobs ADD COLUMN erasure_id uuid,
  ADD CONSTRAINT log_jobs_erasure FOREIGN KEY (customer_id, erasure_id) REFERENCES erasures (customer_id, id),
  ADD CONSTRAINT log_jobs_erased CHECK (erasure_id IS NULL OR (state = 'committed' AND object_key IS NOT NULL));
CREATE INDEX log_jobs_of_erasure ON log_jobs (erasure_id, customer_id) WHERE erasure_id IS NOT NULL;
-- What retention looks through, the oldest first.
CREATE INDEX log_jobs_erasable ON log_jobs (customer_id, to_ms, id)
  WHERE state = 'committed' AND object_key IS NOT NULL AND erasure_id IS NULL;

-- As before; a committed job may also be named by an erasure, once.
CREATE OR REPLACE FUNCTION check_job_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.customer_id, NEW.id, NEW.zone_id, NEW.source_id, NEW.from_ms, NEW.to_ms, NEW.created_ms)
     IS DISTINCT FROM (OLD.customer_id, OLD.id, OLD.zone_id, OLD.source_id, OLD.from_ms, OLD.to_ms, OLD.created_ms) THEN
    RAISE EXCEPTION 'job %: identity and window never change', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.erasure_id IS NOT NULL AND NEW.erasure_id IS DISTINCT FROM OLD.erasure_id THEN
    RAISE EXCEPTION 'job %: its erasure never changes', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state = OLD.state AND NEW.fence = OLD.fence THEN
    -- The only changes that are no event are a renewed lease and the erasure of a committed window.
    IF (OLD.state NOT IN ('leased', 'stored') AND NEW.erasure_id IS NOT DISTINCT FROM OLD.erasure_id)
       OR (NEW.lease_owner, NEW.attempts, NEW.failures, NEW.not_before_ms, NEW.last_error, NEW.object_key,
           NEW.object_sha256, NEW.object_size, NEW.codec, NEW.encryption, NEW.dek, NEW.records, NEW.plain_size,
           NEW.fidelity, NEW.params_sha256, NEW.records_root)
          IS DISTINCT FROM
          (OLD.lease_owner, OLD.attempts, OLD.failures, OLD.not_before_ms, OLD.last_error, OLD.object_key,
           OLD.object_sha256, OLD.object_size, OLD.codec, OLD.encryption, OLD.dek, OLD.records, OLD.plain_size,
           OLD.fidelity, OLD.params_sha256, OLD.records_root) THEN
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

ALTER TABLE holds ENABLE ROW LEVEL SECURITY;
ALTER TABLE holds FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON holds
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
ALTER TABLE hold_scopes ENABLE ROW LEVEL SECURITY;
ALTER TABLE hold_scopes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON hold_scopes
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
ALTER TABLE erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON erasures
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE (release_job, release_document, released_ms) ON holds TO rainlogs_app;
GRANT SELECT, INSERT ON hold_scopes TO rainlogs_app;
GRANT SELECT, INSERT, UPDATE (state, done_job, done_document, executed_ms, last_error, updated_ms)
  ON erasures TO rainlogs_app;
GRANT UPDATE (erasure_id) ON log_jobs TO rainlogs_app;
REVOKE ALL ON FUNCTION check_hold_update(), check_erasure_update() FROM PUBLIC;
