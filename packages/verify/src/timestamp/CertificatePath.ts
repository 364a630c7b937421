/**
 * From a signer's certificate to a trusted root (RFC 5280 §6, as far as timestamp authorities need it): every
 * certificate valid at one moment, every issuer allowed to issue, every signature checked.
 */
import * as Bytes from "../Bytes.ts"
import {
  authority,
  type Certificate,
  extensionIds,
  issuerKeyId,
  keyUsage,
  nameText,
  subjectKeyId
} from "./Certificate.ts"
import { AlgorithmError, verifySignature } from "./Signature.ts"

const maxLength = 8
const understood = new Set<string>(Object.values(extensionIds))
const keyCertSign = 5

/** A path, signer first, root last; or why there is none, and whether a certificate is forged. */
export type PathOutcome =
  | { readonly path: ReadonlyArray<Certificate> }
  | { readonly reason: string; readonly forged: boolean }

const isoTime = (time: number): string => new Date(time).toISOString()

/** Why a certificate is not to be believed at a moment (ms) whatever its place, or null. */
export const objectionAt = (certificate: Certificate, moment: number): string | null => {
  const name = nameText(certificate.subject)
  if (moment < certificate.notBefore || moment > certificate.notAfter) {
    const span = `${isoTime(certificate.notBefore)} to ${isoTime(certificate.notAfter)}`
    return `the certificate of ${name} is valid from ${span}, not at ${isoTime(moment)}`
  }
  for (const [id, { critical }] of certificate.extensions) {
    if (critical && !understood.has(id)) return `the certificate of ${name} has the critical extension ${id}`
  }
  return null
}

const mayIssue = (issuer: Certificate, below: number): string | null => {
  const { ca, pathLength } = authority(issuer)
  const name = nameText(issuer.subject)
  if (!ca) return `${name} is no certificate authority`
  if (keyUsage(issuer)?.[keyCertSign] === false) return `${name} may not sign certificates`
  return pathLength !== null && below > pathLength ? `${name} allows only ${pathLength} authorities below it` : null
}

/** Looks for a path from the signer over the given certificates to one of the roots, valid at `moment` (ms). */
export const findPath = async (
  signer: Certificate,
  others: ReadonlyArray<Certificate>,
  roots: ReadonlyArray<Certificate>,
  moment: number
): Promise<PathOutcome> => {
  let reason = `no trusted root has issued the certificate of ${nameText(signer.subject)}`
  let forged = false
  let tried = 0
  const same = (left: Certificate, right: Certificate) => Bytes.equal(left.whole, right.whole)

  const extend = async (path: ReadonlyArray<Certificate>): Promise<ReadonlyArray<Certificate> | null> => {
    const last = path.at(-1)
    if (last === undefined || path.length > maxLength) return null
    const objection = objectionAt(last, moment)
    if (objection !== null) {
      reason = objection
      return null
    }
    if (roots.some((root) => same(root, last))) return path
    const candidates = [...roots, ...others].filter(({ subject }) => Bytes.equal(subject, last.issuer))
    for (const issuer of candidates) {
      // Bounds what a token full of certificates of one name can cost.
      if (path.some((known) => same(known, issuer)) || (tried += 1) > 100) continue
      const refused = mayIssue(issuer, path.length - 1)
      if (refused !== null) {
        reason = refused
        continue
      }
      if (!await issued(issuer, last)) {
        const [claimed, own] = [issuerKeyId(last), subjectKeyId(issuer)]
        // It names the trusted root's very key as its issuer's, and that key did not sign it.
        if (roots.includes(issuer) && claimed !== null && own !== null && Bytes.equal(claimed, own)) {
          forged = true
          reason = `the certificate of ${nameText(last.subject)} claims to be issued by ${nameText(issuer.subject)}, ` +
            "which did not sign it"
        }
        continue
      }
      const found = await extend([...path, issuer])
      if (found !== null) return found
    }
    return null
  }

  const issued = async (issuer: Certificate, subject: Certificate): Promise<boolean> => {
    const { algorithm, signature, signed: message } = subject
    try {
      return await verifySignature({ publicKey: issuer.publicKey, algorithm, hash: null, message, signature })
    } catch (error) {
      if (!(error instanceof AlgorithmError)) throw error
      reason = `the certificate of ${nameText(subject.subject)}: ${error.message}`
      return false
    }
  }

  const path = await extend([signer])
  return path === null ? { reason, forged } : { path }
}
