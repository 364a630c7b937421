-- The root over the commitments of an object's lines (ledger format section 9), one of the object's facts.

ALTER TABLE log_jobs ADD COLUMN records_root sha256_digest,
  ADD CONSTRAINT log_jobs_records_root CHECK (records_root IS NULL OR object_key IS NOT NULL);

GRANT UPDATE (records_root) ON log_jobs TO rainlogs_app;

-- As before, with the new column among those that change only with an event.
CREATE OR REPLACE FUNCTION check_job_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
