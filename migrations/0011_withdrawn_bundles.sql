-- Bundles that an erasure withdraws: their file holds a window that was erased, so it is removed and never made ready.

INSERT INTO bundle_transitions (state, event, next) VALUES ('ready', 'withdraw', 'withdrawn');

ALTER TABLE bundle_jobs
  -- The erasure that named a window of the bundle.
  ADD COLUMN withdrawn_by uuid,
  ADD CONSTRAINT bundle_jobs_erasure FOREIGN KEY (customer_id, withdrawn_by) REFERENCES erasures (customer_id, id),
  ADD CONSTRAINT bundle_jobs_withdrawn CHECK ((withdrawn_by IS NOT NULL) = (state = 'withdrawn')),
  DROP CONSTRAINT bundle_jobs_state_check,
  ADD CONSTRAINT bundle_jobs_state_check
    CHECK (state IN ('requested', 'running', 'ready', 'failed', 'expired', 'withdrawn')),
  DROP CONSTRAINT bundle_jobs_file,
  ADD CONSTRAINT bundle_jobs_file CHECK (
    num_nulls(file_bytes, file_sha256, file_objects, file_ledger_size, expires_ms)
      = CASE WHEN state IN ('ready', 'expired', 'withdrawn') THEN 0 ELSE 5 END
  );
CREATE INDEX bundle_jobs_withdrawn_by ON bundle_jobs (customer_id, withdrawn_by) WHERE withdrawn_by IS NOT NULL;
DROP INDEX bundle_jobs_ended;
CREATE INDEX bundle_jobs_ended ON bundle_jobs (updated_ms) WHERE state IN ('failed', 'expired', 'withdrawn');

GRANT UPDATE (withdrawn_by) ON bundle_jobs TO rainlogs_app;

-- As before; withdrawn bundles have ended too.
CREATE OR REPLACE FUNCTION overdue_bundles(at_ms bigint, ended_before_ms bigint, most integer)
RETURNS TABLE (customer_id uuid, bundle_id uuid, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  (SELECT b.customer_id, b.id, b.state FROM bundle_jobs b
   WHERE b.state = 'ready' AND b.expires_ms <= at_ms ORDER BY b.expires_ms LIMIT most)
  UNION ALL
  (SELECT b.customer_id, b.id, b.state FROM bundle_jobs b
   WHERE b.state IN ('failed', 'expired', 'withdrawn') AND b.updated_ms < ended_before_ms
   ORDER BY b.updated_ms LIMIT most)
$$;
