/**
 * The recovery sheet: one page of text with the secrets that a lost data directory is restored from, what they are, where
 * to keep them and how to use them.
 */
import type { ChainedKeys } from "@rainlogs/core/ledger/KeyHistory"
import {
  keyFingerprint,
  printRecoveryCode,
  type RecoverySecrets,
  scannedRecoveryCode,
  secretsFingerprint
} from "@rainlogs/core/recovery/RecoveryCode"
import { type QrGround, qrText } from "./QrText.ts"

/** The keys of one customer's ledger. */
export interface SheetCustomer {
  readonly customer: string
  readonly keys: ReadonlyArray<ChainedKeys>
}

/** What the sheet says. */
export interface SheetContent {
  readonly archiveDomain: string
  readonly dataDirectory: string
  /** Unix ms. */
  readonly made: number
  readonly secrets: RecoverySecrets
  readonly customers: ReadonlyArray<SheetCustomer>
}

const customersShown = 500

const title = "RAINLOGS RECOVERY SHEET"
const fingerprintLine = "sheet             "

const customerLines = ({ customer, keys }: SheetCustomer): ReadonlyArray<string> => [
  `customer ${customer}`,
  ...keys.map(({ fromSize, log, version }) => `  ${version}, for tree sizes from ${fromSize}: ${log}`)
]

const publicKeys = (customers: ReadonlyArray<SheetCustomer>): ReadonlyArray<string> =>
  customers.length === 0
    ? ["None yet. Make the sheet again when there are customers: rainlogs keys sheet"]
    : [
      ...customers.slice(0, customersShown).flatMap(customerLines),
      ...customers.length > customersShown
        ? [`… and ${customers.length - customersShown} more: rainlogs keys show`]
        : []
    ]

/** The text; it holds secrets. `ground` says what the QR code is read from. */
export const printSheet = (content: SheetContent, ground: QrGround): string => {
  const { archiveDomain, customers, dataDirectory, made, secrets } = content
  return [
    title,
    "",
    `archive domain    ${archiveDomain}`,
    `data directory    ${dataDirectory}`,
    `made              ${new Date(made).toISOString()}`,
    `signer key        ${keyFingerprint(secrets.wrappingKey)}`,
    `master key        ${
      secrets.masterKey === null
        ? "not on this sheet: it is in RAINLOGS_MASTER_KEY, keep it where you keep that"
        : keyFingerprint(secrets.masterKey)
    }`,
    `${fingerprintLine}${secretsFingerprint(secrets)}`,
    "",
    "Whoever has this sheet and a copy of the archive can read all logs and sign in the archive's name.",
    "Print it, keep it under lock away from the archive and its backups, and then delete this file.",
    "Without it, losing the disk is losing the keys: nobody can bring them back.",
    "It stays good when keys are rotated. The signing keys themselves are in the archive, sealed with the signer key.",
    "",
    "THE CODE (A-Z and 2-7 only; the last characters of each row are its check)",
    printRecoveryCode(secrets),
    "",
    "THE SAME TO SCAN",
    ...qrText(scannedRecoveryCode(secrets), ground),
    "",
    "TO RESTORE, on a machine with rainlogs installed",
    "1. Put the newest copy of the archive at DIR/archive.",
    "2. rainlogs keys restore --data DIR --sheet FILE      (or --code-stdin, and type or scan the code)",
    "3. rainlogs rebuild --data DIR",
    "4. rainlogs fsck --data DIR --deep",
    "5. rainlogs verify DIR/archive --key KEY              (KEY: the customer's, below)",
    "6. rainlogs serve --data DIR",
    "",
    "PUBLIC KEYS (no secret; give them to whoever verifies)",
    ...publicKeys(customers),
    ""
  ].join("\n")
}

/** Which secrets a sheet's text is of; undefined if it is no sheet. */
export const sheetFingerprint = (text: string): string | undefined =>
  text.startsWith(`${title}\n`)
    ? text.split("\n").find((line) => line.startsWith(fingerprintLine))?.slice(fingerprintLine.length)
    : undefined
