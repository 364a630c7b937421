/**
 * A timestamp authority made with the `openssl` command in a temporary directory: a root, a signer's certificate, right
 * or wrong in a named way, and RFC 3161 responses. For trying out what a verifier must refuse.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sha256 } from "../Hash.ts"
import { printDer, printOid, tags } from "../timestamp/Der.ts"
import { printTimestampRequest, tstInfoId } from "../timestamp/TimestampToken.ts"

/** What is special about the authority; everything is right when left out. */
export interface AuthorityOptions {
  /** Lines of the signer's extensions section, in place of the right ones. */
  readonly extensions?: ReadonlyArray<string>
  /** Days the signer's certificate is valid from now on; 3650 when left out. */
  readonly days?: number
  readonly key?: "ec" | "rsa"
  /** Digest of the signature and of ESSCertIDv2; sha256 when left out. */
  readonly digest?: "sha1" | "sha256" | "sha512"
  /** Signs the certificate with a key of its own, under the name and key identifier of this root. */
  readonly impersonates?: OpensslTimestampAuthority
}

const rightExtensions = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "extendedKeyUsage=critical,timeStamping"
]

const rootKeyId = "0102030405060708090a0b0c0d0e0f1011121314"

/** One authority. {@link OpensslTimestampAuthority.close} removes its directory. */
export class OpensslTimestampAuthority {
  readonly directory: string
  readonly #digest: string

  /** Makes keys and certificates; throws when the `openssl` command is missing. */
  constructor(options: AuthorityOptions = {}) {
    const { days = 3650, digest = "sha256", extensions = rightExtensions, key = "ec" } = options
    this.#digest = digest
    this.directory = mkdtempSync(join(tmpdir(), "rainlogs-tsa-"))
    writeFileSync(this.path("serial"), "01\n")
    const section = (name: string, lines: ReadonlyArray<string>) => `[${name}]\n${lines.join("\n")}\n`
    writeFileSync(
      this.path("tsa.cnf"),
      section("req", ["distinguished_name=dn", "prompt=no"]) + section("dn", ["CN=unused"]) +
        section("ca", [
          "basicConstraints=critical,CA:TRUE",
          "keyUsage=critical,keyCertSign",
          `subjectKeyIdentifier=${rootKeyId}`
        ]) +
        section("signer", [...extensions, "authorityKeyIdentifier=keyid"]) +
        section("tsa", ["default_tsa=one"]) +
        section("one", [
          `dir=${this.directory}`,
          `serial=${this.path("serial")}`,
          "crypto_device=builtin",
          `signer_cert=${this.path("tsa.pem")}`,
          `certs=${this.path("ca.pem")}`,
          `signer_key=${this.path("tsa.key")}`,
          `signer_digest=${digest}`,
          "default_policy=1.3.6.1.4.1.99999.1",
          "digests=sha256,sha384,sha512",
          "accuracy=secs:1",
          "clock_precision_digits=3",
          "ordering=yes",
          "tsa_name=yes",
          "ess_cert_id_chain=no",
          `ess_cert_id_alg=${digest}`
        ])
    )
    const subject = ["-subj", "/CN=Test TSA Root/O=Test"]
    const newKey = key === "rsa" ? ["-newkey", "rsa:2048"] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    const config = ["-config", this.path("tsa.cnf")]
    this.#openssl(
      "req",
      "-x509",
      ...newKey,
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "7300",
      ...subject,
      ...config,
      "-extensions",
      "ca"
    )
    this.#openssl(
      "req",
      ...newKey,
      "-nodes",
      "-keyout",
      "tsa.key",
      "-out",
      "tsa.csr",
      "-subj",
      "/CN=Test TSA/O=Test",
      ...config
    )
    this.#openssl(
      "x509",
      "-req",
      "-in",
      "tsa.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      String(days),
      "-extfile",
      "tsa.cnf",
      "-extensions",
      "signer",
      "-out",
      "tsa.pem"
    )
    // The true root lies in the token, as if it had issued the certificate.
    if (options.impersonates !== undefined) writeFileSync(this.path("ca.pem"), options.impersonates.root)
  }

  /** The root certificate, PEM. */
  get root(): Uint8Array {
    return new Uint8Array(readFileSync(this.path("ca.pem")))
  }

  /** The path of a file in the authority's directory. */
  path(name: string): string {
    return join(this.directory, name)
  }

  /** A response over the bytes, dated now. */
  stamp(message: Uint8Array, nonce: Uint8Array = Uint8Array.of(1, 2, 3, 4)): Uint8Array {
    return this.answer(printTimestampRequest(sha256(message), nonce))
  }

  /** The response to a request. */
  answer(request: Uint8Array): Uint8Array {
    writeFileSync(this.path("query.tsq"), request)
    this.#openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr")
    return new Uint8Array(readFileSync(this.path("reply.tsr")))
  }

  /**
   * A response over the bytes, dated `time` (ms), signed with `openssl cms`: unlike `openssl ts` it asks neither for the
   * present time nor for a certificate that may sign timestamps.
   */
  stampAt(message: Uint8Array, time: number): Uint8Array {
    const [seconds = "", fraction = ""] = new Date(time).toISOString().replaceAll(/[-:TZ]/g, "").split(".")
    const digits = fraction.replace(/0+$/, "")
    const text = `${seconds}${digits === "" ? "" : `.${digits}`}Z`
    const imprint = printDer(
      tags.sequence,
      printDer(tags.sequence, printOid("2.16.840.1.101.3.4.2.1"), printDer(tags.null)),
      printDer(tags.octetString, sha256(message))
    )
    const info = printDer(
      tags.sequence,
      printDer(tags.integer, Uint8Array.of(1)),
      printOid("1.3.6.1.4.1.99999.1"),
      imprint,
      printDer(tags.integer, Uint8Array.of(1)),
      printDer(tags.generalizedTime, new TextEncoder().encode(text))
    )
    writeFileSync(this.path("info.der"), info)
    this.#openssl(
      "cms",
      "-sign",
      "-binary",
      "-nodetach",
      "-cades",
      "-nosmimecap",
      "-md",
      this.#digest,
      "-in",
      "info.der",
      "-econtent_type",
      tstInfoId,
      "-signer",
      "tsa.pem",
      "-inkey",
      "tsa.key",
      "-outform",
      "DER",
      "-out",
      "token.der"
    )
    const granted = printDer(tags.sequence, printDer(tags.integer, Uint8Array.of(0)))
    return printDer(tags.sequence, granted, new Uint8Array(readFileSync(this.path("token.der"))))
  }

  /** What `openssl ts -verify` says about a response over the bytes; `true` when it accepts it. */
  opensslAccepts(response: Uint8Array, message: Uint8Array, root: Uint8Array = this.root): boolean {
    writeFileSync(this.path("check.tsr"), response)
    writeFileSync(this.path("check.data"), message)
    writeFileSync(this.path("check.pem"), root)
    try {
      this.#openssl("ts", "-verify", "-in", "check.tsr", "-data", "check.data", "-CAfile", "check.pem")
      return true
    } catch {
      return false
    }
  }

  /** Removes the directory. */
  close(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #openssl(...argv: ReadonlyArray<string>): void {
    execFileSync("openssl", argv, { cwd: this.directory, stdio: ["ignore", "ignore", "pipe"] })
  }
}
