/**
 * Makes renames in a directory durable, one fsync for all who wait: a batch that comes while one runs waits for the next.
 */
import { syncDirectory } from "../storage/DurableFile.ts"

/** The syncs of one directory. */
export class DirectorySync {
  readonly #directory: string
  readonly #fsync: (directory: string) => Promise<void>
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  /** `fsync` makes what was renamed in a directory durable. */
  constructor(directory: string, fsync: (directory: string) => Promise<void> = syncDirectory) {
    this.#directory = directory
    this.#fsync = fsync
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
    const running = this.#fsync(this.#directory).finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }
}
