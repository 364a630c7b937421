import { readFileSync } from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { encode } from "../../src/Ascii.ts"
import * as Bytes from "../../src/Bytes.ts"
import { MalformedError } from "../../src/Malformed.ts"
import { type AuthorityOptions, OpensslTimestampAuthority } from "../../src/tampering/OpensslTimestampAuthority.ts"
import { type Certificate, parseCertificates } from "../../src/timestamp/Certificate.ts"
import { parseTimestampResponse, printTimestampRequest } from "../../src/timestamp/TimestampToken.ts"
import { verifyTimestamp } from "../../src/timestamp/VerifyTimestamp.ts"

const read = (name: string) => new Uint8Array(readFileSync(new URL(`../vectors/rfc3161/${name}`, import.meta.url)))
const selfIssued = (certificate: Certificate) => Bytes.equal(certificate.subject, certificate.issuer)
const hello = encode("hello")

describe("the public vectors", () => {
  const cases: ReadonlyArray<readonly [string, string, Uint8Array, string, string]> = [
    ["sigstage/response-sha256.tsr", "sigstage/ts_chain.pem", hello, "valid", "2025-05-09T11:58:55.000Z"],
    ["sigstage/response-sha384.tsr", "sigstage/ts_chain.pem", hello, "valid", "2025-05-09T11:58:55.000Z"],
    ["sigstage/response-sha512.tsr", "sigstage/ts_chain.pem", hello, "valid", "2025-05-09T11:58:56.000Z"],
    ["sigstage/response-no-embedded-cert.tsr", "sigstage/ts_chain.pem", hello, "valid", "2025-06-18T08:13:02.000Z"],
    ["sigstage/response-invalid-signature.tsr", "sigstage/ts_chain.pem", hello, "invalid", "signature is invalid"],
    ["local/r.tsr", "local/ca.pem", read("local/checkpoint"), "valid", "2026-11-21T22:46:23.000Z"],
    ["local/r.tsr", "local/ca.pem", read("local/checkpoint-tampered"), "mismatch", "other bytes"],
    ["local/r.tsr", "sigstage/ts_chain.pem", read("local/checkpoint"), "untrusted", "no trusted root"],
    // Expired by now, and valid at its own time: that is what counts.
    [
      "sigstore.mock/response-expired.tsr",
      "sigstore.mock/ts_chain.pem",
      read("sigstore.mock/payload"),
      "valid",
      "2023-02-01T00:00:00.000Z"
    ],
    ["test_tsa/response.tsr", "test_tsa/ts_chain.pem", hello, "valid", "2024-10-08T15:40:32.000Z"],
    // Foreign certificates lie in the token; the signer is still the one it is bound to.
    ["test_tsa/response-injected-certs.tsr", "test_tsa/ts_chain.pem", hello, "valid", "2024-10-08T15:40:32.000Z"],
    ["test_tsa/response-injected-certs.tsr", "local/ca.pem", hello, "untrusted", "no trusted root"],
    ["test_tsa/other_response.tsr", "test_tsa/ts_chain.pem", hello, "untrusted", "no trusted root"],
    // Bound by ESSCertID, which is SHA-1; and a token that is SHA-1 throughout.
    ["identrust/issue-104.tsr", "identrust/ts_chain.pem", hello, "untrusted", "no signingCertificateV2"],
    ["pkijs-TestTSPresp.tsr", "local/ca.pem", hello, "untrusted", "1.3.14.3.2.26 is not SHA-256"]
  ]
  it.each(cases)("%s against %s", async (response, chain, message, outcome, said) => {
    const certificates = parseCertificates(read(chain))
    const roots = certificates.filter(selfIssued)
    const judged = await verifyTimestamp({ response: read(response), message, roots, intermediates: certificates })
    assert.strictEqual(judged.outcome, outcome, JSON.stringify(judged))
    assert.include(judged.outcome === "valid" ? new Date(judged.time).toISOString() : judged.reason, said)
  })

  it("are counted", () => {
    process.stdout.write(`RFC 3161 vectors: ${cases.length} verdicts\n`)
  })
})

describe("a local authority", () => {
  const message = encode("a checkpoint\n")
  const authorities: Array<OpensslTimestampAuthority> = []
  const authority = (options: AuthorityOptions = {}): OpensslTimestampAuthority => {
    const made = new OpensslTimestampAuthority(options)
    authorities.push(made)
    return made
  }
  let right: OpensslTimestampAuthority
  beforeAll(() => {
    right = authority()
  })
  afterAll(() => authorities.forEach((made) => made.close()))
  const judge = (by: OpensslTimestampAuthority, response: Uint8Array, root = by.root) =>
    verifyTimestamp({ response, message, roots: parseCertificates(root) })

  it.each<[string, AuthorityOptions]>([
    ["an EC key and SHA-256", {}],
    ["an RSA key", { key: "rsa" }],
    ["SHA-512", { digest: "sha512" }]
  ])("stamps with %s, as openssl agrees", async (_, options) => {
    const made = authority(options)
    const before = Date.now()
    const response = made.stamp(message)
    const judged = await judge(made, response)
    assert.strictEqual(judged.outcome, "valid", JSON.stringify(judged))
    assert.isTrue(made.opensslAccepts(response, message))
    if (judged.outcome !== "valid") return
    assert.isAtLeast(judged.time, before - 1000)
    assert.isAtMost(judged.time, Date.now())
    assert.strictEqual(judged.by, "CN=Test TSA, O=Test")
    assert.isAbove(judged.expires, Date.now())
    assert.strictEqual(judged.path.length, 2)
  })

  const ca = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyCertSign"]
  const leaf = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
  const purpose = "extendedKeyUsage=critical,timeStamping"
  it.each<[string, AuthorityOptions, RegExp]>([
    ["a certificate authority", { extensions: [...ca, purpose] }, /certificate authority/],
    [
      "one whose extended key usage is not critical",
      { extensions: [...leaf, "extendedKeyUsage=timeStamping"] },
      /not critical/
    ],
    ["one for timestamps and code", { extensions: [...leaf, `${purpose},codeSigning`] }, /not for timestamps alone/],
    ["one without a purpose", { extensions: leaf }, /not critical/],
    ["one with an unknown critical extension", {
      extensions: [...leaf, purpose, "1.3.6.1.4.1.99999.7=critical,ASN1:NULL"]
    }, /critical extension 1\.3\.6\.1\.4\.1\.99999\.7/],
    [
      "one that must not sign",
      { extensions: [leaf[0] ?? "", "keyUsage=critical,keyEncipherment", purpose] },
      /allows no signature/
    ],
    ["one that signs with SHA-1", { digest: "sha1" }, /not SHA-256|SHA-2/]
  ])("does not believe %s", async (_, options, reason) => {
    const made = authority(options)
    const judged = await judge(made, made.stampAt(message, Date.now()))
    assert.strictEqual(judged.outcome, "untrusted", JSON.stringify(judged))
    assert.match("reason" in judged ? judged.reason : "", reason)
  })

  it("judges certificates at the time of the token, not now", async () => {
    const now = Date.now()
    const inTime = await judge(right, right.stampAt(message, now - 1))
    assert.deepStrictEqual([inTime.outcome, "time" in inTime && inTime.time], ["valid", now - 1])
    const before = await judge(right, right.stampAt(message, now - 86_400_000))
    assert.match("reason" in before ? before.reason : "", /is valid from .*, not at/)
    const after = await judge(right, right.stampAt(message, now + 3660 * 86_400_000))
    assert.match("reason" in after ? after.reason : "", /is valid from .*, not at/)
  })

  it("is found out when it uses the true root's name and key identifier", async () => {
    const eve = authority({ impersonates: right })
    const judged = await judge(right, eve.stampAt(message, Date.now()))
    assert.deepStrictEqual([judged.outcome, "reason" in judged && /did not sign it/.test(judged.reason)], [
      "invalid",
      true
    ])
  })

  it("checks the nonce, the imprint, and the roots", async () => {
    const nonce = Uint8Array.of(0, 0xff, 7)
    const response = right.stamp(message, nonce)
    const roots = parseCertificates(right.root)
    const outcome = async (claim: Partial<Parameters<typeof verifyTimestamp>[0]>) =>
      (await verifyTimestamp({ response, message, roots, nonce, ...claim })).outcome
    assert.strictEqual(await outcome({}), "valid")
    assert.strictEqual(await outcome({ nonce: Uint8Array.of(0xff, 7) }), "valid")
    assert.strictEqual(await outcome({ nonce: Uint8Array.of(0xff, 8) }), "invalid")
    assert.strictEqual(await outcome({ message: encode("another\n") }), "mismatch")
    assert.strictEqual(await outcome({ roots: [] }), "untrusted")
    assert.strictEqual(await outcome({ roots: parseCertificates(read("local/ca.pem")) }), "untrusted")
  })

  it("refuses a request that it cannot grant", async () => {
    const request = printTimestampRequest(new Uint8Array(32), Uint8Array.of(1))
    // Another version than 1.
    const refused = right.answer(request.map((byte, at) => at === 4 ? 9 : byte))
    assert.isNull(parseTimestampResponse(refused).token)
    assert.strictEqual((await judge(right, refused)).outcome, "invalid")
  })

  it("prints requests that openssl reads", () => {
    for (const nonce of [Uint8Array.of(0), Uint8Array.of(0, 0, 0x80), Uint8Array.of(0x7f, 0xff, 1)]) {
      const response = right.answer(printTimestampRequest(new Uint8Array(32).fill(7), nonce))
      assert.strictEqual(parseTimestampResponse(response).status, 0)
    }
  })

  it("never vouches for another time, whatever byte of a token is changed, removed or doubled", async () => {
    const response = right.stamp(message)
    const roots = parseCertificates(right.root)
    const original = await verifyTimestamp({ response, message, roots })
    if (original.outcome !== "valid") throw new Error("the token is not valid to begin with")
    const outcomes = new Map<string, number>()
    const attempt = async (bytes: Uint8Array, what: string) => {
      let outcome = "malformed"
      try {
        const judged = await verifyTimestamp({ response: bytes, message, roots })
        outcome = judged.outcome
        if (judged.outcome === "valid") {
          assert.deepStrictEqual([judged.time, judged.by], [original.time, original.by], what)
        }
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    for (const at of response.keys()) {
      await attempt(response.map((byte, index) => index === at ? byte ^ (1 << (at % 8)) : byte), `byte ${at} changed`)
      await attempt(Bytes.concat(response.subarray(0, at), response.subarray(at + 1)), `byte ${at} removed`)
      await attempt(Bytes.concat(response.subarray(0, at + 1), response.subarray(at)), `byte ${at} doubled`)
    }
    const told = [...outcomes].map(([name, count]) => `${count} ${name}`).join(", ")
    process.stdout.write(`timestamp mangler: ${told}\n`)
    // Some bytes bind nothing: the status text, the root's copy that lies in the token.
    assert.isAbove((outcomes.get("malformed") ?? 0) + (outcomes.get("invalid") ?? 0), response.length * 2)
  }, 60_000)
})
