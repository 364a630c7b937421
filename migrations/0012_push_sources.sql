-- Sources that are pushed to: the secret that their sender shows, and the spool that receives for them. A spool is the
-- directory of one appliance; nobody else has its batches.

CREATE TABLE push_sources (
  customer_id uuid NOT NULL,
  source_id uuid NOT NULL,
  secret_sha256 sha256_digest NOT NULL,
  spool uuid NOT NULL,
  updated_ms unix_ms NOT NULL,
  PRIMARY KEY (source_id, customer_id),
  FOREIGN KEY (customer_id, source_id) REFERENCES sources (customer_id, id)
);
CREATE INDEX push_sources_of_spool ON push_sources (spool);

ALTER TABLE push_sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE push_sources FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON push_sources
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
CREATE POLICY of_all ON push_sources FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');
GRANT SELECT, INSERT, UPDATE (secret_sha256, spool, updated_ms) ON push_sources TO rainlogs_app;
GRANT SELECT ON push_sources TO rainlogs_scheduler;

-- What a spool receives for, of all customers.
CREATE FUNCTION push_sources_of(wanted uuid)
RETURNS TABLE (customer_id uuid, zone_id uuid, source_id uuid, name text, secret_sha256 bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT p.customer_id, s.zone_id, p.source_id, s.name, p.secret_sha256
  FROM push_sources p JOIN sources s ON (s.customer_id, s.id) = (p.customer_id, p.source_id)
  WHERE p.spool = wanted ORDER BY p.source_id
$$;
REVOKE ALL ON FUNCTION push_sources_of(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION push_sources_of(uuid) TO rainlogs_app;

-- A function's owner must be allowed to create in its schema while it becomes the owner.
GRANT CREATE ON SCHEMA public TO rainlogs_scheduler;
ALTER FUNCTION push_sources_of(uuid) OWNER TO rainlogs_scheduler;
REVOKE CREATE ON SCHEMA public FROM rainlogs_scheduler;
