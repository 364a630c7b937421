/**
 * The steps of the write order (ledger format §4) at which the hammer kills a process with -9, as they show at the
 * ports: which step a key of the object store belongs to is read from the key.
 */

/** Steps of a process that archives windows, in order. */
export const writerSteps = ["document", "key-record", "object", "stored", "commit"] as const

/** Steps of the process that publishes, in order. */
export const publisherSteps = [
  "bundle",
  "tile",
  "sign",
  "archived-checkpoint",
  "served-checkpoint",
  "receipt",
  "anchored"
] as const

/** A step of the write order. */
export type Step = (typeof writerSteps)[number] | (typeof publisherSteps)[number]

/** Where in a step: before it, some ms after it began, and when it is done but its caller was not told. */
export const moments = ["before", "within", "after"] as const

/** Where a process kills itself: at the `nth` time (from 1) it comes to the step. */
export interface Kill {
  readonly step: Step
  readonly moment: (typeof moments)[number]
  readonly nth: number
}

/** The step of a write to the object store; none for what is not part of the order. */
export const stepOfKey = (key: string): Step | undefined => {
  if (key.startsWith("keys/")) return "key-record"
  if (key.startsWith("logs/")) return "object"
  if (key.includes("/event/")) return "document"
  if (key.includes("/tile/entries/")) return "bundle"
  if (key.includes("/tile/")) return "tile"
  if (key.includes("/checkpoint.d/")) return "archived-checkpoint"
  if (key.includes("/anchor/")) return "receipt"
  return key.endsWith("/checkpoint") ? "served-checkpoint" : undefined
}
