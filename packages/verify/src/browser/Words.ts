/**
 * The page's words, in English and Italian.
 */

/** The words of one language. */
export interface Words {
  readonly title: string
  readonly intro: string
  readonly drop: string
  readonly choose: string
  readonly directory: string
  readonly keys: string
  readonly roots: string
  readonly verify: string
  readonly save: string
  readonly working: string
  readonly done: string
  readonly findings: string
  readonly coverage: string
  readonly next: string
  readonly needKey: string
  readonly needFile: string
  readonly failed: string
  readonly questions: Readonly<Record<"integrity" | "completeness" | "anchoring" | "erasures", string>>
}

const english: Words = {
  title: "Verify a log archive",
  intro:
    "Nothing leaves this page: it has no network. Drop an evidence bundle, paste the key you were given from elsewhere.",
  drop: "Drop a bundle (ZIP) here",
  choose: "Choose a bundle",
  directory: "Choose an archive directory",
  keys: "Keys, one a line: the log's, and those of witnesses",
  roots: "Root certificates of timestamp authorities (PEM), if you trust any",
  verify: "Verify",
  save: "Save report (JSON)",
  working: "Verifying",
  done: "Verified",
  findings: "Findings",
  coverage: "Coverage",
  next: "next",
  needKey: "Paste the log's verifier key first; the bundle cannot vouch for itself.",
  needFile: "Choose a bundle or an archive directory first.",
  failed: "Could not be read to the end; nothing was concluded",
  questions: {
    integrity: "Integrity: is it what was archived?",
    completeness: "Completeness: is every minute accounted for?",
    anchoring: "Anchoring: did somebody else see it in time?",
    erasures: "Erasures: was what is missing erased lawfully?"
  }
}

const italian: Words = {
  title: "Verifica un archivio di log",
  intro:
    "Nulla lascia questa pagina: non usa la rete. Trascina un fascicolo di prova e incolla la chiave ricevuta per altra via.",
  drop: "Trascina qui un fascicolo (ZIP)",
  choose: "Scegli un fascicolo",
  directory: "Scegli la cartella di un archivio",
  keys: "Chiavi, una per riga: quella del registro e quelle dei testimoni",
  roots: "Certificati radice delle autorità di marcatura temporale (PEM), se ritenute affidabili",
  verify: "Verifica",
  save: "Salva il rapporto (JSON)",
  working: "Verifica in corso",
  done: "Verificato",
  findings: "Rilievi",
  coverage: "Copertura",
  next: "poi",
  needKey: "Prima incolla la chiave del registro: il fascicolo non può garantire per sé stesso.",
  needFile: "Prima scegli un fascicolo o la cartella di un archivio.",
  failed: "Non è stato possibile leggere fino in fondo; nessuna conclusione",
  questions: {
    integrity: "Integrità: è ciò che fu archiviato?",
    completeness: "Completezza: ogni minuto è giustificato?",
    anchoring: "Ancoraggio: qualcun altro l'ha visto in tempo?",
    erasures: "Cancellazioni: ciò che manca fu cancellato lecitamente?"
  }
}

/** The words of a browser's language: Italian, else English. */
export const wordsFor = (language: string): Words => language.toLowerCase().startsWith("it") ? italian : english
