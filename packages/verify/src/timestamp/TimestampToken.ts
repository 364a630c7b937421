/**
 * RFC 3161 requests and responses: the request that asks for a timestamp, and the parts of the token that answers it (a
 * CMS SignedData, RFC 5652, over a TSTInfo).
 */
import * as Bytes from "../Bytes.ts"
import { MalformedError } from "../Malformed.ts"
import { type Certificate, parseCertificate } from "./Certificate.ts"
import {
  boolean,
  children,
  context,
  type DerValue,
  integer,
  moment,
  oid,
  parseDer,
  Parts,
  primitiveContext,
  printDer,
  printOid,
  smallInteger,
  tags
} from "./Der.ts"

const format = "timestamp response"
/** Object identifier of TSTInfo content. */
export const tstInfoId = "1.2.840.113549.1.9.16.1.4"
const signedDataId = "1.2.840.113549.1.7.2"
const sha256Id = "2.16.840.1.101.3.4.2.1"

/** A request for a timestamp over a SHA-256 (32 bytes), with the signer's certificate in the answer (RFC 3161 §2.4.1). */
export const printTimestampRequest = (imprint: Uint8Array, nonce: Uint8Array): Uint8Array => {
  if (imprint.length !== 32) throw new MalformedError("timestamp request", "the imprint has not 32 bytes")
  // A non-negative integer without superfluous zeros.
  const first = nonce.findIndex((byte) => byte !== 0)
  const number = first < 0 ? Uint8Array.of(0) : nonce.subarray(first)
  const positive = (number[0] ?? 0) >= 0x80 ? Bytes.concat(Uint8Array.of(0), number) : number
  const algorithm = printDer(tags.sequence, printOid(sha256Id), printDer(tags.null))
  return printDer(
    tags.sequence,
    printDer(tags.integer, Uint8Array.of(1)),
    printDer(tags.sequence, algorithm, printDer(tags.octetString, imprint)),
    printDer(tags.integer, positive),
    printDer(tags.boolean, Uint8Array.of(0xff))
  )
}

/** What the authority states (RFC 3161 §2.4.2). */
export interface TimestampInfo {
  /** The hash function of the imprint, as an AlgorithmIdentifier. */
  readonly algorithm: DerValue
  readonly imprint: Uint8Array
  readonly serial: Uint8Array
  /** Unix ms. */
  readonly time: number
  readonly nonce: Uint8Array | null
}

/** One signature of a token. */
export interface TokenSigner {
  /** Issuer and serial, or the key identifier, that say whose signature it is. */
  readonly issuer: { readonly name: Uint8Array; readonly serial: Uint8Array } | null
  readonly keyId: Uint8Array | null
  readonly digestAlgorithm: DerValue
  /** The signed attributes, as the SET that is signed, and their values by object identifier. */
  readonly signed: Uint8Array
  readonly attributes: ReadonlyMap<string, DerValue>
  readonly algorithm: DerValue
  readonly signature: Uint8Array
}

/** A response; `token` is null when the authority granted none. */
export interface TimestampResponse {
  /** 0 granted, 1 granted with modifications, others refused (RFC 3161 §2.4.2). */
  readonly status: number
  readonly token: TimestampToken | null
}

/** A token, taken apart; nothing is checked yet. */
export interface TimestampToken {
  /** The DER of TSTInfo, which the message digest is over. */
  readonly content: Uint8Array
  readonly info: TimestampInfo
  readonly certificates: ReadonlyArray<Certificate>
  readonly signers: ReadonlyArray<TokenSigner>
}

const parseInfo = (bytes: Uint8Array): TimestampInfo => {
  const parts = new Parts(parseDer(bytes), tags.sequence)
  if (smallInteger(parts.take(tags.integer)) !== 1) throw new MalformedError(format, "TSTInfo is not of version 1")
  oid(parts.take(tags.oid))
  const imprint = new Parts(parts.take(tags.sequence), tags.sequence)
  const algorithm = imprint.take(tags.sequence)
  const hash = imprint.take(tags.octetString).content
  imprint.end()
  const serial = integer(parts.take(tags.integer))
  const time = moment(parts.take(tags.generalizedTime))
  parts.optional(tags.sequence)
  const ordering = parts.optional(tags.boolean)
  if (ordering !== null && !boolean(ordering)) throw new MalformedError(format, "a default value that is written out")
  const nonce = parts.optional(tags.integer)
  parts.optional(context(0))
  parts.optional(context(1))
  parts.end()
  return { algorithm, imprint: hash, serial, time, nonce: nonce === null ? null : integer(nonce) }
}

const parseSigner = (value: DerValue): TokenSigner => {
  const parts = new Parts(value, tags.sequence)
  const version = smallInteger(parts.take(tags.integer))
  const keyId = parts.optional(primitiveContext(0))
  let issuer: TokenSigner["issuer"] = null
  if (keyId === null) {
    const sid = new Parts(parts.take(tags.sequence), tags.sequence)
    issuer = { name: sid.take(tags.sequence).whole, serial: integer(sid.take(tags.integer)) }
    sid.end()
  }
  if (version !== (keyId === null ? 1 : 3)) throw new MalformedError(format, "a signer of a wrong version")
  const digestAlgorithm = parts.take(tags.sequence)
  const signed = parts.take(context(0))
  const attributes = new Map<string, DerValue>()
  for (const item of children(signed)) {
    const attribute = new Parts(item, tags.sequence)
    const id = oid(attribute.take(tags.oid))
    const [only, ...more] = children(attribute.take(tags.set))
    attribute.end()
    if (only === undefined || more.length > 0 || attributes.has(id)) {
      throw new MalformedError(format, `the attribute ${id} has not exactly one value`)
    }
    attributes.set(id, only)
  }
  const algorithm = parts.take(tags.sequence)
  const signature = parts.take(tags.octetString).content
  parts.optional(context(1))
  parts.end()
  return {
    issuer,
    keyId: keyId?.content ?? null,
    digestAlgorithm,
    signed: Bytes.concat(Uint8Array.of(tags.set), signed.whole.subarray(1)),
    attributes,
    algorithm,
    signature
  }
}

const parseToken = (value: DerValue): TimestampToken => {
  const outer = new Parts(value, tags.sequence)
  if (oid(outer.take(tags.oid)) !== signedDataId) throw new MalformedError(format, "the token is no SignedData")
  const wrapped = outer.take(context(0))
  outer.end()
  const parts = new Parts(parseDer(wrapped.content), tags.sequence)
  smallInteger(parts.take(tags.integer))
  parts.take(tags.set)
  const encapsulated = new Parts(parts.take(tags.sequence), tags.sequence)
  if (oid(encapsulated.take(tags.oid)) !== tstInfoId) throw new MalformedError(format, "the token holds no TSTInfo")
  const octets = parseDer(encapsulated.take(context(0)).content)
  encapsulated.end()
  if (octets.tag !== tags.octetString) throw new MalformedError(format, "TSTInfo is no octet string")
  const certificates = parts.optional(context(0))
  parts.optional(context(1))
  const signers = parts.take(tags.set)
  parts.end()
  return {
    content: octets.content,
    info: parseInfo(octets.content),
    certificates: certificates === null ? [] : children(certificates).map(({ whole }) => parseCertificate(whole)),
    signers: children(signers).map(parseSigner)
  }
}

/** Reads a response in DER; throws {@link MalformedError}. */
export const parseTimestampResponse = (bytes: Uint8Array): TimestampResponse => {
  const parts = new Parts(parseDer(bytes), tags.sequence)
  const status = new Parts(parts.take(tags.sequence), tags.sequence)
  const code = smallInteger(status.take(tags.integer))
  status.rest()
  const token = parts.optional(tags.sequence)
  parts.end()
  return { status: code, token: token === null ? null : parseToken(token) }
}
