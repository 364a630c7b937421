/**
 * The verifier as a page: drop a bundle, see the four verdicts. It works from a file, without a network, and reads what
 * it is given in slices.
 */
import { openBundle } from "../bundle/OpenBundle.ts"
import { malformedBundle, verifyOpenBundle } from "../bundle/VerifyBundle.ts"
import { MalformedBundleError } from "../bundle/ZipFormat.ts"
import { exitCode, questions, type Report } from "../Report.ts"
import { formatBytes } from "../ReportText.ts"
import { type Certificate, parsePem } from "../timestamp/Certificate.ts"
import { parseVerifierKey } from "../VerifierKey.ts"
import { verifyArchive, type VerifyOptions } from "../VerifyArchive.ts"
import { newHash } from "./BrowserSha256.ts"
import { directoryReader, fileSource } from "./FileSource.ts"
import { wordsFor } from "./Words.ts"
import { objectBytesOf, shareDone } from "./Work.ts"

const words = wordsFor(navigator.language)
const find = <Kind extends HTMLElement>(id: string, kind: new() => Kind): Kind => {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`the page has no ${id}`)
  return element
}
const drop = find("drop", HTMLElement)
const status = find("status", HTMLElement)
const result = find("result", HTMLElement)
const keys = find("keys", HTMLTextAreaElement)
const roots = find("roots", HTMLTextAreaElement)
const bundle = find("bundle", HTMLInputElement)
const directory = find("directory", HTMLInputElement)
const verify = find("verify", HTMLButtonElement)
const save = find("save", HTMLButtonElement)
const bar = find("bar", HTMLProgressElement)

/** `onTotal` is told the bytes of all objects before the first is read. */
type Run = (options: VerifyOptions, onTotal: (objectBytes: number) => void) => Promise<Report>
let chosen: { readonly name: string; readonly run: Run } | null = null
let latest: Report | null = null

const add = (parent: HTMLElement, kind: string, text: string, style = ""): HTMLElement => {
  const element = document.createElement(kind)
  element.textContent = text
  if (style !== "") element.className = style
  parent.append(element)
  return element
}

const chooseBundle = (file: File): void => {
  chosen = {
    name: file.name,
    run: async (options, onTotal) => {
      try {
        const opened = await openBundle(fileSource(file), newHash)
        onTotal(await objectBytesOf(opened.reader))
        return await verifyOpenBundle(opened, options)
      } catch (error) {
        if (error instanceof MalformedBundleError) return malformedBundle(options.keys, error)
        throw error
      }
    }
  }
  status.textContent = `${file.name}, ${formatBytes(file.size)}`
}

const chooseDirectory = (files: FileList): void => {
  const [first] = files
  if (first === undefined) return
  const name = first.webkitRelativePath.split("/")[0] ?? ""
  chosen = {
    name,
    run: async (options, onTotal) => {
      const reader = directoryReader(files)
      onTotal(await objectBytesOf(reader))
      return verifyArchive(reader, options)
    }
  }
  status.textContent = `${name}, ${files.length} ${words.files}`
}

const time = (ms: number): string => new Date(Math.min(ms, 8.64e15)).toISOString().replace(".000Z", "Z")

const show = (report: Report): void => {
  result.replaceChildren()
  add(result, "p", `${report.origin}, ${report.size} ${words.entries}`, "origin")
  const table = add(result, "dl", "")
  for (const question of questions) {
    add(table, "dt", words.questions[question])
    const verdict = report.verdict[question]
    add(table, "dd", verdict, verdict.toLowerCase()).id = question
  }
  const shown = report.findings.slice(0, 200)
  if (shown.length > 0) add(result, "h2", words.findings)
  const list = add(result, "ul", "")
  for (const { actual, chain, code, detail, expected, key, seq, severity } of shown) {
    const item = add(list, "li", "", severity)
    add(item, "strong", `${code} `)
    add(item, "span", `${chain ?? ""}${seq === null ? "" : ` #${seq}`} ${detail}`)
    for (
      const line of [
        key,
        expected === undefined ? undefined : `= ${expected}`,
        actual === undefined ? undefined : `≠ ${actual}`
      ]
    ) {
      if (line !== undefined) add(item, "code", line)
    }
    const step = severity === "notice" ? null : words.step(code)
    if (step !== null) add(item, "em", `${words.next}: ${step}`)
  }
  if (report.coverage.length > 0) add(result, "h2", words.coverage)
  for (const { chain, from, gaps, records, source, to, windows } of report.coverage) {
    add(
      result,
      "p",
      `${source} ${chain}: ${time(from)} – ${time(to)}, ${windows} ${words.windows}, ${records} ${words.records}, ` +
        `${gaps.length} ${words.gaps}`
    )
  }
}

const optionsOf = (): VerifyOptions | null => {
  const lines = keys.value.split("\n").map((line) => line.trim()).filter((line) => line !== "")
  if (lines.length === 0) {
    status.textContent = words.needKey
    return null
  }
  const timestampRoots: ReadonlyArray<Certificate> = roots.value.trim() === ""
    ? []
    : parsePem(`${roots.value.trim()}\n`)
  return { keys: lines.map(parseVerifierKey), timestampRoots }
}

// What an earlier run said must not be taken for this one's.
const forget = (): void => {
  latest = null
  save.hidden = true
  bar.value = 0
  result.replaceChildren()
  delete document.body.dataset["exit"]
  delete document.body.dataset["bytesPerSecond"]
}

const run = async (): Promise<void> => {
  forget()
  if (chosen === null) {
    status.textContent = words.needFile
    return
  }
  verify.disabled = true
  const began = performance.now()
  let painted = began
  try {
    const options = optionsOf()
    if (options === null) return
    bar.hidden = false
    let totalObjectBytes = 0
    const report = await chosen.run({
      ...options,
      onProgress: ({ entries, objectBytes, totalEntries }) => {
        const now = performance.now()
        if (now - painted < 100) return
        painted = now
        bar.value = shareDone({ entries, totalEntries, objectBytes, totalObjectBytes })
        const seconds = (now - began) / 1000
        const rest = bar.value > 0 ? `, ${Math.ceil(seconds / bar.value - seconds)} s` : ""
        status.textContent = `${words.working}: ${entries}/${totalEntries} ${words.entries}, ` +
          `${formatBytes(objectBytes)}/${formatBytes(totalObjectBytes)}, ` +
          `${formatBytes(Math.round(objectBytes / seconds))}/s${rest}`
      }
    }, (objectBytes) => (totalObjectBytes = objectBytes))
    latest = report
    const seconds = (performance.now() - began) / 1000
    const speed = formatBytes(Math.round(report.counts.objectBytes / seconds))
    show(report)
    status.textContent = `${words.done}: ${chosen.name}, ${seconds.toFixed(1)} s, ${speed}/s, exit ${exitCode(report)}`
    document.body.dataset["exit"] = String(exitCode(report))
    document.body.dataset["bytesPerSecond"] = String(Math.round(report.counts.objectBytes / seconds))
    save.hidden = false
  } catch (error) {
    status.textContent = `${words.failed}: ${error instanceof Error ? error.message : String(error)}`
    document.body.dataset["exit"] = "2"
  } finally {
    verify.disabled = false
    bar.hidden = true
  }
}

const label = (id: string, text: string): void => {
  find(id, HTMLElement).textContent = text
}
document.title = words.title
for (
  const [id, text] of [
    ["title", words.title],
    ["intro", words.intro],
    ["drop-text", words.drop],
    ["bundle-label", words.choose],
    ["directory-label", words.directory],
    ["keys-label", words.keys],
    ["roots-label", words.roots],
    ["verify", words.verify],
    ["save", words.save]
  ] as const
) label(id, text)

drop.addEventListener("dragover", (event) => event.preventDefault())
drop.addEventListener("drop", (event) => {
  event.preventDefault()
  const file = event.dataTransfer?.files[0]
  if (file !== undefined) chooseBundle(file)
})
bundle.addEventListener("change", () => {
  const file = bundle.files?.[0]
  if (file !== undefined) chooseBundle(file)
})
directory.addEventListener("change", () => {
  if (directory.files !== null) chooseDirectory(directory.files)
})
verify.addEventListener("click", () => void run())
save.addEventListener("click", () => {
  if (latest === null) return
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(latest, null, 2)}\n`], { type: "application/json" }))
  link.download = "rainlogs-report.json"
  link.click()
  URL.revokeObjectURL(link.href)
})
document.documentElement.lang = words.language
