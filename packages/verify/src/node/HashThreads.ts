/**
 * Hashes large files on threads of their own, so that a verification uses every core: hashing is the whole of its time,
 * and `node:crypto` hashes on the thread that asks. A thread that fails is no verdict: the caller hashes the file itself.
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"

/** What a thread found: the size it read and the digest, null where the file is larger than allowed. */
export interface ThreadDigest {
  readonly size: number
  readonly sha256: string | null
}

/** Below this many bytes a file is hashed sooner than a thread is told of it. */
export const smallestForThread = 1024 * 1024

// Small enough to stay in a core's cache between reading and hashing.
const chunkBytes = 128 * 1024
const progressBytes = 8 * 1024 * 1024
const idleMs = 500

// As text, so that it needs no file beside the program: the same in source, package, bundle and single binary.
const program = `
const { parentPort } = require("node:worker_threads")
const { createHash } = require("node:crypto")
const { readSync } = require("node:fs")
const buffer = Buffer.allocUnsafe(${chunkBytes})
const digest = (descriptor, maxBytes) => {
  const hash = createHash("sha256")
  let size = 0
  let told = 0
  for (;;) {
    const read = readSync(descriptor, buffer, 0, buffer.length, size)
    if (read === 0) return { size, sha256: hash.digest("hex"), untold: size - told }
    hash.update(buffer.subarray(0, read))
    size += read
    if (size > maxBytes) return { size, sha256: null, untold: 0 }
    if (size - told >= ${progressBytes}) {
      parentPort.postMessage({ bytes: size - told })
      told = size
    }
  }
}
parentPort.on("message", ({ descriptor, maxBytes }) => {
  try {
    parentPort.postMessage(digest(descriptor, maxBytes))
  } catch (error) {
    parentPort.postMessage({ failure: String(error) })
  }
})
`

type Answer =
  | { readonly bytes: number }
  | { readonly failure: string }
  | { readonly size: number; readonly sha256: string | null; readonly untold: number }

/** As many threads as cores, started when they are needed and ended when nothing is left to hash. */
export class HashThreads {
  readonly #idle: Array<Worker> = []
  readonly #waiting: Array<(worker: Worker) => void> = []
  readonly #most: number
  #started = 0
  #ending: ReturnType<typeof setTimeout> | undefined

  constructor(most: number = availableParallelism()) {
    this.#most = most
  }

  /** Hashes an open file from its start; rejects if its thread cannot. The descriptor stays the caller's. */
  async digest(descriptor: number, maxBytes: number, onBytes?: (bytes: number) => void): Promise<ThreadDigest> {
    const worker = await this.#take()
    let failed = true
    try {
      const found = await ask(worker, { descriptor, maxBytes }, onBytes)
      failed = false
      return found
    } finally {
      if (failed) this.#drop(worker)
      else this.#release(worker)
    }
  }

  #take(): Worker | Promise<Worker> {
    clearTimeout(this.#ending)
    const worker = this.#idle.pop()
    if (worker !== undefined) {
      worker.ref()
      return worker
    }
    if (this.#started < this.#most) {
      this.#started++
      return new Worker(program, { eval: true })
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #release(worker: Worker): void {
    const next = this.#waiting.shift()
    if (next !== undefined) return next(worker)
    this.#idle.push(worker)
    // Idle threads keep no process alive.
    worker.unref()
    if (this.#idle.length === this.#started) this.#ending = setTimeout(() => this.#end(), idleMs).unref()
  }

  #drop(worker: Worker): void {
    this.#started--
    void worker.terminate()
    const next = this.#waiting.shift()
    if (next !== undefined) Promise.resolve(this.#take()).then(next)
  }

  #end(): void {
    for (const worker of this.#idle.splice(0)) {
      this.#started--
      void worker.terminate()
    }
  }
}

const ask = (
  worker: Worker,
  question: { readonly descriptor: number; readonly maxBytes: number },
  onBytes: ((bytes: number) => void) | undefined
): Promise<ThreadDigest> =>
  new Promise((resolve, reject) => {
    const settle = (run: () => void) => {
      worker.off("message", hear)
      worker.off("error", fail)
      run()
    }
    const fail = (error: unknown) => settle(() => reject(error))
    const hear = (answer: Answer) => {
      if ("bytes" in answer) return onBytes?.(answer.bytes)
      if ("failure" in answer) return fail(new Error(answer.failure))
      settle(() => {
        onBytes?.(answer.untold)
        resolve({ size: answer.size, sha256: answer.sha256 })
      })
    }
    worker.on("message", hear)
    worker.on("error", fail)
    worker.postMessage(question)
  })
