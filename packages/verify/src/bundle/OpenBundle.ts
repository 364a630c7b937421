/**
 * A bundle as an archive (ledger format §8): its ledger and objects are read through the same port as a directory. The
 * container and its manifest are trusted with nothing; keys come from outside.
 */
import { type ArchiveReader, FileTooLargeError, type ObjectDigest } from "../ArchiveReader.ts"
import { decode } from "../Ascii.ts"
import * as Hex from "../Hex.ts"
import { MalformedError } from "../Malformed.ts"
import type { Disclosure } from "../verification/DisclosedKeys.ts"
import { type BundleScope, parseBundleScope } from "./BundleScope.ts"
import { BundleZip, type ByteSource } from "./BundleZip.ts"
import { parseManifest } from "./Manifest.ts"
import { MalformedBundleError, type ZipMember } from "./ZipFormat.ts"

/** Names of the members that every bundle has. */
export const bundleNames = {
  manifest: "MANIFEST.sha256",
  scope: "SCOPE",
  archive: "archive/",
  proofs: "proofs/",
  disclosed: "disclosed/"
} as const

// Checkpoints, tiles, bundles of entries and documents: as in a directory.
const maxReadBytes = 32 * 1024 * 1024
const maxManifestBytes = 256 * 1024 * 1024

/** A SHA-256 that is given its input in parts. */
export interface IncrementalSha256 {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Uint8Array | Promise<Uint8Array>
}

/** An opened bundle. */
export interface Bundle {
  readonly scope: BundleScope
  readonly reader: ArchiveReader
  /** Its disclosed data keys; null when it holds none. */
  readonly disclosure: Disclosure | null
  readonly members: number
  /**
   * Reads and hashes every member that the reader has not handed out yet, so that each is what the manifest says;
   * rejects with {@link MalformedBundleError}.
   */
  readonly checkRest: (onBytes?: (bytes: number) => void) => Promise<void>
}

/** Opens a bundle; rejects with {@link MalformedBundleError}. `newHash` begins a SHA-256. */
export const openBundle = async (source: ByteSource, newHash: () => IncrementalSha256): Promise<Bundle> => {
  const zip = await BundleZip.open(source)
  const manifest = await readManifest(zip)
  const scope = await readScope(zip)
  const unchecked = new Set(manifest.keys())

  // Only the end of the contents tells that they are what the manifest and the CRC say.
  const compare = (member: ZipMember, hash: string): void => {
    if (manifest.get(member.name) !== hash) {
      throw new MalformedBundleError(`${member.name} is not what ${bundleNames.manifest} says`)
    }
    unchecked.delete(member.name)
  }
  const digest = async (member: ZipMember, onBytes?: (bytes: number) => void): Promise<string> => {
    const hash = newHash()
    for await (const chunk of zip.chunks(member)) {
      hash.update(chunk)
      onBytes?.(chunk.length)
    }
    return Hex.encode(await hash.digest())
  }
  const archived = (key: string) => zip.member(`${bundleNames.archive}${key}`)

  const reader: ArchiveReader = {
    list: async function*(prefix) {
      for (const { name, size } of zip.members) {
        const key = name.startsWith(bundleNames.archive) ? name.slice(bundleNames.archive.length) : null
        if (key?.startsWith(prefix) === true) yield { key, size }
      }
    },
    read: async (key) => {
      const member = archived(key)
      if (member === undefined) return null
      if (member.size > maxReadBytes) throw new FileTooLargeError(key, member.size, maxReadBytes)
      const bytes = await zip.read(member)
      const hash = newHash()
      hash.update(bytes)
      compare(member, Hex.encode(await hash.digest()))
      return bytes
    },
    hash: async (key, { maxBytes = Number.POSITIVE_INFINITY, onBytes } = {}): Promise<ObjectDigest | null> => {
      const member = archived(key)
      if (member === undefined) return null
      if (member.size > maxBytes) return { size: member.size, sha256: null }
      const sha256 = await digest(member, onBytes)
      compare(member, sha256)
      return { size: member.size, sha256 }
    }
  }
  return {
    scope,
    reader,
    disclosure: scope.disclosed ? await readDisclosure(zip, archived) : null,
    members: manifest.size + 1,
    checkRest: async (onBytes) => {
      for (const name of unchecked) {
        const member = zip.member(name)
        if (member !== undefined) compare(member, await digest(member, onBytes))
      }
    }
  }
}

const required = (zip: BundleZip, name: string, maxBytes: number): ZipMember => {
  const member = zip.member(name)
  if (member === undefined) throw new MalformedBundleError(`${name} is missing`)
  if (member.size > maxBytes) {
    throw new MalformedBundleError(`${name} has ${member.size} bytes, the limit is ${maxBytes}`)
  }
  return member
}

const strictly = <Value>(read: () => Value): Value => {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedError) throw new MalformedBundleError(error.message)
    throw error
  }
}

// Every member but the manifest itself is named in it, and nothing else is.
const readManifest = async (zip: BundleZip): Promise<Map<string, string>> => {
  const bytes = await zip.read(required(zip, bundleNames.manifest, maxManifestBytes))
  const manifest = strictly(() => parseManifest(bytes))
  let others = 0
  for (const { name } of zip.members) {
    if (name === bundleNames.manifest) continue
    others += 1
    if (!manifest.has(name)) throw new MalformedBundleError(`${name} is not in ${bundleNames.manifest}`)
  }
  if (others !== manifest.size) throw new MalformedBundleError(`${bundleNames.manifest} names members that are missing`)
  return manifest
}

const readScope = async (zip: BundleZip): Promise<BundleScope> => {
  const bytes = await zip.read(required(zip, bundleNames.scope, 65_536))
  return strictly(() => parseBundleScope(decode(bytes)))
}

const keyName = /^disclosed\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.key$/

const readDisclosure = async (
  zip: BundleZip,
  archived: (key: string) => ZipMember | undefined
): Promise<Disclosure> => {
  const keys = new Map<string, Uint8Array>()
  for (const member of zip.members) {
    if (!member.name.startsWith(bundleNames.disclosed)) continue
    const job = keyName.exec(member.name)?.[1]
    const text = job === undefined || member.size !== 65 ? "" : decode(await zip.read(member))
    if (job === undefined || !/^[0-9a-f]{64}\n$/.test(text)) {
      throw new MalformedBundleError(`${member.name} is not a data key of 64 lower-case hex digits`)
    }
    keys.set(job, Hex.decode(text.slice(0, 64), 32))
  }
  const readStart = async (key: string, length: number) => {
    const member = archived(key)
    return member === undefined ? null : zip.start(member, length)
  }
  return { keys, readStart }
}
