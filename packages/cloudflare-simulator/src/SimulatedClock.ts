/** A clock that runs faster than the wall: two processes given the same three numbers read the same simulated time. */

/** The three numbers. */
export interface SimulatedTime {
  /** Simulated Unix ms at the real moment `realEpochMs`. */
  readonly epochMs: number
  /** Real Unix ms. */
  readonly realEpochMs: number
  /** Simulated seconds per real second; 1 is real time. */
  readonly speed: number
}

/** The clock: simulated Unix ms, a whole number. */
export const simulatedClock = ({ epochMs, realEpochMs, speed }: SimulatedTime): () => number => () =>
  Math.floor(epochMs + (Date.now() - realEpochMs) * speed)
