/**
 * Keeps the process small under Bun. Its collector sizes the heap by the machine's memory and lets garbage of streamed
 * windows pile up; told of less memory it collects in time. The setting is read before any program runs, so the process
 * replaces itself once, at its very start, by itself with the setting (execve: same pid, same descriptors).
 */

/** What the collector is told the machine has, bytes. Measured with `npm run bench -- window`. */
const toldMemory = 400_000_000

const variable = "BUN_JSC_forceRAMSize"

/** Restarts this process with the setting, unless it has it, or is not Bun. Does not return if it restarts. */
export const apply = (): void => {
  if (process.versions["bun"] === undefined || process.env[variable] !== undefined) return
  if (typeof process.execve !== "function") return
  const [, script = "", ...args] = process.argv
  // In the single binary the script lies inside the executable and is not an argument.
  const program = script.startsWith("/$bunfs/") ? [] : [script]
  process.execve(process.execPath, [process.execPath, ...program, ...args], {
    ...process.env,
    [variable]: String(toldMemory)
  })
}
