/**
 * X.509 certificates (RFC 5280): what is needed to know whose timestamp a token is, and to follow its issuers to a root.
 */
import * as Base64 from "../Base64.ts"
import { MalformedError } from "../Malformed.ts"
import {
  bitString,
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
  smallInteger,
  tags
} from "./Der.ts"

/** An extension: whether it is critical, and its DER. */
export interface Extension {
  readonly critical: boolean
  readonly value: Uint8Array
}

/** A parsed certificate; times in ms. */
export interface Certificate {
  readonly whole: Uint8Array
  /** The signed part. */
  readonly signed: Uint8Array
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  readonly publicKey: DerValue
  readonly extensions: ReadonlyMap<string, Extension>
  readonly algorithm: DerValue
  readonly signature: Uint8Array
}

/** Object identifiers of the extensions that are looked at. */
export const extensionIds = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  basicConstraints: "2.5.29.19",
  certificatePolicies: "2.5.29.32",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37"
} as const

const readExtensions = (value: DerValue | null): Map<string, Extension> => {
  const extensions = new Map<string, Extension>()
  if (value === null) return extensions
  for (const item of children(parseDer(value.content))) {
    const parts = new Parts(item, tags.sequence)
    const id = oid(parts.take(tags.oid))
    const critical = parts.optional(tags.boolean)
    const bytes = parts.take(tags.octetString).content
    parts.end()
    if (extensions.has(id)) throw new MalformedError("certificate", `the extension ${id} stands twice`)
    extensions.set(id, { critical: critical !== null && boolean(critical), value: bytes })
  }
  return extensions
}

/** Reads a certificate in DER; throws {@link MalformedError}. */
export const parseCertificate = (bytes: Uint8Array): Certificate => {
  const outer = new Parts(parseDer(bytes), tags.sequence)
  const signed = outer.take(tags.sequence)
  const algorithm = outer.take(tags.sequence)
  const signature = bitString(outer.take(tags.bitString))
  outer.end()
  const parts = new Parts(signed, tags.sequence)
  const version = parts.optional(context(0))
  const serial = integer(parts.take(tags.integer))
  const inner = parts.take(tags.sequence)
  const issuer = parts.take(tags.sequence)
  const validity = new Parts(parts.take(tags.sequence), tags.sequence)
  const [notBefore, notAfter] = [moment(validity.any()), moment(validity.any())]
  validity.end()
  const subject = parts.take(tags.sequence)
  const publicKey = parts.take(tags.sequence)
  // Unique identifiers of issuer and subject, which nobody uses.
  parts.optional(primitiveContext(1))
  parts.optional(primitiveContext(2))
  const extensions = parts.optional(context(3))
  parts.end()
  if (version === null || smallInteger(parseDer(version.content)) !== 2) {
    throw new MalformedError("certificate", "not of version 3")
  }
  if (inner.whole.length !== algorithm.whole.length || inner.whole.some((byte, at) => byte !== algorithm.whole[at])) {
    throw new MalformedError("certificate", "two different signature algorithms")
  }
  return {
    whole: bytes,
    signed: signed.whole,
    serial,
    issuer: issuer.whole,
    subject: subject.whole,
    notBefore,
    notAfter,
    publicKey,
    extensions: readExtensions(extensions),
    algorithm,
    signature
  }
}

/** Whether the certificate may issue others, and how many issuers may follow below it (null: any number). */
export const authority = (
  { extensions }: Certificate
): { readonly ca: boolean; readonly pathLength: number | null } => {
  const extension = extensions.get(extensionIds.basicConstraints)
  if (extension === undefined) return { ca: false, pathLength: null }
  const parts = new Parts(parseDer(extension.value), tags.sequence)
  const flag = parts.optional(tags.boolean)
  const length = parts.optional(tags.integer)
  parts.end()
  return { ca: flag !== null && boolean(flag), pathLength: length === null ? null : smallInteger(length) }
}

/** The key usage bits (RFC 5280 §4.2.1.3), bit 0 first; null without the extension. */
export const keyUsage = ({ extensions }: Certificate): ReadonlyArray<boolean> | null => {
  const extension = extensions.get(extensionIds.keyUsage)
  if (extension === undefined) return null
  const { content, tag } = parseDer(extension.value)
  if (tag !== tags.bitString || content.length < 1) {
    throw new MalformedError("certificate", "key usage is no bit string")
  }
  return [...content.subarray(1)].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte & (1 << bit)) !== 0))
}

/** The purposes of the extended key usage; null without the extension. */
export const purposes = ({ extensions }: Certificate): ReadonlyArray<string> | null => {
  const extension = extensions.get(extensionIds.extendedKeyUsage)
  if (extension === undefined) return null
  const value = parseDer(extension.value)
  if (value.tag !== tags.sequence) throw new MalformedError("certificate", "extended key usage is no sequence")
  return children(value).map(oid)
}

/** The key identifier of the certificate's own key, or null. */
export const subjectKeyId = ({ extensions }: Certificate): Uint8Array | null => {
  const extension = extensions.get(extensionIds.subjectKeyIdentifier)
  if (extension === undefined) return null
  const value = parseDer(extension.value)
  return value.tag === tags.octetString ? value.content : null
}

/** The key identifier of the issuer's key, or null. */
export const issuerKeyId = ({ extensions }: Certificate): Uint8Array | null => {
  const extension = extensions.get(extensionIds.authorityKeyIdentifier)
  if (extension === undefined) return null
  return new Parts(parseDer(extension.value), tags.sequence).optional(primitiveContext(0))?.content ?? null
}

const attributeNames: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.10": "O",
  "2.5.4.11": "OU"
}

/** A name for a person, such as `CN=Example TSA, O=Example`. */
export const nameText = (name: Uint8Array): string =>
  children(parseDer(name)).flatMap((set) => children(set)).map((attribute) => {
    const parts = new Parts(attribute, tags.sequence)
    const id = oid(parts.take(tags.oid))
    const value = new TextDecoder().decode(parts.any().content).replaceAll(/[^\x20-\x7e\u00a0-\uffff]/g, "?")
    return `${attributeNames[id] ?? id}=${value}`
  }).join(", ")

const block = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----/g

/** Reads one certificate in DER, or the certificates of a PEM text; throws {@link MalformedError}. */
export const parseCertificates = (bytes: Uint8Array): Array<Certificate> =>
  bytes[0] === tags.sequence ? [parseCertificate(bytes)] : parsePem(new TextDecoder().decode(bytes))

/** Reads the certificates of a PEM text (RFC 7468); throws {@link MalformedError} when there is none. */
export const parsePem = (text: string): Array<Certificate> => {
  const certificates = [...text.matchAll(block)].map(([, body = ""]) =>
    parseCertificate(Base64.decode(body.replaceAll(/[\r\n]/g, "")))
  )
  const announced = text.split("-----BEGIN").length - 1
  if (certificates.length === 0 || certificates.length !== announced) {
    throw new MalformedError("PEM", "not a text of certificates, each between BEGIN and END CERTIFICATE lines")
  }
  return certificates
}
