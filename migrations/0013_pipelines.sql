-- Pipelines of sources, as versions that are only added to, and the keys of pseudonyms.

CREATE TABLE source_pipelines (
  customer_id uuid NOT NULL,
  source_id uuid NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  -- Canonical JSON; null: lines are archived as they come.
  document text CHECK (octet_length(document) <= 65536),
  set_ms unix_ms NOT NULL,
  PRIMARY KEY (customer_id, source_id, version),
  FOREIGN KEY (customer_id, source_id) REFERENCES sources (customer_id, id)
);

CREATE TABLE pseudonym_keys (
  customer_id uuid NOT NULL REFERENCES customers (id),
  period text NOT NULL CHECK (period ~ '^([0-9]{4}-(W?[0-9]{2}|[0-9]{2}-[0-9]{2})|never)$'),
  -- 32 random bytes under the customer's key: nonce, ciphertext, tag.
  sealed bytea CHECK (octet_length(sealed) = 60),
  kek text CHECK (kek <> ''),
  created_ms unix_ms NOT NULL,
  destroyed_ms unix_ms,
  PRIMARY KEY (customer_id, period),
  CONSTRAINT pseudonym_keys_destroyed CHECK (
    num_nulls(sealed, kek) = CASE WHEN destroyed_ms IS NULL THEN 0 ELSE 2 END
  )
);

-- What is destroyed stays destroyed, and a key is never replaced.
CREATE FUNCTION keep_pseudonym_key() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF OLD.destroyed_ms IS NOT NULL OR NEW.destroyed_ms IS NULL THEN
    RAISE EXCEPTION 'a key of pseudonyms can only be destroyed' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER pseudonym_keys_keep BEFORE UPDATE ON pseudonym_keys FOR EACH ROW EXECUTE FUNCTION keep_pseudonym_key();
REVOKE ALL ON FUNCTION keep_pseudonym_key() FROM PUBLIC;

ALTER TABLE source_pipelines ENABLE ROW LEVEL SECURITY;
ALTER TABLE source_pipelines FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON source_pipelines
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
ALTER TABLE pseudonym_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE pseudonym_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON pseudonym_keys
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);

-- Both are in the customer's record in the catalog.
CREATE TRIGGER source_pipelines_catalog AFTER INSERT ON source_pipelines FOR EACH ROW
  EXECUTE FUNCTION count_catalog_change();
CREATE TRIGGER pseudonym_keys_catalog AFTER INSERT OR UPDATE ON pseudonym_keys FOR EACH ROW
  EXECUTE FUNCTION count_catalog_change();

GRANT SELECT, INSERT ON source_pipelines TO rainlogs_app;
GRANT SELECT, INSERT, UPDATE (sealed, kek, destroyed_ms) ON pseudonym_keys TO rainlogs_app;
