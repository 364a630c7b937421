-- Quotas of a customer: bytes of log lines archived on one day (UTC), and stored bytes. None means no limit. At a limit
-- no window of the customer is offered or leased: they stay planned, and are collected when there is room again.

ALTER TABLE customers
  ADD COLUMN quota_day_bytes safe_count CHECK (quota_day_bytes > 0),
  ADD COLUMN quota_stored_bytes safe_count CHECK (quota_stored_bytes > 0);

-- Bytes of log lines committed on each day, counted by a trigger in the transaction that commits a window.
CREATE TABLE usage_days (
  customer_id uuid NOT NULL REFERENCES customers (id),
  -- Days since 1970-01-01, UTC.
  day integer NOT NULL CHECK (day >= 0),
  plain_bytes safe_count NOT NULL DEFAULT 0,
  PRIMARY KEY (customer_id, day)
) WITH (fillfactor = 50);

CREATE FUNCTION count_usage() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO usage_days AS u (customer_id, day, plain_bytes)
  SELECT n.customer_id, n.updated_ms / 86400000, sum(n.plain_size)
  FROM new_rows n JOIN old_rows o ON (o.customer_id, o.id) = (n.customer_id, n.id)
  WHERE n.state = 'committed' AND o.state <> 'committed'
  GROUP BY n.customer_id, n.updated_ms / 86400000
  ON CONFLICT (customer_id, day) DO UPDATE SET plain_bytes = u.plain_bytes + excluded.plain_bytes;
  RETURN NULL;
END $$;
CREATE TRIGGER log_jobs_count_usage AFTER UPDATE ON log_jobs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_usage();
REVOKE ALL ON FUNCTION count_usage() FROM PUBLIC;

-- Stored bytes that an erasure has freed.
ALTER TABLE erasures ADD COLUMN freed_bytes safe_count NOT NULL DEFAULT 0;
ALTER TABLE erasures DISABLE TRIGGER USER;
UPDATE erasures e SET freed_bytes = (
  SELECT coalesce(sum(j.object_size), 0) FROM log_jobs j WHERE j.customer_id = e.customer_id AND j.erasure_id = e.id
) WHERE e.state = 'done';
ALTER TABLE erasures ENABLE TRIGGER USER;
CREATE FUNCTION count_freed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  NEW.freed_bytes := (
    SELECT coalesce(sum(j.object_size), 0) FROM log_jobs j WHERE j.customer_id = NEW.customer_id AND j.erasure_id = NEW.id
  );
  RETURN NEW;
END $$;
CREATE TRIGGER erasures_count_freed BEFORE UPDATE ON erasures FOR EACH ROW
  WHEN (NEW.state = 'done' AND OLD.state <> 'done') EXECUTE FUNCTION count_freed();
REVOKE ALL ON FUNCTION count_freed() FROM PUBLIC;

-- What a customer uses and may use; `paused` says which limit is reached at `at_ms`. The caller's rights and policies apply.
CREATE FUNCTION quota_usage(at_ms bigint)
RETURNS TABLE (customer_id uuid, day_limit bigint, stored_limit bigint, day_bytes bigint, stored_bytes bigint, paused text)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT u.*, CASE WHEN u.stored_bytes >= u.stored_limit THEN 'stored' WHEN u.day_bytes >= u.day_limit THEN 'day' END
  FROM (
    SELECT c.id AS customer_id, c.quota_day_bytes::bigint AS day_limit, c.quota_stored_bytes::bigint AS stored_limit,
      coalesce((
        SELECT d.plain_bytes::bigint FROM usage_days d WHERE d.customer_id = c.id AND d.day = at_ms / 86400000
      ), 0) AS day_bytes,
      (coalesce((SELECT sum(t.stored_bytes) FROM timelines t WHERE t.customer_id = c.id), 0)
        - coalesce((SELECT sum(e.freed_bytes) FROM erasures e WHERE e.customer_id = c.id), 0))::bigint AS stored_bytes
    FROM customers c
  ) u
$$;
REVOKE ALL ON FUNCTION quota_usage(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION quota_usage(bigint) TO rainlogs_app, rainlogs_scheduler;

ALTER TABLE usage_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_days FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON usage_days
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
CREATE POLICY of_all ON usage_days FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
CREATE POLICY freed_of_all ON erasures FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
GRANT SELECT ON usage_days TO rainlogs_app, rainlogs_scheduler;
GRANT SELECT (customer_id, freed_bytes) ON erasures TO rainlogs_scheduler;
GRANT SELECT (quota_day_bytes, quota_stored_bytes) ON customers TO rainlogs_scheduler;
GRANT UPDATE (quota_day_bytes, quota_stored_bytes) ON customers TO rainlogs_app;

-- Customers that are at a limit, of all customers.
CREATE FUNCTION paused_customers(at_ms bigint) RETURNS TABLE (customer_id uuid, paused text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT q.customer_id, q.paused FROM quota_usage(at_ms) q
  JOIN customers c ON c.id = q.customer_id AND (c.quota_day_bytes IS NOT NULL OR c.quota_stored_bytes IS NOT NULL)
  WHERE q.paused IS NOT NULL ORDER BY q.customer_id
$$;
REVOKE ALL ON FUNCTION paused_customers(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION paused_customers(bigint) TO rainlogs_app;

-- As before, of customers that are within their quotas.
CREATE OR REPLACE FUNCTION due_jobs(at_ms bigint, most integer) RETURNS TABLE (customer_id uuid, job_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH live AS (
    SELECT t.customer_id, t.source_id, t.last_leased_ms, count(*) OVER () AS sources
    FROM timelines t
    JOIN sources s ON (s.customer_id, s.id) = (t.customer_id, t.source_id)
    WHERE s.status = 'active' AND t.planned + t.leased + t.stored > 0
      AND t.customer_id NOT IN (SELECT p.customer_id FROM paused_customers(at_ms) p)
  ), offered AS (
    SELECT l.customer_id, l.last_leased_ms, j.id, j.from_ms, j.turn
    FROM live l CROSS JOIN LATERAL (
      (SELECT o.id, o.from_ms, 2 * row_number() OVER (ORDER BY o.from_ms) - 1 AS turn
       FROM log_jobs o
       WHERE o.customer_id = l.customer_id AND o.source_id = l.source_id AND o.state IN ('planned', 'leased', 'stored')
         AND o.not_before_ms <= at_ms AND (o.lease_until_ms IS NULL OR o.lease_until_ms <= at_ms)
       ORDER BY o.from_ms
       LIMIT greatest(4, 2 * most / l.sources))
      UNION ALL
      (SELECT n.id, n.from_ms, 2 * row_number() OVER (ORDER BY n.from_ms DESC) AS turn
       FROM log_jobs n
       WHERE n.customer_id = l.customer_id AND n.source_id = l.source_id AND n.state IN ('planned', 'leased', 'stored')
         AND n.not_before_ms <= at_ms AND (n.lease_until_ms IS NULL OR n.lease_until_ms <= at_ms)
       ORDER BY n.from_ms DESC
       LIMIT greatest(4, 2 * most / l.sources))
    ) j
  ), once AS (
    SELECT o.customer_id, o.id, min(o.turn) AS turn, min(o.last_leased_ms) AS last_leased_ms, min(o.from_ms) AS from_ms
    FROM offered o GROUP BY o.customer_id, o.id
  ), turns AS (
    SELECT o.*, row_number() OVER (
      PARTITION BY o.customer_id ORDER BY o.turn, o.last_leased_ms NULLS FIRST, o.from_ms, o.id
    ) AS customer_turn
    FROM once o
  )
  SELECT t.customer_id, t.id FROM turns t
  ORDER BY t.customer_turn, t.last_leased_ms NULLS FIRST, t.from_ms, t.id
  LIMIT most
$$;

-- A function's owner must be allowed to create in its schema while it becomes the owner.
GRANT CREATE ON SCHEMA public TO rainlogs_scheduler;
ALTER FUNCTION paused_customers(bigint) OWNER TO rainlogs_scheduler;
REVOKE CREATE ON SCHEMA public FROM rainlogs_scheduler;
