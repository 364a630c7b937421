/**
 * The grammar of object keys: `/`-separated segments of `[A-Za-z0-9._-]`, so that a key is a safe relative path on
 * every file system and a plain key on every S3 service.
 */

const segment = /^[A-Za-z0-9._-]{1,255}$/
const prefix = /^[A-Za-z0-9._/-]*$/
const checkpoint = /^integrity\/v1\/[0-9a-f]{64}\/checkpoint$/

/** Longest key in bytes (the limit of S3). */
export const maxKeyBytes = 1024

/** The directory of files that are being written; no key begins with it. */
export const incomingDirectory = ".incoming"

/** What is wrong with the key, or undefined when it is one. */
export const keyFault = (key: string): string | undefined => {
  if (key.length > maxKeyBytes) return `a key has at most ${maxKeyBytes} bytes`
  const segments = key.split("/")
  if (segments[0] === incomingDirectory) return `"${incomingDirectory}" is reserved`
  const bad = segments.some((part) => !segment.test(part) || part === "." || part === "..")
  return bad ? "a key is a relative path of segments of A-Z a-z 0-9 . _ -, none of them \".\" or \"..\"" : undefined
}

/** What is wrong with a prefix to list, or undefined. The empty prefix lists everything. */
export const prefixFault = (text: string): string | undefined => {
  if (text.length > maxKeyBytes || !prefix.test(text) || text.startsWith("/") || text.includes("//")) {
    return "a prefix is the beginning of a key"
  }
  return text.split("/").some((part) => part === "." || part === "..") ? "a prefix has no \".\" or \"..\"" : undefined
}

/** Whether the key is the one kind that may be replaced: a ledger's served checkpoint (ledger format §4). */
export const isReplaceable = (key: string): boolean => checkpoint.test(key)
