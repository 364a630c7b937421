/**
 * Faults for tests: a process that is killed before or after its n-th step, or whose n-th step fails once.
 */
import { Effect } from "effect"

/** Runs a call of a port, or kills or fails it. */
export type Hook = <A, E, R>(step: string, call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** The places where a process can be killed, and the one where it will be. */
export class Faults {
  /** The steps of the current process so far. */
  steps: Array<string> = []
  #killAt: { readonly step: number; readonly moment: "before" | "after" } | null = null
  #dead = false

  /** A new process begins; it dies before or after step `step` (counted from 1), or not at all. */
  restart(killAt: { readonly step: number; readonly moment: "before" | "after" } | null = null): void {
    this.steps = []
    this.#killAt = killAt
    this.#dead = false
  }

  get dead(): boolean {
    return this.#dead
  }

  /** Every call also lets other fibers run first, as a call over a network would. */
  readonly hook: Hook = (step, call) =>
    Effect.andThen(Effect.yieldNow, () => {
      if (this.#dead) return Effect.die("killed")
      this.steps.push(step)
      if (this.#killAt?.step !== this.steps.length) return call
      this.#dead = true
      return this.#killAt.moment === "before" ? Effect.die("killed") : Effect.andThen(call, Effect.die("killed"))
    })
}
