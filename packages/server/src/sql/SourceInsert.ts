/**
 * Adds a source to a zone, inside an open transaction of its customer.
 */
import type { NewSource } from "@rainlogs/core/archive/CustomerStore"
import type { CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { sourceIdOf } from "@rainlogs/core/domain/Source"
import type { SqlClient } from "effect/sql"

/** One row if the source is new, none if the zone has it already. */
export const insertSource = (sql: SqlClient.SqlClient, customer: CustomerId, zone: ZoneId, source: NewSource) =>
  sql`INSERT INTO sources ${
    sql.insert({
      customer_id: customer,
      id: sourceIdOf(zone, source.name),
      zone_id: zone,
      name: source.name,
      starts_at_ms: source.startsAt,
      window_ms: source.windowMs
    })
  } ON CONFLICT (customer_id, zone_id, name) DO NOTHING RETURNING id`
