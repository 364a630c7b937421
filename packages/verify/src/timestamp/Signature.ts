/**
 * The signature algorithms of certificates and timestamp tokens, checked with WebCrypto: ECDSA on the NIST curves, RSA
 * (PKCS #1 v1.5 and PSS) and Ed25519, with SHA-2 alone (ledger format §6).
 */
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js"
import { bitString, context, type DerValue, integer, oid, parseDer, Parts, smallInteger, tags } from "./Der.ts"

/** A hash function of the SHA-2 family, by the name WebCrypto knows. */
export type HashName = "SHA-256" | "SHA-384" | "SHA-512"

const hashes: Readonly<Record<string, HashName>> = {
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512"
}
const digests = { "SHA-256": sha256, "SHA-384": sha384, "SHA-512": sha512 } as const

/** An algorithm that is not one of those that are believed; the message names it. */
export class AlgorithmError extends Error {
  override readonly name = "AlgorithmError"
}

/** The hash function of an AlgorithmIdentifier; throws {@link AlgorithmError} for SHA-1, MD5 and all others. */
export const hashOf = (algorithm: DerValue): HashName => {
  const parts = new Parts(algorithm, tags.sequence)
  const id = oid(parts.take(tags.oid))
  const parameters = parts.optional(tags.null)
  parts.end()
  const name = hashes[id]
  if (name === undefined || (parameters !== null && parameters.content.length > 0)) {
    throw new AlgorithmError(`the hash function ${id} is not SHA-256, SHA-384 or SHA-512`)
  }
  return name
}

/** The digest of bytes. */
export const digest = (name: HashName, bytes: Uint8Array): Uint8Array => digests[name](bytes)

type Scheme = "ecdsa" | "rsa" | "pss" | "ed25519"

const signatures: Readonly<Record<string, readonly [Scheme, HashName | null]>> = {
  "1.2.840.10045.4.3.2": ["ecdsa", "SHA-256"],
  "1.2.840.10045.4.3.3": ["ecdsa", "SHA-384"],
  "1.2.840.10045.4.3.4": ["ecdsa", "SHA-512"],
  // A key algorithm in the place of a signature algorithm: the hash is the signer's digest algorithm.
  "1.2.840.10045.2.1": ["ecdsa", null],
  "1.2.840.113549.1.1.1": ["rsa", null],
  "1.2.840.113549.1.1.11": ["rsa", "SHA-256"],
  "1.2.840.113549.1.1.12": ["rsa", "SHA-384"],
  "1.2.840.113549.1.1.13": ["rsa", "SHA-512"],
  "1.2.840.113549.1.1.10": ["pss", null],
  "1.3.101.112": ["ed25519", null]
}
const curves: Readonly<Record<string, readonly [name: string, bytes: number]>> = {
  "1.2.840.10045.3.1.7": ["P-256", 32],
  "1.3.132.0.34": ["P-384", 48],
  "1.3.132.0.35": ["P-521", 66]
}

// RSASSA-PSS-params (RFC 4055 §3.1): the same SHA-2 function for the message and for MGF1; the defaults are SHA-1.
const pssOf = (parameters: DerValue | null): { hash: HashName; saltLength: number } => {
  if (parameters === null) throw new AlgorithmError("RSASSA-PSS without parameters means SHA-1")
  const parts = new Parts(parameters, tags.sequence)
  const [hash, mask, salt] = [parts.optional(context(0)), parts.optional(context(1)), parts.optional(context(2))]
  parts.optional(context(3))
  parts.end()
  if (hash === null || mask === null) throw new AlgorithmError("RSASSA-PSS with SHA-1")
  const inner = new Parts(parseDer(mask.content), tags.sequence)
  if (oid(inner.take(tags.oid)) !== "1.2.840.113549.1.1.8") {
    throw new AlgorithmError("a mask generation other than MGF1")
  }
  const name = hashOf(parseDer(hash.content))
  if (hashOf(inner.any()) !== name) throw new AlgorithmError("RSASSA-PSS with two hash functions")
  return { hash: name, saltLength: salt === null ? 20 : smallInteger(parseDer(salt.content)) }
}

// ECDSA-Sig-Value to the fixed-width r ∥ s of WebCrypto; null when a number does not fit.
const rawSignature = (signature: Uint8Array, width: number): Uint8Array<ArrayBuffer> | null => {
  const parts = new Parts(parseDer(signature), tags.sequence)
  const numbers = [integer(parts.take(tags.integer)), integer(parts.take(tags.integer))]
  parts.end()
  const raw = new Uint8Array(2 * width)
  for (const [index, number] of numbers.entries()) {
    if ((number[0] ?? 0x80) >= 0x80) return null
    const magnitude = number[0] === 0 ? number.subarray(1) : number
    if (magnitude.length > width) return null
    raw.set(magnitude, (index + 1) * width - magnitude.length)
  }
  return raw
}

/** What a signature is checked with. */
export interface SignatureClaim {
  /** SubjectPublicKeyInfo of the signer. */
  readonly publicKey: DerValue
  /** AlgorithmIdentifier of the signature. */
  readonly algorithm: DerValue
  /** The hash function where the algorithm names none. */
  readonly hash: HashName | null
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

const keyAlgorithm = (publicKey: DerValue): { id: string; parameters: DerValue | null } => {
  const info = new Parts(publicKey, tags.sequence)
  const algorithm = new Parts(info.take(tags.sequence), tags.sequence)
  const id = oid(algorithm.take(tags.oid))
  const [parameters = null] = algorithm.rest()
  bitString(info.take(tags.bitString))
  info.end()
  return { id, parameters }
}

/** Whether the signature is valid; throws {@link AlgorithmError} for algorithms that are not believed. */
export const verifySignature = async (claim: SignatureClaim): Promise<boolean> => {
  const parts = new Parts(claim.algorithm, tags.sequence)
  const id = oid(parts.take(tags.oid))
  const [parameters = null] = parts.rest()
  const [scheme, own] = signatures[id] ?? []
  if (scheme === undefined) throw new AlgorithmError(`the signature algorithm ${id} is not believed`)
  const hash = own ?? claim.hash
  const key = keyAlgorithm(claim.publicKey)
  const spki = new Uint8Array(claim.publicKey.whole)
  const message = new Uint8Array(claim.message)
  const check = async (
    algorithm: RsaHashedImportParams | EcKeyImportParams | Algorithm,
    verify: RsaPssParams | EcdsaParams | Algorithm,
    signature: Uint8Array<ArrayBuffer> | null
  ): Promise<boolean> => {
    if (signature === null) return false
    const imported = await crypto.subtle.importKey("spki", spki, algorithm, false, ["verify"]).catch(() => null)
    return imported !== null && await crypto.subtle.verify(verify, imported, signature, message)
  }
  const bytes = new Uint8Array(claim.signature)
  if (scheme === "ed25519") return check({ name: "Ed25519" }, { name: "Ed25519" }, bytes)
  if (scheme === "pss") {
    const { hash: name, saltLength } = pssOf(parameters)
    return check({ name: "RSA-PSS", hash: name }, { name: "RSA-PSS", saltLength }, bytes)
  }
  if (hash === null) throw new AlgorithmError(`the signature algorithm ${id} names no hash function`)
  if (scheme === "rsa") return check({ name: "RSASSA-PKCS1-v1_5", hash }, { name: "RSASSA-PKCS1-v1_5" }, bytes)
  const [namedCurve, width] = (key.parameters === null ? undefined : curves[oid(key.parameters)]) ?? []
  if (namedCurve === undefined || width === undefined) {
    throw new AlgorithmError("an elliptic curve that is not believed")
  }
  return check({ name: "ECDSA", namedCurve }, { name: "ECDSA", hash }, rawSignature(claim.signature, width))
}
