-- What looks across customers: which timelines to plan, which jobs are due, whose key this is, which ledgers to publish,
-- which zones to check again. Each is one function that returns ids and scheduling facts, owned by a role that may read
-- those columns and nothing else.

-- Sources with the end and the counts of their timelines; the caller's own rights and policies apply.
CREATE VIEW source_timelines WITH (security_invoker = true) AS
SELECT s.customer_id, c.origin, s.zone_id, s.id AS source_id, s.name, s.starts_at_ms, s.window_ms, z.status,
  coalesce(t.last_to_ms, s.starts_at_ms)::bigint AS planned_to_ms, t.last_leased_ms,
  t.planned, t.leased, t.stored, t.committed, t.gap, t.split, t.records, t.plain_bytes, t.stored_bytes
FROM sources s
JOIN timelines t ON (t.customer_id, t.source_id) = (s.customer_id, s.id)
JOIN zones z ON (z.customer_id, z.id) = (s.customer_id, s.zone_id)
JOIN customers c ON c.id = s.customer_id;

-- The same with the start of the oldest window that is neither committed nor a gap: one index probe a source.
CREATE VIEW source_progress WITH (security_invoker = true) AS
SELECT s.*, (
  SELECT j.from_ms::bigint FROM log_jobs j
  WHERE j.customer_id = s.customer_id AND j.source_id = s.source_id AND j.state IN ('planned', 'leased', 'stored')
  ORDER BY j.from_ms LIMIT 1
) AS oldest_open_ms
FROM source_timelines s;

GRANT SELECT ON source_timelines, source_progress TO rainlogs_app, rainlogs_scheduler;
GRANT SELECT (id, name, origin, created_ms) ON customers TO rainlogs_scheduler;
GRANT SELECT (customer_id, prefix, sha256, revoked_ms) ON api_keys TO rainlogs_scheduler;
GRANT SELECT (customer_id, id, status) ON zones TO rainlogs_scheduler;
GRANT SELECT ON sources, timelines TO rainlogs_scheduler;
GRANT SELECT (customer_id, id, source_id, state, from_ms, not_before_ms, lease_until_ms) ON log_jobs TO rainlogs_scheduler;

-- A policy holds for the members of its role too, and the owner of the schema is one: only the role itself sees all.
CREATE POLICY of_all ON customers FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
CREATE POLICY of_all ON api_keys FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
CREATE POLICY of_all ON zones FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
CREATE POLICY of_all ON sources FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
CREATE POLICY of_all ON timelines FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
CREATE POLICY of_all ON log_jobs FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');

-- The customer and secret hash behind the prefix of an API key that is not revoked.
CREATE FUNCTION find_api_key(wanted text)
RETURNS TABLE (customer_id uuid, name text, origin text, created_ms bigint, sha256 bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.id, c.name, c.origin, c.created_ms, k.sha256
  FROM api_keys k JOIN customers c ON c.id = k.customer_id
  WHERE k.prefix = wanted AND k.revoked_ms IS NULL
$$;

CREATE FUNCTION all_ledgers() RETURNS TABLE (customer_id uuid, origin text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT id, origin FROM customers ORDER BY id
$$;

CREATE FUNCTION blocked_zones() RETURNS TABLE (customer_id uuid, zone_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT customer_id, id FROM zones WHERE status = 'blocked' ORDER BY customer_id, id
$$;

CREATE FUNCTION active_timelines() RETURNS SETOF source_timelines
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT * FROM source_timelines WHERE status = 'active' ORDER BY customer_id, source_id
$$;

CREATE FUNCTION all_progress() RETURNS SETOF source_progress
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT * FROM source_progress ORDER BY customer_id, source_id
$$;

-- Jobs that may be leased at `at_ms`: at most `most`. Each source offers its oldest (most at risk) and its newest job in
-- turn; sources of one customer take turns, whoever waited longest for a lease first; so do customers. So no source and
-- no customer starves, however large another's backlog. A source is probed only as deep as its share of the answer.
CREATE FUNCTION due_jobs(at_ms bigint, most integer) RETURNS TABLE (customer_id uuid, job_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH live AS (
    SELECT t.customer_id, t.source_id, t.last_leased_ms, count(*) OVER () AS sources
    FROM timelines t
    JOIN sources s ON (s.customer_id, s.id) = (t.customer_id, t.source_id)
    JOIN zones z ON (z.customer_id, z.id) = (s.customer_id, s.zone_id)
    WHERE z.status = 'active' AND t.planned + t.leased + t.stored > 0
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

REVOKE ALL ON FUNCTION find_api_key(text), all_ledgers(), blocked_zones(), active_timelines(), all_progress(),
  due_jobs(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_api_key(text), all_ledgers(), blocked_zones(), active_timelines(), all_progress(),
  due_jobs(bigint, integer) TO rainlogs_app;
-- Trigger functions are run by their triggers and by nobody else.
REVOKE ALL ON FUNCTION refuse_change(), check_job_insert(), check_job_update(), open_timeline(), check_timeline(),
  extend_timelines(), count_new_jobs(), count_changed_jobs(), check_entry_time() FROM PUBLIC;

-- A function's owner must be allowed to create in its schema while it becomes the owner.
GRANT CREATE ON SCHEMA public TO rainlogs_scheduler;
ALTER FUNCTION find_api_key(text) OWNER TO rainlogs_scheduler;
ALTER FUNCTION all_ledgers() OWNER TO rainlogs_scheduler;
ALTER FUNCTION blocked_zones() OWNER TO rainlogs_scheduler;
ALTER FUNCTION active_timelines() OWNER TO rainlogs_scheduler;
ALTER FUNCTION all_progress() OWNER TO rainlogs_scheduler;
ALTER FUNCTION due_jobs(bigint, integer) OWNER TO rainlogs_scheduler;
REVOKE CREATE ON SCHEMA public FROM rainlogs_scheduler;
