/**
 * What to do about a finding, by its code, in Italian; the same codes as `NextStep.ts`.
 */

const fromBackup =
  "ripristina il file da un'altra replica o da un backup e verifica di nuovo; conserva questa copia come prova"
const askLog = "chiedi a chi gestisce l'archivio e confronta con un'altra copia: rainlogs-verify compare A B --key VKEY"
const alarm =
  "conserva questa copia senza modificarla: è una prova. Nessuno scriva nell'archivio finché la causa non è chiarita"

/** Texts by code. */
export const italianSteps: Readonly<Record<string, string>> = {
  ANCHOR_INVALID: fromBackup,
  ANCHOR_LAG_EXCEEDED: alarm,
  ANCHOR_LATE: "il guasto dichiarato degli ancoraggi lo spiega solo se è credibile: chiedi il verbale dell'incidente",
  ANCHOR_MISMATCH: alarm,
  ANCHOR_MISSING: fromBackup,
  ANCHOR_NEEDS_RENEWAL: "ancora il checkpoint più recente presso un'autorità di marcatura con certificati validi",
  ANCHOR_OVERDUE:
    "scopri perché gli ancoraggi si sono fermati: lo dicono il log dell'appliance e la metrica anchor_debt_seconds",
  ANCHOR_UNTRUSTED: "incolla il certificato radice dell'autorità, o la chiave del testimone",
  BAD_SIGNATURE: alarm,
  CHAIN_BROKEN: askLog,
  CHAIN_FORK: askLog,
  CHECKPOINT_MISSING: fromBackup,
  COVERAGE_GAP:
    "i log di questo intervallo non furono raccolti e nessuno lo ha dichiarato: chiedi il verbale dell'incidente",
  COVERAGE_PENDING:
    "verifica di nuovo quando la fonte non si potrà più leggere; l'intervallo può ancora essere raccolto",
  DEK_COMMITMENT_MISMATCH: "non credere al testo in chiaro: chiedi la chiave con cui l'oggetto fu cifrato",
  DELETION_INCOMPLETE:
    "chiedi il verbale della cancellazione presso lo storage e verifica di nuovo quando è dichiarata eseguita",
  EQUIVOCATION: `${alarm}. rainlogs-verify compare A B --out FILE scrive una prova trasferibile`,
  ERASURE_NOT_EXECUTED: "cancella l'oggetto da questa replica, o scopri perché c'è ancora",
  GENESIS_MISMATCH: "controlla che la chiave sia quella di questo archivio",
  HEARTBEAT_GAP: "chiedi che cosa accadde in quest'ora: nessuno ha dichiarato che il servizio era fermo",
  HOLD_VIOLATION: alarm,
  KEYS_UNAUTHORISED: alarm,
  KEY_NOT_IN_FORCE: alarm,
  LEAF_NOT_IN_TREE: fromBackup,
  MALFORMED_ANCHOR: fromBackup,
  MALFORMED_CHECKPOINT: fromBackup,
  MALFORMED_DOCUMENT: fromBackup,
  MALFORMED_ENTRY: fromBackup,
  NOTHING_VERIFIED:
    "controlla il percorso: la radice dell'archivio è la cartella che contiene \"logs\" e \"integrity\"",
  NO_ANCHOR:
    "configura un ancoraggio (vedi la documentazione), oppure incolla il certificato radice o la chiave di un testimone",
  OBJECTS_NOT_CHECKED: "verifica una copia che contiene gli oggetti, o un fascicolo delle finestre che servono",
  OBJECT_HASH_MISMATCH: fromBackup,
  POLICY_UNAUTHORISED: alarm,
  RELEASE_UNAUTHORISED: alarm,
  RETENTION_VIOLATION: alarm,
  REVOKED_KEY: "credi solo a una copia i cui checkpoint sono firmati con la chiave più recente",
  ROOT_MISMATCH: alarm,
  SEQ_GAP: fromBackup,
  STALE: "procurati una copia o un ancoraggio più recenti; se non esistono, la fine può essere stata tagliata",
  TILE_MISMATCH: fromBackup,
  TILE_MISSING: fromBackup,
  TIME_AFTER_ANCHOR: alarm,
  TIME_BEFORE_BEACON: alarm,
  TOMBSTONE_TARGET_MISMATCH: alarm,
  TOMBSTONE_UNAUTHORISED: alarm,
  TRUNCATED: fromBackup,
  TRUST_ON_FIRST_USE: "procurati la chiave altrove e non dall'archivio",
  UNAUTHORISED_DELETION: fromBackup,
  UNKNOWN_KEY:
    "controlla che la chiave sia quella di questo archivio; quella di un firmatario successivo richiede il cambio di chiavi",
  UNSIGNED: askLog,
  WITNESS_QUORUM_MISSED: "chiedi ai testimoni mancanti, o verifica con un'altra politica"
}
