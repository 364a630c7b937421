/**
 * A second opinion: checks an archive from the format's description alone. It shares no code with the package, not even
 * its codecs, and is written the plain way round (the recursive definition of RFC 6962, `split` instead of parsers), so
 * that a mistake in the one is not a mistake in the other.
 *
 *   node check-archive.mjs DIR VKEY      exit 0: every check passed · 1: the problems are printed · 2: usage
 *
 * It checks the log's signature, the Merkle root, every stored tile and bundle, every chain link, every document and
 * every object. It does not judge completeness, the clock's cosignature, or documents' contents.
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"

const [directory, vkey] = process.argv.slice(2)
if (directory === undefined || vkey === undefined) {
  console.error("usage: node check-archive.mjs DIR VKEY")
  process.exit(2)
}

const problems = []
const problem = (text) => problems.push(text)
const sha256 = (...parts) => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const hex = (text) => Buffer.from(text, "hex")

// The key: <origin>+<id>+<base64 of 0x01 and the public key>.
const [origin, id, keyText] = vkey.split(/\+([0-9a-f]{8})\+/)
const keyBytes = Buffer.from(keyText ?? "", "base64")
const keyId = sha256(`${origin}\n`, keyBytes).subarray(0, 4)
if (keyBytes.length !== 33 || keyBytes[0] !== 1 || keyId.toString("hex") !== id) {
  console.error("that is not a log's verifier key")
  process.exit(2)
}
const spki = Buffer.concat([hex("302a300506032b6570032100"), keyBytes.subarray(1)])
const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" })

const ledger = join(directory, "integrity", "v1", sha256(origin).toString("hex"))
const ledgerFile = (path) => readFileSync(join(ledger, path))

/** Size and root of a signed head; null when the log's signature is not on it. */
const head = (path) => {
  if (!existsSync(join(ledger, path))) return problem(`${path} is missing`)
  const note = ledgerFile(path).toString("utf8")
  const end = note.lastIndexOf("\n\n") + 1
  const body = note.slice(0, end)
  const [name, size, root, rest] = body.split("\n")
  const own = note.slice(end + 1).split("\n").filter((line) => line.startsWith(`— ${origin} `)).map((line) =>
    Buffer.from(line.split(" ")[2], "base64")
  ).filter((bytes) => bytes.subarray(0, 4).equals(keyId))
  if (name !== origin || rest !== "" || String(Number(size)) !== size) return problem(`${path} is no head of ${origin}`)
  if (own.length === 0) return problem(`${path} is not signed by the log`)
  if (!own.every((line) => verify(null, Buffer.from(body), publicKey, line.subarray(4)))) {
    return problem(`${path}: the log's signature is wrong`)
  }
  return { path, size: Number(size), root: Buffer.from(root, "base64") }
}

// RFC 6962 §2.1: the tree hash of a list splits at the largest power of two below its length.
const treeHash = (leaves) => {
  if (leaves.length === 0) return sha256("")
  if (leaves.length === 1) return leaves[0]
  let left = 1
  while (left * 2 < leaves.length) left *= 2
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, left)), treeHash(leaves.slice(left)))
}

const tileName = (index) =>
  String(index).padStart(Math.max(3, Math.ceil(String(index).length / 3) * 3), "0").replace(/(\d{3})(?=\d)/g, "x$1/")

/** All stored widths of a tile or bundle, narrowest first. */
const stored = (level, index) => {
  const path = `tile/${level}/${tileName(index)}`
  const partial = existsSync(join(ledger, `${path}.p`)) ? readdirSync(join(ledger, `${path}.p`)) : []
  const widths = partial.map((name) => ({ path: `${path}.p/${name}`, width: Number(name) }))
  if (existsSync(join(ledger, path))) widths.push({ path, width: 256 })
  return widths.sort((one, other) => one.width - other.width)
}

/** The entries of a bundle as far as `most`. */
const unpack = (path, most) => {
  const bytes = ledgerFile(path)
  const entries = []
  let offset = 0
  while (entries.length < most && offset + 2 <= bytes.length) {
    const length = bytes.readUInt16BE(offset)
    entries.push(bytes.subarray(offset + 2, offset + 2 + length))
    offset += 2 + length
  }
  if (offset > bytes.length || entries.length < most) problem(`${path} holds fewer than ${most} entries`)
  if (most === 256 && offset !== bytes.length) problem(`${path} goes on after its last entry`)
  return entries
}

const hashOfFile = (path) => {
  const hash = createHash("sha256")
  const buffer = Buffer.allocUnsafe(1 << 20)
  const file = openSync(path, "r")
  let size = 0
  for (let read = 1; read > 0; size += read) {
    read = readSync(file, buffer, 0, buffer.length, null)
    hash.update(buffer.subarray(0, read))
  }
  closeSync(file)
  return { sha256: hash.digest("hex"), size }
}

const served = head("checkpoint")
const archived = existsSync(join(ledger, "checkpoint.d"))
  ? readdirSync(join(ledger, "checkpoint.d")).map((name) => ({ name, ...head(`checkpoint.d/${name}`) }))
  : []
for (const { name, size } of archived) {
  if (size !== undefined && String(size).padStart(20, "0") !== name) {
    problem(`checkpoint.d/${name} is a head of ${size}`)
  }
}
const heads = [served, ...archived].filter((found) => found?.size !== undefined)
const size = Math.max(0, ...heads.map((found) => found.size))
if (size === 0) problem("there is no signed head")
if (served && !archived.some((found) => found.size === served.size)) problem("the served head is not archived")

// Entries, and every bundle of them.
const entries = []
for (let index = 0; index * 256 < size; index++) {
  const needed = Math.min(256, size - index * 256)
  const bundles = stored("entries", index)
  const chosen = bundles.find(({ width }) => width >= needed)
  if (chosen === undefined) {
    problem(`the entries from ${index * 256} on are not stored`)
    break
  }
  const own = unpack(chosen.path, needed)
  for (const { path, width } of bundles) {
    const same = unpack(path, Math.min(width, needed))
    if (!same.every((entry, at) => entry.equals(own[at] ?? Buffer.alloc(0)))) problem(`${path} has another entry`)
  }
  entries.push(...own)
}

// The tree: every signed head, every stored tile.
const leaves = entries.map((entry) => sha256(Buffer.of(0), entry))
for (const { path, root, size: signed } of heads) {
  if (!treeHash(leaves.slice(0, signed)).equals(root)) problem(`${path}: the entries do not have the signed root`)
}
let tiles = 0
for (let level = 0, hashes = leaves; hashes.length > 0; level++) {
  for (let index = 0; index * 256 < hashes.length; index++) {
    const expected = Buffer.concat(hashes.slice(index * 256, index * 256 + 256))
    const found = stored(level, index)
    if (!found.some(({ width }) => width * 32 >= expected.length)) problem(`tile ${level}/${index} is missing`)
    for (const { path, width } of found) {
      const bytes = ledgerFile(path)
      const common = Math.min(bytes.length, expected.length)
      if (bytes.length !== width * 32 || !bytes.subarray(0, common).equals(expected.subarray(0, common))) {
        problem(`${path} is not the tile of the entries`)
      }
      tiles++
    }
  }
  const above = []
  for (let from = 0; from + 256 <= hashes.length; from += 256) above.push(treeHash(hashes.slice(from, from + 256)))
  hashes = above
}

// The chains, and what each entry names.
const chains = new Map()
let [objects, documents] = [0, 0]
const checkFile = (path, at, sha, bytes) => {
  if (!existsSync(path)) return problem(`entry ${at}: ${path} is missing`)
  const found = hashOfFile(path)
  if (found.sha256 !== sha) problem(`entry ${at}: ${path} has another SHA-256`)
  if (bytes !== null && found.size !== bytes) problem(`entry ${at}: ${path} has another size`)
}
for (const [at, bytes] of entries.entries()) {
  const field = Object.fromEntries(
    bytes.toString("latin1").trimEnd().split("\n").slice(1).map((line) => {
      const space = line.indexOf(" ")
      return [line.slice(0, space), line.slice(space + 1)]
    })
  )
  const { chain, hash, job, key, kind, object, prev, seq } = field
  if (field.origin !== origin) problem(`entry ${at} is of ${field.origin}`)
  const genesis = sha256(`rainlogs-genesis/v1\n${origin}\n${chain}\n`).toString("hex")
  const last = chains.get(chain) ?? { seq: -1, hash: genesis }
  if (Number(seq) !== last.seq + 1 || prev !== last.hash) problem(`entry ${at} does not continue its chain`)
  if (sha256(hex(prev), hex(object), job).toString("hex") !== hash) problem(`entry ${at}: its chain hash is wrong`)
  chains.set(chain, { seq: Number(seq), hash })
  if (kind === "object") {
    if (key !== "-") objects++
    if (key !== "-") checkFile(join(directory, key), at, object, Number(field.size))
    if (field.params !== "-") checkFile(join(ledger, "event", field.params), at, field.params, null)
  } else {
    documents++
    checkFile(join(ledger, key), at, object, Number(field.size))
  }
}

console.log(
  `${entries.length} entries in ${chains.size} chains, ${objects} objects, ${documents} documents, ${tiles} tiles, ` +
    `${heads.length} heads: ${problems.length === 0 ? "all as signed" : `${problems.length} problems`}`
)
for (const text of problems.slice(0, 20)) console.log(`  ${text}`)
process.exitCode = problems.length === 0 ? 0 : 1
