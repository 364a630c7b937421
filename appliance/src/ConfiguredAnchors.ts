/**
 * The anchors that the settings name, as one layer. A setting that cannot work stops the start.
 */
import { type Anchor, Anchors } from "@rainlogs/core/anchor/Anchor"
import { anchorOptions, AnchorSettingInvalid } from "@rainlogs/core/anchor/AnchorOptions"
import * as BucketAnchor from "@rainlogs/core/anchor/BucketAnchor"
import * as TimestampAnchor from "@rainlogs/core/anchor/TimestampAnchor"
import * as WebhookAnchor from "@rainlogs/core/anchor/WebhookAnchor"
import * as WitnessAnchor from "@rainlogs/core/anchor/WitnessAnchor"
import * as WitnessClient from "@rainlogs/core/anchor/WitnessClient"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { parsePem } from "@rainlogs/verify/timestamp/Certificate"
import { Effect, Layer } from "effect"
import { readFile, realpath } from "node:fs/promises"
import { resolve, sep } from "node:path"
import { DataDirectory } from "./DataDirectory.ts"

/** Copies a minute into the second store, and posts a minute to the webhook, at most. */
const stampsPerMinute = 600

const messageOf = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)

const timestamps = Effect.fnUntraced(function*(settings: {
  readonly authorities: ReadonlyArray<{ readonly id: string; readonly url: string }>
  readonly roots: string
  readonly stampsPerMinute: number
}) {
  const invalid = (detail: string) => new AnchorSettingInvalid({ setting: "RAINLOGS_TSA_ROOTS", detail })
  const pem = yield* Effect.tryPromise({
    try: () => readFile(settings.roots, "utf8"),
    catch: (cause) => invalid(`it cannot be read: ${messageOf(cause)}`)
  })
  const roots = yield* Effect.try({
    try: () => parsePem(pem),
    catch: (cause) => invalid(`it holds no certificates that can be used: ${messageOf(cause)}`)
  })
  return yield* Effect.forEach(
    settings.authorities,
    ({ id, url }) => TimestampAnchor.make({ id, url, roots, stampsPerMinute: settings.stampsPerMinute })
  )
})

const isWithin = (path: string, directory: string) => path === directory || path.startsWith(directory + sep)

const secondStore = Effect.fnUntraced(function*(directory: string) {
  const { root } = yield* DataDirectory
  const invalid = (detail: string) => new AnchorSettingInvalid({ setting: "RAINLOGS_ANCHOR_DIRECTORY", detail })
  const store = yield* ObjectStoreFileSystem.make(resolve(directory)).pipe(
    Effect.mapError((error) => invalid(`it cannot be used as a store: ${error.detail}`))
  )
  const [second, data] = yield* Effect.promise(() => Promise.all([realpath(directory), realpath(root)]))
  if (isWithin(second, data) || isWithin(data, second)) {
    return yield* invalid(
      `it and the data directory ${data} must lie apart: whoever can change one must not have the other`
    )
  }
  return BucketAnchor.make({ id: "bucket", store, stampsPerMinute })
})

const make = Effect.gen(function*() {
  const { directory, timestamps: authorities, webhook, witnesses } = yield* anchorOptions
  const store = yield* ObjectStore
  const anchors: Array<Anchor> = []
  if (authorities !== null) anchors.push(...yield* timestamps(authorities))
  if (directory !== null) anchors.push(yield* secondStore(directory))
  if (webhook !== null) anchors.push(yield* WebhookAnchor.make({ id: "webhook", stampsPerMinute, ...webhook }))
  for (const { id, key, url } of witnesses) {
    anchors.push(
      WitnessAnchor.make({ id, key, stampsPerMinute, cosign: yield* WitnessClient.make({ id, url, store }) })
    )
  }
  return anchors
})

/** The anchors as `RAINLOGS_TSA_*` and `RAINLOGS_ANCHOR_*` say; none when nothing is set. */
export const layer = Layer.effect(Anchors, make)
