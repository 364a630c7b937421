/**
 * The tamper catalogue, timestamps: tokens over other bytes, by certificates that must not sign, forged, and expired.
 * They are made with the `openssl` command.
 */
import { type Anchored, printAnchored, receiptPath } from "../Anchored.ts"
import { encode as ascii } from "../Ascii.ts"
import { sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"
import { ledgerKey } from "../Layout.ts"
import { parseCertificates } from "../timestamp/Certificate.ts"
import type { VerifyOptions } from "../VerifyArchive.ts"
import { ArchiveBuilder, hour, log, minute, origin } from "./ArchiveBuilder.ts"
import { headKey, rootOf } from "./EvidenceArchive.ts"
import { type AuthorityOptions, OpensslTimestampAuthority } from "./OpensslTimestampAuthority.ts"
import { type Attempt, judge, type TamperCase } from "./TamperCase.ts"

// Certificates begin to be valid when they are made, so these archives are made after them, and end now.
interface Recent {
  readonly builder: ArchiveBuilder
  /** Size of the published head that is stamped. */
  readonly size: number
  readonly now: number
}

const recentArchive = (): Recent => {
  const now = Date.now()
  const epoch = Math.floor((now - 30 * minute) / hour)
  const begin = Math.max(epoch * hour, now - 20 * minute)
  const builder = new ArchiveBuilder().begin(begin)
  builder.window({ from: begin - 10 * minute, to: begin, lines: "{}\n", time: begin + minute })
  // The heartbeat of the hour before, if it is due by now.
  for (let due = Math.floor(begin / hour); (due + 1) * hour + minute <= now; due++) {
    builder.heartbeat(due, { time: (due + 1) * hour + minute })
  }
  return { builder: builder.publish(), size: builder.entries.length, now }
}

const head = ({ builder, size }: Recent): Uint8Array => {
  const bytes = builder.files.get(headKey(size))
  if (bytes === undefined) throw new Error("the head is not published")
  return bytes
}

// Stores a response as the receipt of the head, chained when asked for.
const keep = (recent: Recent, response: Uint8Array, name = "tsa", time = recent.now): Recent => {
  const { builder, size } = recent
  const anchored: Anchored = {
    origin,
    anchor: name,
    type: "rfc3161",
    size,
    root: Hex.encode(rootOf(builder.entries.slice(0, size))),
    checkpoint: Hex.encode(sha256(head(recent))),
    receipt: Hex.encode(sha256(response)),
    time
  }
  builder.files.set(ledgerKey(origin, receiptPath(anchored)), response)
  builder.event("anchored", ascii(printAnchored(anchored)), Math.max(time, builder.entries.at(-1)?.time ?? 0) + 1000)
  builder.publish()
  return recent
}

const attempt = (
  name: string,
  act: (authority: (options?: AuthorityOptions) => OpensslTimestampAuthority) => {
    readonly recent: Recent
    readonly options: Partial<VerifyOptions>
  }
): Attempt => ({
  name,
  run: async () => {
    const made: Array<OpensslTimestampAuthority> = []
    const authority = (options?: AuthorityOptions) => {
      const one = new OpensslTimestampAuthority(options)
      made.push(one)
      return one
    }
    try {
      const { options, recent } = act(authority)
      return await judge(recent.builder.files, { keys: [log.key], ...options })
    } finally {
      for (const one of made) one.close()
    }
  }
})

const roots = (...authorities: ReadonlyArray<OpensslTimestampAuthority>) =>
  authorities.flatMap(({ root }) => parseCertificates(root))

const day = 24 * hour
const leaf = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
const wrongCertificates: ReadonlyArray<readonly [string, AuthorityOptions]> = [
  ["CA:TRUE", {
    extensions: [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,digitalSignature,keyCertSign",
      "extendedKeyUsage=critical,timeStamping"
    ]
  }],
  ["usage not critical", { extensions: [...leaf, "extendedKeyUsage=timeStamping"] }],
  ["usage not exclusive", { extensions: [...leaf, "extendedKeyUsage=critical,timeStamping,codeSigning"] }]
]

/** Cases about RFC 3161 timestamps. */
export const timestampCases: ReadonlyArray<TamperCase> = [
  {
    id: "tsa-right",
    attacker: "storage",
    mutation: "nothing: a token of a trusted authority over the head",
    expect: [],
    exit: 0,
    attempts: () => [
      attempt("", (authority) => {
        const [tsa, recent] = [authority(), recentArchive()]
        return { recent: keep(recent, tsa.stamp(head(recent))), options: { timestampRoots: roots(tsa) } }
      })
    ]
  },
  {
    id: "tsa-wrong-imprint",
    attacker: "insider",
    mutation: "a token over another checkpoint",
    expect: ["ANCHOR_MISMATCH"],
    exit: 1,
    attempts: () => [
      attempt("", (authority) => {
        const [tsa, recent] = [authority(), recentArchive()]
        const other = recent.builder.sign(recent.size - 1).immutable
        return { recent: keep(recent, tsa.stamp(other)), options: { timestampRoots: roots(tsa) } }
      })
    ]
  },
  {
    id: "tsa-injected-cert",
    attacker: "insider",
    mutation: "a token whose certificates bear the trusted authority's names, signed by somebody else",
    expect: ["ANCHOR_INVALID"],
    exit: 1,
    attempts: () => [
      attempt("", (authority) => {
        const tsa = authority()
        const eve = authority({ impersonates: tsa })
        const recent = recentArchive()
        return { recent: keep(recent, eve.stampAt(head(recent), recent.now)), options: { timestampRoots: roots(tsa) } }
      })
    ]
  },
  {
    id: "tsa-ca-leaf",
    attacker: "insider",
    mutation: "the signer's certificate is an authority's, or not for timestamps alone",
    expect: ["ANCHOR_UNTRUSTED"],
    exit: 2,
    attempts: () =>
      wrongCertificates.map(([name, options]) =>
        attempt(name, (authority) => {
          const [tsa, recent] = [authority(options), recentArchive()]
          return {
            recent: keep(recent, tsa.stampAt(head(recent), recent.now)),
            options: { timestampRoots: roots(tsa) }
          }
        })
      )
  },
  {
    id: "tsa-expired-now",
    attacker: "storage",
    mutation: "nothing: the certificate expired since, but was valid at its time, and a newer anchor covers it",
    expect: [],
    exit: 0,
    attempts: () => [
      attempt("", (authority) => {
        const [tsa, newer, recent] = [authority({ days: 10 }), authority(), recentArchive()]
        keep(recent, tsa.stamp(head(recent)))
        const renewed = { ...recent, size: recent.builder.entries.length }
        keep(renewed, newer.stampAt(head(renewed), recent.now + 2 * minute), "tsa-2", recent.now + 2 * minute)
        return { recent: renewed, options: { timestampRoots: roots(tsa, newer), now: recent.now + 30 * day } }
      })
    ]
  },
  {
    id: "tsa-expired-uncovered",
    attacker: "storage",
    mutation: "the certificate expired and no newer anchor covers its token",
    expect: ["ANCHOR_NEEDS_RENEWAL"],
    exit: 2,
    attempts: () => [
      attempt("", (authority) => {
        const [tsa, recent] = [authority({ days: 10 }), recentArchive()]
        const options = { timestampRoots: roots(tsa), now: recent.now + 30 * day }
        return { recent: keep(recent, tsa.stamp(head(recent))), options }
      })
    ]
  }
]
