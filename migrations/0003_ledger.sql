-- The ledger: one row per entry (ledger format section 3), append-only. The constraints check the links themselves:
-- leaf and sequence numbers have no gap, every `prev` is the hash of the entry before in its chain, both hashes are
-- computed again, and the entry's text says what the columns say. As for timelines, keys begin with what is selective,
-- except the two that the ends of the log and of each chain are read from.

-- The first lines of an entry, `rainlogs-entry/v1` to `time`, as the columns say them.
CREATE FUNCTION ledger_entry_head(origin text, chain text, seq bigint, kind text, job_id uuid, prev bytea,
  object bytea, hash bytea, size bigint, time_ms bigint) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT convert_to(concat(
    'rainlogs-entry/v1', E'\norigin ', origin, E'\nchain ', chain, E'\nseq ', seq, E'\nkind ', kind, E'\njob ', job_id,
    E'\nprev ', encode(prev, 'hex'), E'\nobject ', encode(object, 'hex'), E'\nhash ', encode(hash, 'hex'),
    E'\nsize ', size, E'\ntime ', time_ms, E'\nkey '), 'UTF8')
$$;

CREATE TABLE ledger_entries (
  customer_id uuid NOT NULL,
  leaf_index safe_count NOT NULL,
  origin text NOT NULL,
  chain text NOT NULL,
  seq safe_count NOT NULL,
  kind text NOT NULL CHECK (kind IN ('object', 'genesis', 'policy', 'keys', 'heartbeat', 'tombstone', 'hold', 'release',
    'gap', 'anchored')),
  job_id uuid NOT NULL,
  prev sha256_digest NOT NULL,
  object sha256_digest NOT NULL,
  hash sha256_digest NOT NULL,
  size safe_count NOT NULL,
  time_ms unix_ms NOT NULL,
  -- The entry's text: exactly the Merkle leaf data.
  entry bytea NOT NULL,
  leaf_hash sha256_digest NOT NULL,
  leaf_before bigint GENERATED ALWAYS AS (nullif(leaf_index::bigint, 0) - 1) STORED,
  seq_before bigint GENERATED ALWAYS AS (nullif(seq::bigint, 0) - 1) STORED,
  zone_id uuid GENERATED ALWAYS AS (CASE WHEN chain <> 'control' THEN chain::uuid END) STORED,
  object_job uuid GENERATED ALWAYS AS (CASE WHEN kind = 'object' THEN job_id END) STORED,
  PRIMARY KEY (customer_id, leaf_index),
  CONSTRAINT ledger_entries_seq_key UNIQUE (customer_id, chain, seq),
  CONSTRAINT ledger_entries_prev_key UNIQUE (prev, chain, customer_id),
  CONSTRAINT ledger_entries_job_key UNIQUE (job_id, customer_id),
  CONSTRAINT ledger_entries_job_object_key UNIQUE (job_id, object, customer_id),
  CONSTRAINT ledger_entries_link_key UNIQUE (hash, seq, chain, customer_id),
  FOREIGN KEY (customer_id, origin) REFERENCES customers (id, origin),
  FOREIGN KEY (customer_id, zone_id) REFERENCES zones (customer_id, id),
  CONSTRAINT ledger_entries_no_leaf_missing FOREIGN KEY (customer_id, leaf_before)
    REFERENCES ledger_entries (customer_id, leaf_index),
  CONSTRAINT ledger_entries_linked FOREIGN KEY (customer_id, chain, seq_before, prev)
    REFERENCES ledger_entries (customer_id, chain, seq, hash),
  CONSTRAINT ledger_entries_object_committed FOREIGN KEY (customer_id, object_job, object)
    REFERENCES log_jobs (customer_id, entry_job, entry_object) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT ledger_entries_chain_of_kind CHECK ((kind = 'object') = (chain <> 'control')),
  CONSTRAINT ledger_entries_genesis_prev CHECK (
    seq > 0 OR prev = sha256(convert_to(concat('rainlogs-genesis/v1', E'\n', origin, E'\n', chain, E'\n'), 'UTF8'))
  ),
  CONSTRAINT ledger_entries_hash CHECK (hash = sha256(prev::bytea || object::bytea || convert_to(job_id::text, 'UTF8'))),
  CONSTRAINT ledger_entries_length CHECK (octet_length(entry) <= 65535),
  CONSTRAINT ledger_entries_leaf_hash CHECK (leaf_hash = sha256('\x00'::bytea || entry)),
  CONSTRAINT ledger_entries_text CHECK (
    position(ledger_entry_head(origin, chain, seq, kind, job_id, prev, object, hash, size, time_ms) IN entry) = 1
  )
);
-- The last event of a kind.
CREATE INDEX ledger_entries_kind ON ledger_entries (customer_id, kind, seq) WHERE chain = 'control';

-- A committed window, and a gap, has its entry; an object entry (above) has its committed window.
ALTER TABLE log_jobs ADD CONSTRAINT log_jobs_in_ledger FOREIGN KEY (customer_id, entry_job, entry_object)
  REFERENCES ledger_entries (customer_id, job_id, object) DEFERRABLE INITIALLY DEFERRED;

-- Times never go back along the log, so that "appended before" and "has an earlier time" never contradict.
CREATE FUNCTION check_entry_time() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT FROM ledger_entries e
    WHERE e.customer_id = NEW.customer_id AND e.leaf_index = NEW.leaf_index - 1 AND e.time_ms > NEW.time_ms
  ) THEN
    RAISE EXCEPTION 'leaf %: its time is before that of the leaf before', NEW.leaf_index
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_entries_time BEFORE INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION check_entry_time();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries FOR EACH ROW
  EXECUTE FUNCTION refuse_change('the ledger is append-only');
CREATE TRIGGER ledger_entries_no_truncate BEFORE TRUNCATE ON ledger_entries FOR EACH STATEMENT
  EXECUTE FUNCTION refuse_change('the ledger is append-only');

ALTER TABLE ledger_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY of_customer ON ledger_entries
  USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid)
  WITH CHECK (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
GRANT SELECT, INSERT ON ledger_entries TO rainlogs_app;
