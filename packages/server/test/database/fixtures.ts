/**
 * A tiny schema with row-level security, so that these tests do not depend on the real migrations.
 */
import type { Migration } from "../../src/database/Migrations.ts"

/** The role and one table whose rows belong to customers. */
export const tinyMigrations: ReadonlyArray<Migration> = [
  {
    id: 1,
    name: "role",
    sql: `DO $$ BEGIN
      CREATE ROLE rainlogs_app;
    EXCEPTION WHEN duplicate_object THEN NULL; END $$;`
  },
  {
    id: 2,
    name: "notes",
    sql: `
      CREATE TABLE notes (customer_id uuid NOT NULL, body text NOT NULL);
      ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
      ALTER TABLE notes FORCE ROW LEVEL SECURITY;
      CREATE POLICY own_rows ON notes
        USING (customer_id = nullif(current_setting('rainlogs.customer', true), '')::uuid);
      GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO rainlogs_app;`
  }
]
