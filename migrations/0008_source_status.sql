-- Whether a zone can be collected is a matter of each of its sources: a token may read its logs and not its analytics.
-- Status, reason, remedy and the time of the last good answer move from the zone to its sources.

ALTER TABLE sources
  ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked')),
  ADD COLUMN block_reason text CHECK (block_reason IN ('retention-off', 'unauthorised', 'zone-not-found', 'not-entitled')),
  ADD COLUMN block_since_ms unix_ms,
  ADD COLUMN block_remedy text,
  -- When the source was last known to be collectable, to the minute.
  ADD COLUMN checked_ms unix_ms,
  ADD CONSTRAINT sources_block_complete CHECK (
    num_nulls(block_reason, block_since_ms, block_remedy) = CASE status WHEN 'blocked' THEN 0 ELSE 3 END
  );
UPDATE sources s SET status = z.status, block_reason = z.block_reason, block_since_ms = z.block_since_ms,
  block_remedy = z.block_remedy, checked_ms = z.checked_ms
FROM zones z WHERE (z.customer_id, z.id) = (s.customer_id, s.zone_id);
CREATE INDEX sources_blocked ON sources (customer_id, id) WHERE status = 'blocked';

CREATE OR REPLACE VIEW source_timelines WITH (security_invoker = true) AS
SELECT s.customer_id, c.origin, s.zone_id, s.id AS source_id, s.name, s.starts_at_ms, s.window_ms, s.status,
  coalesce(t.last_to_ms, s.starts_at_ms)::bigint AS planned_to_ms, t.last_leased_ms,
  t.planned, t.leased, t.stored, t.committed, t.gap, t.split, t.records, t.plain_bytes, t.stored_bytes,
  s.block_reason, s.block_since_ms, s.block_remedy
FROM sources s
JOIN timelines t ON (t.customer_id, t.source_id) = (s.customer_id, s.id)
JOIN customers c ON c.id = s.customer_id;

CREATE OR REPLACE VIEW source_progress WITH (security_invoker = true) AS
SELECT s.customer_id, s.origin, s.zone_id, s.source_id, s.name, s.starts_at_ms, s.window_ms, s.status,
  s.planned_to_ms, s.last_leased_ms,
  s.planned, s.leased, s.stored, s.committed, s.gap, s.split, s.records, s.plain_bytes, s.stored_bytes, (
    SELECT j.from_ms::bigint FROM log_jobs j
    WHERE j.customer_id = s.customer_id AND j.source_id = s.source_id AND j.state IN ('planned', 'leased', 'stored')
    ORDER BY j.from_ms LIMIT 1
  ) AS oldest_open_ms,
  s.block_reason, s.block_since_ms, s.block_remedy
FROM source_timelines s;

DROP FUNCTION blocked_zones();
CREATE FUNCTION blocked_sources() RETURNS TABLE (customer_id uuid, zone_id uuid, source_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT customer_id, zone_id, id FROM sources WHERE status = 'blocked' ORDER BY customer_id, id
$$;
REVOKE ALL ON FUNCTION blocked_sources() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION blocked_sources() TO rainlogs_app;

-- As before, of sources that are not blocked.
CREATE OR REPLACE FUNCTION due_jobs(at_ms bigint, most integer) RETURNS TABLE (customer_id uuid, job_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH live AS (
    SELECT t.customer_id, t.source_id, t.last_leased_ms, count(*) OVER () AS sources
    FROM timelines t
    JOIN sources s ON (s.customer_id, s.id) = (t.customer_id, t.source_id)
    WHERE s.status = 'active' AND t.planned + t.leased + t.stored > 0
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

ALTER TABLE zones DROP COLUMN status, DROP COLUMN block_reason, DROP COLUMN block_since_ms, DROP COLUMN block_remedy,
  DROP COLUMN checked_ms;

GRANT UPDATE (status, block_reason, block_since_ms, block_remedy, checked_ms) ON sources TO rainlogs_app;

-- A function's owner must be allowed to create in its schema while it becomes the owner.
GRANT CREATE ON SCHEMA public TO rainlogs_scheduler;
ALTER FUNCTION blocked_sources() OWNER TO rainlogs_scheduler;
REVOKE CREATE ON SCHEMA public FROM rainlogs_scheduler;
