/**
 * Verifies an RFC 3161 timestamp over some bytes, under the strict rules of ledger format §6. The signer is the one whom
 * SignerInfo and ESSCertIDv2 (RFC 5816) name together; certificates that merely lie in the token decide nothing.
 */
import * as Bytes from "../Bytes.ts"
import { authority, type Certificate, extensionIds, keyUsage, nameText, purposes, subjectKeyId } from "./Certificate.ts"
import { findPath } from "./CertificatePath.ts"
import { children, oid, Parts, tags } from "./Der.ts"
import { AlgorithmError, digest, hashOf, verifySignature } from "./Signature.ts"
import { parseTimestampResponse, type TimestampToken, type TokenSigner, tstInfoId } from "./TimestampToken.ts"

const attributeIds = {
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingCertificateV2: "1.2.840.113549.1.9.16.2.47"
} as const
const timeStamping = "1.3.6.1.5.5.7.3.8"

/** What is verified, and what is trusted. */
export interface TimestampClaim {
  /** A TimeStampResp in DER. */
  readonly response: Uint8Array
  /** The bytes that were stamped. */
  readonly message: Uint8Array
  /** Trusted root certificates. */
  readonly roots: ReadonlyArray<Certificate>
  /** Further certificates that a path may lead over. */
  readonly intermediates?: ReadonlyArray<Certificate>
  /** The nonce of the request, when it is known. */
  readonly nonce?: Uint8Array
}

/**
 * `valid`: the bytes existed at `time` (ms) according to the authority; `expires` (ms) is when the first certificate of
 * the path does. `mismatch`: the token is over other bytes. `invalid`: forged or broken. `untrusted`: not by anybody the
 * roots lead to, or by algorithms that are not believed.
 */
export type TimestampOutcome =
  | {
    readonly outcome: "valid"
    readonly time: number
    readonly by: string
    readonly expires: number
    readonly path: ReadonlyArray<Certificate>
  }
  | { readonly outcome: "mismatch" | "untrusted" | "invalid"; readonly reason: string }

const invalid = (reason: string) => ({ outcome: "invalid", reason }) as const
const untrusted = (reason: string) => ({ outcome: "untrusted", reason }) as const

/** Verifies a response; rejects with `MalformedError` when it is not DER of the right shape. */
export const verifyTimestamp = async (claim: TimestampClaim): Promise<TimestampOutcome> => {
  const { status, token } = parseTimestampResponse(claim.response)
  if (status > 1 || token === null) return invalid(`the authority granted no timestamp (status ${status})`)
  try {
    return await verifyToken(token, claim)
  } catch (error) {
    if (error instanceof AlgorithmError) return untrusted(error.message)
    throw error
  }
}

const verifyToken = async (token: TimestampToken, claim: TimestampClaim): Promise<TimestampOutcome> => {
  const { info } = token
  if (!Bytes.equal(digest(hashOf(info.algorithm), claim.message), info.imprint)) {
    return { outcome: "mismatch", reason: "the timestamp is over other bytes" }
  }
  if (claim.nonce !== undefined && (info.nonce === null || !sameNumber(info.nonce, claim.nonce))) {
    return invalid("the nonce is not that of the request")
  }
  const [signer, ...more] = token.signers
  if (signer === undefined || more.length > 0) return invalid(`${token.signers.length} signers, expected one`)
  const known = [...token.certificates, ...claim.intermediates ?? [], ...claim.roots]
  const certificate = findSigner(signer, known)
  if ("outcome" in certificate) return certificate
  const signed = await checkSignature(token, signer, certificate)
  if (signed !== null) return signed
  const refused = objectionToSigner(certificate)
  if (refused !== null) return untrusted(refused)
  const found = await findPath(
    certificate,
    [...token.certificates, ...claim.intermediates ?? []],
    claim.roots,
    info.time
  )
  if ("reason" in found) return found.forged ? invalid(found.reason) : untrusted(found.reason)
  const expires = Math.min(...found.path.map(({ notAfter }) => notAfter))
  return { outcome: "valid", time: info.time, by: nameText(certificate.subject), expires, path: found.path }
}

const sameNumber = (left: Uint8Array, right: Uint8Array): boolean => {
  const trim = (bytes: Uint8Array) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    return first < 0 ? bytes.subarray(bytes.length) : bytes.subarray(first)
  }
  return Bytes.equal(trim(left), trim(right))
}

// The certificate that both the signer's identifier and the first ESSCertIDv2 name.
const findSigner = (signer: TokenSigner, known: ReadonlyArray<Certificate>): Certificate | TimestampOutcome => {
  const attribute = signer.attributes.get(attributeIds.signingCertificateV2)
  if (attribute === undefined) return untrusted("no signingCertificateV2 says by its SHA-2 whose signature it is")
  const [first] = children(new Parts(attribute, tags.sequence).take(tags.sequence))
  if (first === undefined) return invalid("signingCertificateV2 names no certificate")
  const parts = new Parts(first, tags.sequence)
  const algorithm = parts.optional(tags.sequence)
  const hash = parts.take(tags.octetString).content
  const name = algorithm === null ? "SHA-256" : hashOf(algorithm)
  const named = known.filter((certificate) =>
    signer.issuer === null
      ? equalOrNull(subjectKeyId(certificate), signer.keyId)
      : Bytes.equal(certificate.issuer, signer.issuer.name) && Bytes.equal(certificate.serial, signer.issuer.serial)
  )
  const found = named.find((certificate) => Bytes.equal(digest(name, certificate.whole), hash))
  if (found !== undefined) return found
  return named.length > 0
    ? invalid("the signer's certificate is not the one that the signature is bound to (ESSCertIDv2)")
    : untrusted("the signer's certificate is neither in the token nor given")
}

const equalOrNull = (left: Uint8Array | null, right: Uint8Array | null): boolean =>
  left !== null && right !== null && Bytes.equal(left, right)

const checkSignature = async (
  token: TimestampToken,
  signer: TokenSigner,
  certificate: Certificate
): Promise<TimestampOutcome | null> => {
  const type = signer.attributes.get(attributeIds.contentType)
  const stated = signer.attributes.get(attributeIds.messageDigest)
  if (type === undefined || oid(type) !== tstInfoId) return invalid("the signed attributes do not name TSTInfo")
  const hash = hashOf(signer.digestAlgorithm)
  if (stated?.tag !== tags.octetString || !Bytes.equal(stated.content, digest(hash, token.content))) {
    return invalid("the signed message digest is not that of TSTInfo")
  }
  const { algorithm, signature, signed: message } = signer
  const valid = await verifySignature({ publicKey: certificate.publicKey, algorithm, hash, message, signature })
  return valid ? null : invalid("the signature is invalid")
}

// RFC 3161 §2.3: the key signs timestamps and nothing else.
const objectionToSigner = (certificate: Certificate): string | null => {
  const name = nameText(certificate.subject)
  const usage = certificate.extensions.get(extensionIds.extendedKeyUsage)
  const bits = keyUsage(certificate)
  const allowed = purposes(certificate)
  if (authority(certificate).ca) return `the certificate of ${name} is that of a certificate authority`
  if (usage?.critical !== true) return `the extended key usage of ${name} is not critical`
  if (allowed?.length !== 1 || allowed[0] !== timeStamping) {
    return `the key of ${name} is not for timestamps alone`
  }
  // Bits 0 and 1: digitalSignature, nonRepudiation.
  if (bits !== null && bits[0] !== true && bits[1] !== true) return `the key usage of ${name} allows no signature`
  return null
}
