/**
 * Makes renames in a directory durable, one fsync for all who wait: a batch that comes while one runs waits for the next.
 */
import { syncDirectory } from "../storage/DurableFile.ts"

/** The syncs of one directory. */
export class DirectorySync {
  readonly #directory: string
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Resolves when everything that was renamed before this call is durable. */
  sync(): Promise<void> {
    if (this.#running === null) return this.#start()
    // The running one may have begun before the caller's rename.
    this.#next ??= this.#running.then(() => this.#start(), () => this.#start())
    return this.#next
  }

  #start(): Promise<void> {
    this.#next = null
    const running = syncDirectory(this.#directory).finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }
}
