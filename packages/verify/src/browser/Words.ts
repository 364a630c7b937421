/**
 * The page's words, in English and Italian.
 */
import { nextStep } from "../NextStep.ts"
import { italianSteps } from "./NextStepItalian.ts"

/** The words of one language. */
export interface Words {
  /** As BCP 47 names it. */
  readonly language: "en" | "it"
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
  readonly entries: string
  readonly windows: string
  readonly records: string
  readonly gaps: string
  /** Files of a directory. */
  readonly files: string
  /** What to do about a finding of this code; null where there is nothing to do. */
  readonly step: (code: string) => string | null
  readonly questions: Readonly<Record<"integrity" | "completeness" | "anchoring" | "erasures", string>>
}

const english: Words = {
  language: "en",
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
  entries: "entries",
  windows: "windows",
  records: "records",
  gaps: "gaps",
  files: "files",
  step: nextStep,
  questions: {
    integrity: "Integrity: is it what was archived?",
    completeness: "Completeness: is every minute accounted for?",
    anchoring: "Anchoring: did somebody else see it in time?",
    erasures: "Erasures: was what is missing erased lawfully?"
  }
}

const italian: Words = {
  language: "it",
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
  entries: "voci",
  windows: "finestre",
  records: "righe di log",
  gaps: "lacune",
  files: "file",
  step: (code) => italianSteps[code] ?? nextStep(code),
  questions: {
    integrity: "Integrità: è ciò che fu archiviato?",
    completeness: "Completezza: ogni minuto è giustificato?",
    anchoring: "Ancoraggio: qualcun altro l'ha visto in tempo?",
    erasures: "Cancellazioni: ciò che manca fu cancellato lecitamente?"
  }
}

/** The words of a browser's language: Italian, else English. */
export const wordsFor = (language: string): Words => language.toLowerCase().startsWith("it") ? italian : english
