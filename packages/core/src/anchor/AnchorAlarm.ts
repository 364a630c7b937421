/**
 * What the operator must know of the anchors: metrics, and one line in the log when something begins and when it ends,
 * not one per ledger.
 */
import { Effect, Metric } from "effect"
import type { Anchor, AnchorCategory, AnchorError, ReceiptFacts } from "./Anchor.ts"
import type { AnchoredLedger } from "./AnchoredLedger.ts"
import { renewalMs } from "./AnchorSchedule.ts"

const debt = Metric.gauge("rainlogs_anchor_debt_seconds", {
  description: "Age of a ledger's oldest entry without a trusted time, s; 0 when none waits"
})
const overdue = Metric.gauge("rainlogs_anchor_overdue_ledgers", {
  description: "Ledgers whose oldest entry has waited for an anchor for longer than the policy's anchor-lag"
})
const stamps = Metric.counter("rainlogs_anchor_stamps_total", {
  description: "Attempts to anchor a checkpoint, by outcome",
  incremental: true
})
const expiry = Metric.gauge("rainlogs_anchor_certificate_expiry_seconds", {
  description: "When the certificate behind an anchor's newest receipt expires, Unix s"
})

/** Why an anchor gave no receipt. */
export interface LastFailure {
  readonly category: AnchorCategory
  readonly detail: string
}

// An anchor's certificate is warned of once a day.
const warnEveryMs = 86_400_000

/** The alarms of one process. */
export class AnchorAlarm {
  readonly #anchors: ReadonlyArray<Anchor>
  readonly #overdue = new Map<string, number>()
  readonly #failures = new Map<string, LastFailure>()
  readonly #expiries = new Map<string, number>()
  readonly #warned = new Map<string, number>()

  constructor(anchors: ReadonlyArray<Anchor>) {
    this.#anchors = anchors
  }

  /** When the certificate behind the anchor's newest receipt expires, Unix ms; null when nothing does. */
  expiryOf(anchor: string): number | null {
    return this.#expiries.get(anchor) ?? null
  }

  /** The last failure, if the anchor has given no receipt since. */
  lastFailureOf(anchor: string): LastFailure | null {
    return this.#failures.get(anchor) ?? null
  }

  /** A receipt came. */
  stamped({ id, type }: Anchor, { expires }: ReceiptFacts): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      yield* count(id, "stamped")
      if (this.#failures.delete(id)) yield* Effect.logInfo(`the anchor ${id} gives receipts again`)
      if (expires === null) return
      this.#expiries.set(id, expires)
      yield* Metric.update(Metric.withAttributes(expiry, { anchor: id, type }), Math.floor(expires / 1000))
    })
  }

  /** No receipt came. Each reason is said once until a receipt comes, a second checkpoint of one size every time. */
  failed({ id }: Anchor, origin: string, error: AnchorError): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { category, detail } = error
      yield* count(id, category)
      if (category === "equivocation") {
        const meaning = "two histories of this ledger were signed, or the copy was changed: see the runbook"
        return yield* Effect.logError(`EQUIVOCATION of ${origin} at the anchor ${id}: ${detail}; ${meaning}`)
      }
      const known = this.#failures.get(id)
      this.#failures.set(id, { category, detail })
      // Being asked to wait is part of every day; a debt that grows from it has its own alarm.
      if (category === "throttled" || known?.category === category) return
      const level = category === "transient" ? "Warn" : "Error"
      yield* Effect.logWithLevel(level)(`the anchor ${id} gives no receipt (${category}): ${detail}`)
    })
  }

  /** Brings the gauges up to date at `now`, Unix ms. */
  gauges(ledgers: ReadonlyArray<AnchoredLedger>, now: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      for (const ledger of ledgers) {
        const { origin } = ledger.ledger
        yield* Metric.update(Metric.withAttributes(debt, { origin }), ledger.trustedDebt(now) / 1000)
      }
      for (const { id, type } of this.#anchors) {
        const late = ledgers.filter((ledger) => ledger.isOverdue(id, now)).length
        yield* Metric.update(Metric.withAttributes(overdue, { anchor: id, type }), late)
      }
    })
  }

  /** Raises and ends the alarms at `now`, Unix ms. */
  say(ledgers: ReadonlyArray<AnchoredLedger>, now: number): Effect.Effect<void> {
    return Effect.forEach(this.#anchors, ({ id }) =>
      Effect.andThen(
        this.#sayOverdue(id, ledgers.filter((ledger) => ledger.isOverdue(id, now)), now),
        this.#sayExpiry(id, now)
      ), { discard: true })
  }

  #sayOverdue(id: string, late: ReadonlyArray<AnchoredLedger>, now: number): Effect.Effect<void> {
    const before = this.#overdue.get(id) ?? 0
    this.#overdue.set(id, late.length)
    if (late.length > 0 && before === 0) {
      const longest = late.reduce((longest, ledger) => Math.max(longest, ledger.debt(id, now)), 0)
      return Effect.logWarning(
        `${late.length} ledgers wait for the anchor ${id} longer than their policy allows, the longest for ` +
          `${Math.round(longest / 60_000)} min: their entries will verify as anchored too late`
      )
    }
    return late.length === 0 && before > 0
      ? Effect.logInfo(`no ledger waits for the anchor ${id} longer than its policy allows any more`)
      : Effect.void
  }

  #sayExpiry(id: string, now: number): Effect.Effect<void> {
    const expires = this.#expiries.get(id)
    if (expires === undefined || expires - now > renewalMs) return Effect.void
    if (now - (this.#warned.get(id) ?? 0) < warnEveryMs) return Effect.void
    this.#warned.set(id, now)
    return Effect.logWarning(
      `the certificate behind the anchor ${id} expires at ${new Date(expires).toISOString()}: before then, it must ` +
        "renew it, or another anchor must be added, or its receipts stop counting"
    )
  }
}

const count = (anchor: string, outcome: AnchorCategory | "stamped"): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(stamps, { anchor, outcome }), 1)
