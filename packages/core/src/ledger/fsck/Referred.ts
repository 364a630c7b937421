/**
 * What the ledgers refer to, kept small enough for an archive of any size.
 */

/** Names of what a ledger's entries refer to, as their {@link fingerprint}. */
export interface Referred {
  readonly objects: Set<number>
  readonly keys: Set<number>
  readonly documents: Set<number>
}

/**
 * 52 bits of a hash or of a UUIDv8, which is the beginning of a hash: eight bytes a name instead of a hundred. Two that
 * share them would hide an orphan, once in some 10 000 archives of a million objects.
 */
export const fingerprint = (hex: string): number => Number.parseInt(hex.replaceAll("-", "").slice(-13), 16)
