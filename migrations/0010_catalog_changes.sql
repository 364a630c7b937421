-- How often the record of a customer changed that the catalog keeps (name, API keys, zones, sources), and how much of it is
-- in the catalog: what is not saved is found without reading every customer.

CREATE TABLE catalog_changes (
  customer_id uuid PRIMARY KEY REFERENCES customers (id),
  changes safe_count NOT NULL,
  -- The value of changes that the newest saved record was read at, or an earlier one.
  saved safe_count NOT NULL DEFAULT 0,
  CONSTRAINT catalog_changes_saved CHECK (saved <= changes)
);
CREATE INDEX catalog_changes_unsaved ON catalog_changes (customer_id) WHERE changes <> saved;

ALTER TABLE catalog_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE catalog_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON catalog_changes
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
CREATE POLICY of_all ON catalog_changes FOR SELECT TO rainlogs_scheduler USING (current_user = 'rainlogs_scheduler');

-- Customers that are there already are counted from their next change on; every start compares all records once.

-- Counted by the schema, so that no program can forget it. SECURITY DEFINER: nobody else may count.
CREATE FUNCTION count_catalog_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  changed jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
  INSERT INTO catalog_changes AS c (customer_id, changes)
  VALUES ((changed ->> CASE TG_TABLE_NAME WHEN 'customers' THEN 'id' ELSE 'customer_id' END)::uuid, 1)
  ON CONFLICT (customer_id) DO UPDATE SET changes = c.changes + 1;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION count_catalog_change() FROM PUBLIC;

CREATE TRIGGER customers_catalog AFTER INSERT OR UPDATE ON customers FOR EACH ROW
  EXECUTE FUNCTION count_catalog_change();
CREATE TRIGGER api_keys_catalog AFTER INSERT OR UPDATE OR DELETE ON api_keys FOR EACH ROW
  EXECUTE FUNCTION count_catalog_change();
CREATE TRIGGER zones_catalog AFTER INSERT OR UPDATE OR DELETE ON zones FOR EACH ROW
  EXECUTE FUNCTION count_catalog_change();
CREATE TRIGGER sources_catalog AFTER INSERT OR DELETE ON sources FOR EACH ROW
  EXECUTE FUNCTION count_catalog_change();
-- When a source was last looked at is no part of its record, and changes every minute.
CREATE TRIGGER sources_catalog_update AFTER UPDATE ON sources FOR EACH ROW
  WHEN (to_jsonb(OLD) - 'checked_ms' IS DISTINCT FROM to_jsonb(NEW) - 'checked_ms')
  EXECUTE FUNCTION count_catalog_change();

-- Customers whose record is not in the catalog as it is, after `after`: at most `most`.
CREATE FUNCTION unsaved_records(after uuid, most integer) RETURNS TABLE (customer_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.customer_id FROM catalog_changes c
  WHERE c.changes <> c.saved AND c.customer_id > after ORDER BY c.customer_id LIMIT most
$$;
REVOKE ALL ON FUNCTION unsaved_records(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unsaved_records(uuid, integer) TO rainlogs_app;

GRANT SELECT, UPDATE (saved) ON catalog_changes TO rainlogs_app;
GRANT SELECT (customer_id, changes, saved) ON catalog_changes TO rainlogs_scheduler;

-- A function's owner must be allowed to create in its schema while it becomes the owner.
GRANT CREATE ON SCHEMA public TO rainlogs_scheduler;
ALTER FUNCTION unsaved_records(uuid, integer) OWNER TO rainlogs_scheduler;
REVOKE CREATE ON SCHEMA public FROM rainlogs_scheduler;
