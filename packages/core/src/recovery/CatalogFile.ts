/**
 * A customer's sealed record as it is stored: `catalog/<customer>/<saved, 15 digits>`, the newest by name last.
 */
import { decode, encode } from "@rainlogs/verify/Ascii"
import * as Base64 from "@rainlogs/verify/Base64"
import * as Field from "@rainlogs/verify/Field"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { CustomerId } from "../domain/Identifier.ts"

/** Where all records lie. */
export const catalogPrefix = "catalog/"

/** The first line of a record. */
export const catalogFormat = "rainlogs-catalog/v1"

/** A record as it is stored: the id of the key-encryption key, and the record sealed with it. */
export interface CatalogFile {
  readonly kek: string
  readonly sealed: Uint8Array
}

/** The key of a customer's record that is saved at `time`, Unix ms. */
export const catalogKey = (customer: CustomerId, time: number): string =>
  `${catalogPrefix}${customer}/${String(time).padStart(15, "0")}`

/** When the record of the key was saved, Unix ms. */
export const catalogTime = (key: string): number => Number(key.slice(-15))

/** Whose record lies at the key; null for the key of anything else. */
export const catalogCustomer = (key: string): CustomerId | null => {
  const id = /^catalog\/([0-9a-f-]{36})\/[0-9]{15}$/.exec(key)?.[1]
  return id === undefined ? null : CustomerId.make(id)
}

/** Throws, with the reason, for what is no record of the customer. */
export const parseCatalogFile = (customer: CustomerId, bytes: Uint8Array): CatalogFile => {
  const lines = new Lines(catalogFormat, decode(bytes, catalogFormat))
  const named = lines.field("customer", Field.uuid)
  const kek = lines.field("kek", Field.token)
  const sealed = lines.field("sealed", (_, text) => Base64.decode(text))
  lines.end()
  if (named !== customer) throw new Error(`it is of customer ${named}`)
  return { kek, sealed }
}

/** The inverse of {@link parseCatalogFile}. */
export const printCatalogFile = (customer: CustomerId, { kek, sealed }: CatalogFile): Uint8Array =>
  encode(
    joinLines([catalogFormat, `customer ${customer}`, `kek ${kek}`, `sealed ${Base64.encode(sealed)}`]),
    catalogFormat
  )
