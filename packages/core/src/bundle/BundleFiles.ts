/**
 * Where finished and growing bundles lie: `<customer>/<bundle>-<fence>.zip`, with `.part` for one that grows. The fence
 * is in the name, so that a worker that lost its lease never puts its file in the place of another's.
 */
import { Context, Effect, Layer, Schema, type Scope, type Stream } from "effect"
import { type FileHandle, mkdir, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { CustomerId } from "../domain/Identifier.ts"
import { openForReading, readRange } from "../storage/FileBytes.ts"
import { fileCall, fileFailure, isMissing, tryFile } from "../storage/FileFailure.ts"
import type { ByteRange, StorageError } from "../storage/ObjectStore.ts"
import { BundleId, type BundleJob } from "./BundleJob.ts"

/** The file of a ready bundle is not there, or is not the one that was made. */
export class BundleFileLost extends Schema.TaggedError<BundleFileLost>()("BundleFileLost", {
  bundle: BundleId,
  detail: Schema.String
}) {}

/** A file of the folder. */
export interface StoredBundle {
  readonly name: string
  readonly id: BundleId
  readonly fence: number
  readonly kind: "whole" | "part"
}

type Fenced = Pick<BundleJob, "customer" | "id" | "fence">

/** The folder of the bundles. */
export class BundleFiles extends Context.Service<BundleFiles, {
  /** Makes the folder of the job's customer, removes what earlier attempts left, and names the files of this one. */
  readonly prepare: (
    job: Fenced
  ) => Effect.Effect<{ readonly out: string; readonly temporary: string }, StorageError>
  /** Opens a ready bundle for as long as the scope. It can be read to its end even if it is removed meanwhile. */
  readonly open: (job: BundleJob) => Effect.Effect<
    { readonly read: (range: ByteRange) => Stream.Stream<Uint8Array, StorageError> },
    BundleFileLost | StorageError,
    Scope.Scope
  >
  /** Removes every file of a bundle. */
  readonly remove: (of: Omit<Fenced, "fence">) => Effect.Effect<void, StorageError>
  /** The customers that have files. */
  readonly customers: Effect.Effect<ReadonlyArray<CustomerId>, StorageError>
  /** The files of a customer; none if it has no folder. */
  readonly files: (customer: CustomerId) => Effect.Effect<ReadonlyArray<StoredBundle>, StorageError>
  /** Removes one file. */
  readonly removeFile: (customer: CustomerId, file: StoredBundle) => Effect.Effect<void, StorageError>
}>()("@rainlogs/core/BundleFiles") {
  /** The folder, which exists. */
  static readonly layer = (directory: string): Layer.Layer<BundleFiles> =>
    Layer.sync(BundleFiles, () => make(directory))
}

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
const filePattern = new RegExp(`^(${uuid})-([0-9]{1,10})\\.zip(\\.part)?$`)
const folderPattern = new RegExp(`^${uuid}$`)

const make = (directory: string): BundleFiles["Service"] => {
  const names = (path: string) =>
    tryFile(() => readdir(path)).pipe(
      Effect.catch((fault) =>
        isMissing(fault) ? Effect.succeed([]) : Effect.fail(fileFailure("list", "bundles", fault))
      )
    )

  const files = (customer: CustomerId) =>
    Effect.map(names(join(directory, customer)), (found) =>
      found.flatMap((name): ReadonlyArray<StoredBundle> => {
        const [, id, fence, part] = filePattern.exec(name) ?? []
        if (id === undefined) return []
        return [{ name, id: BundleId.make(id), fence: Number(fence), kind: part === undefined ? "whole" : "part" }]
      }))

  const removeFile = (customer: CustomerId, { name }: StoredBundle) =>
    fileCall("remove", name, () => rm(join(directory, customer, name), { force: true }))

  const removeWhere = (customer: CustomerId, unwanted: (file: StoredBundle) => boolean) =>
    Effect.flatMap(
      files(customer),
      (found) => Effect.forEach(found.filter(unwanted), (file) => removeFile(customer, file), { discard: true })
    )

  const path = ({ customer, fence, id }: Fenced) => join(directory, customer, `${id}-${fence}.zip`)

  const open = Effect.fnUntraced(function*(job: BundleJob) {
    const { file, id } = job
    const lost = (detail: string) => new BundleFileLost({ bundle: id, detail })
    if (file === null) return yield* lost("the bundle has no file")
    const handle: FileHandle = yield* openForReading("read", id, path(job)).pipe(
      Effect.mapError((fault) => isMissing(fault) ? lost("the file is gone") : fileFailure("read", id, fault))
    )
    const { size } = yield* fileCall("read", id, () => handle.stat())
    if (size !== file.bytes) return yield* lost(`the file has ${size} bytes instead of ${file.bytes}`)
    return { read: (range: ByteRange) => readRange("read", id, handle, range) }
  })

  return BundleFiles.of({
    prepare: Effect.fnUntraced(function*(job) {
      yield* fileCall("prepare", job.id, () => mkdir(join(directory, job.customer), { recursive: true, mode: 0o700 }))
      yield* removeWhere(job.customer, ({ fence, id }) => id === job.id && fence < job.fence)
      const out = path(job)
      return { out, temporary: `${out}.part` }
    }),
    open,
    remove: ({ customer, id }) => removeWhere(customer, (file) => file.id === id),
    customers: Effect.map(
      names(directory),
      (found) => found.filter((name) => folderPattern.test(name)).map((name) => CustomerId.make(name))
    ),
    files,
    removeFile
  })
}
