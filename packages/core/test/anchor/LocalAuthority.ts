/**
 * A time-stamping authority made with the `openssl` command: its own root, its own certificate, real RFC 3161 answers.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

const configuration = (directory: string) =>
  `[tsa]
default_tsa = tsa1
[tsa1]
serial = ${directory}/serial
crypto_device = builtin
signer_cert = ${directory}/tsa.crt
certs = ${directory}/ca.crt
signer_key = ${directory}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
accuracy = secs:1
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[v3]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
`

const ecKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

/** One authority in a temporary directory. Answers come one after another, for the serial number is a file. */
export class LocalAuthority {
  readonly directory: string
  #turn: Promise<unknown> = Promise.resolve()
  #count = 0

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Makes the keys and certificates; the authority's own is valid for `days`. */
  static async make(days = 3650): Promise<LocalAuthority> {
    const directory = mkdtempSync(join(tmpdir(), "rainlogs-tsa-"))
    const openssl = (...args: ReadonlyArray<string>) => run("openssl", args, { cwd: directory })
    writeFileSync(join(directory, "serial"), "01\n")
    writeFileSync(join(directory, "tsa.cnf"), configuration(directory))
    await openssl("req", ...ecKey, "-keyout", "ca.key", "-out", "ca.csr", "-subj", "/CN=Test TSA Root")
    const signing = ["-extfile", "tsa.cnf"]
    await openssl(
      "x509",
      "-req",
      "-in",
      "ca.csr",
      "-signkey",
      "ca.key",
      "-days",
      "3650",
      "-out",
      "ca.crt",
      ...signing,
      "-extensions",
      "ca"
    )
    await openssl("req", ...ecKey, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Test TSA")
    const issued = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days), "-out", "tsa.crt"]
    await openssl("x509", "-req", "-in", "tsa.csr", ...issued, ...signing, "-extensions", "v3")
    return new LocalAuthority(directory)
  }

  /** The root in PEM. */
  get roots(): string {
    return readFileSync(join(this.directory, "ca.crt"), "utf8")
  }

  /** The answer (DER) to a request (DER). */
  reply(query: Uint8Array): Promise<Buffer> {
    const answer = this.#turn.then(async () => {
      const name = join(this.directory, String(this.#count++))
      writeFileSync(`${name}.tsq`, query)
      await run("openssl", [
        "ts",
        "-reply",
        "-config",
        join(this.directory, "tsa.cnf"),
        "-queryfile",
        `${name}.tsq`,
        "-out",
        `${name}.tsr`
      ])
      return readFileSync(`${name}.tsr`)
    })
    this.#turn = answer.catch(() => undefined)
    return answer
  }

  /** A request made by openssl, with a nonce of its own choice, over a SHA-256 in hex. */
  async query(digest: string): Promise<Buffer> {
    const file = join(this.directory, `${this.#count++}.tsq`)
    await run("openssl", ["ts", "-query", "-digest", digest, "-sha256", "-cert", "-out", file])
    return readFileSync(file)
  }

  /** What `openssl ts -verify` says of an answer about a file; rejects when it does not accept it. */
  async verify(receipt: string, data: string): Promise<string> {
    const { stdout, stderr } = await run("openssl", [
      "ts",
      "-verify",
      "-in",
      receipt,
      "-data",
      data,
      "-CAfile",
      join(this.directory, "ca.crt")
    ])
    return stdout + stderr
  }

  /** Removes it. */
  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
