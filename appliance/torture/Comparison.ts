/**
 * Holds an archive against the simulator's truth: waits until everything settled is committed, then downloads every
 * window over the API and compares its lines, as a multiset, with those the simulator says exist.
 */
import { type MultisetDigest, MultisetDigester } from "@rainlogs/cloudflare-simulator/MultisetDigest"
import { setTimeout } from "node:timers/promises"

/** The simulator's first line. */
export interface SimulatorHello {
  readonly url: string
  readonly control: string
  readonly tokens: ReadonlyArray<{ readonly token: string }>
  readonly zones: ReadonlyArray<{ readonly id: string }>
}

/** The appliance's first line. */
export interface Hello {
  readonly apiUrl: string
  readonly apiKey: string
  readonly zone: string
  readonly vkey: string
  readonly origin: string
}

/** What the comparison found. */
export interface Truths {
  readonly windows: number
  readonly gaps: number
  readonly lines: number
  /** Windows whose lines are not the truth's. */
  readonly different: ReadonlyArray<string>
  /** Places where windows do not tile. */
  readonly untiled: ReadonlyArray<string>
}

interface Job {
  readonly id: string
  readonly state: string
  readonly window: { readonly from: number; readonly to: number }
  readonly records: number | null
  readonly bytes: number | null
}

const getJson = async (url: string, headers: { readonly [name: string]: string } = {}) => {
  let response = await fetch(url, { headers })
  // A database that does not answer for a moment is said with 503 and "try again in a few seconds".
  for (let tries = 0; response.status === 503 && tries < 10; tries++) {
    await response.body?.cancel()
    await setTimeout(1_000)
    response = await fetch(url, { headers })
  }
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`)
  return response.json()
}

/** All live windows (split ones are replaced by others), oldest first. */
export const jobsOf = async (appliance: Hello): Promise<ReadonlyArray<Job>> => {
  const jobs: Array<Job> = []
  let before = ""
  for (;;) {
    const page: { readonly jobs: ReadonlyArray<Job>; readonly next: string | null } = await getJson(
      `${appliance.apiUrl}/api/v1/zones/${appliance.zone}/logs?limit=1000${before}`,
      { authorization: `Bearer ${appliance.apiKey}` }
    )
    jobs.push(...page.jobs)
    if (page.next === null) break
    before = `&before=${page.next}`
  }
  return jobs.filter(({ state }) => state !== "split").toSorted((one, other) => one.window.from - other.window.from)
}

const digestOf = async (appliance: Hello, job: Job): Promise<MultisetDigest> => {
  const response = await fetch(`${appliance.apiUrl}/api/v1/logs/jobs/${job.id}/download`, {
    headers: { authorization: `Bearer ${appliance.apiKey}` }
  })
  if (!response.ok) throw new Error(`download of ${job.id}: ${response.status} ${await response.text()}`)
  return new MultisetDigester().addLines(new Uint8Array(await response.arrayBuffer())).finish()
}

/** The fields the zone offers; the appliance may have used the budget up, so a refusal is waited out. */
const fieldsOf = async (simulator: SimulatorHello, zone: string, deadline: number): Promise<ReadonlyArray<string>> => {
  for (;;) {
    const response = await fetch(`${simulator.url}/zones/${zone}/logs/received/fields`, {
      headers: { authorization: `Bearer ${simulator.tokens[0]!.token}` }
    })
    if (response.ok) return Object.keys(await response.json()).toSorted()
    if (Date.now() > deadline) throw new Error(`fields: ${response.status} ${await response.text()}`)
    await setTimeout(500)
  }
}

/** Compares everything up to at least `until` (simulated Unix ms); waits at most `withinMs` real ms for it. */
export const compareWithTruth = async (options: {
  readonly appliance: Hello
  readonly simulator: SimulatorHello
  readonly zone: string
  readonly until: number
  readonly withinMs: number
}): Promise<Truths> => {
  const { appliance, simulator, until, withinMs, zone } = options
  const deadline = Date.now() + withinMs
  let jobs: ReadonlyArray<Job> = []
  for (;;) {
    jobs = await jobsOf(appliance)
    const open = jobs.filter(({ state, window }) => window.from < until && state !== "committed" && state !== "gap")
    const end = jobs.at(-1)?.window.to ?? 0
    if (jobs.length > 0 && open.length === 0 && end >= until - 600_000) break
    if (Date.now() > deadline) {
      throw new Error(`${open.length} windows are still open: ${JSON.stringify(open.slice(0, 3))}`)
    }
    await setTimeout(500)
  }
  const fields = await fieldsOf(simulator, zone, deadline)
  const different: Array<string> = []
  const untiled: Array<string> = []
  let lines = 0
  let reached = jobs[0]!.window.from
  for (const job of jobs) {
    const { from, to } = job.window
    if (from !== reached) untiled.push(`${reached} → ${from}`)
    reached = to
    if (job.state !== "committed") continue
    const [mine, theirs]: [MultisetDigest, MultisetDigest] = await Promise.all([
      digestOf(appliance, job),
      getJson(
        `${simulator.control}/truth?zone=${zone}&from=${from}&to=${to}&timestamps=rfc3339&fields=${fields.join(",")}`
      )
    ])
    lines += mine.count
    if (mine.digest !== theirs.digest || mine.count !== theirs.count) {
      different.push(`[${from}, ${to}): archived ${mine.count}, served ${theirs.count}`)
    }
  }
  const closed = jobs.filter(({ state }) => state === "committed")
  return {
    windows: closed.length,
    gaps: jobs.filter(({ state }) => state === "gap").length,
    lines,
    different,
    untiled
  }
}
