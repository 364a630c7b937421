import { assert, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { foreignLeaseMs, lock, LockHeld } from "../../src/ledger/SignerLock.ts"

let directory = ""
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "rainlogs-lock-"))
})
const children: Array<ChildProcess> = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
  fs.rmSync(directory, { recursive: true, force: true })
})
const path = () => join(directory, "lock")

const refusal = async (): Promise<LockHeld> => {
  try {
    await lock(path())
  } catch (error) {
    assert.instanceOf(error, LockHeld)
    return error
  }
  return assert.fail("the lock was taken")
}

const script = `import { lock } from ${JSON.stringify(new URL("../../src/ledger/SignerLock.ts", import.meta.url).href)}
try {
  await lock(process.argv[1])
  process.stdout.write("held")
  setInterval(() => undefined, 1000)
} catch (error) {
  process.stdout.write(error.name)
}`

const otherProcess = () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, path()], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  children.push(child)
  const said = new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(String(data))))
  const ended = new Promise((resolve) => child.once("exit", resolve))
  return { said, ended, kill: () => child.kill("SIGKILL") }
}

it("a second holder is refused until the first lets go", async () => {
  const first = await lock(path())
  assert.isFalse((await refusal()).foreign)
  await first.release()
  const second = await lock(path())
  assert.isTrue(await second.isHeld())
  assert.isFalse(await first.isHeld())
  await first.release()
  assert.isTrue(await second.isHeld())
})

it("another process is refused while this one lives, and replaced after kill -9", async () => {
  const holder = otherProcess()
  assert.strictEqual(await holder.said, "held")
  assert.include((await refusal()).message, "is held by process")
  holder.kill()
  await holder.ended
  const taken = await lock(path())
  assert.isTrue(await taken.isHeld())
  assert.deepStrictEqual(fs.readdirSync(directory), ["lock"])
})

it("of many processes that find a dead holder's lock exactly one takes it", async () => {
  const dead = otherProcess()
  assert.strictEqual(await dead.said, "held")
  dead.kill()
  await dead.ended
  const takers = Array.from({ length: 8 }, otherProcess)
  const said = await Promise.all(takers.map((taker) => taker.said))
  assert.deepStrictEqual(said.filter((word) => word === "held").length, 1, said.join())
  assert.deepStrictEqual(said.filter((word) => word === "LockHeld").length, 7, said.join())
}, 60_000)

it("however the steps of many takers interleave, a dead holder's lock has one new holder", async () => {
  await lock(path())
  const dead = { ...JSON.parse(fs.readFileSync(path(), "utf8")), started: "1" }
  for (let round = 0; round < 60; round++) {
    fs.writeFileSync(path(), JSON.stringify({ ...dead, token: randomUUID() }))
    const takers = Array.from({ length: 12 }, async (_, taker) => {
      await new Promise((resolve) => setTimeout(resolve, taker % 4))
      return lock(path())
    })
    const outcomes = await Promise.allSettled(takers)
    const taken = outcomes.flatMap((outcome) => outcome.status === "fulfilled" ? [outcome.value] : [])
    const refused = outcomes.flatMap((outcome) => outcome.status === "rejected" ? [outcome.reason] : [])
    assert.lengthOf(taken, 1, `round ${round}`)
    assert.isTrue(await taken[0]!.isHeld())
    assert.isTrue(refused.every((reason) => reason instanceof LockHeld), String(refused[0]))
  }
  assert.deepStrictEqual(fs.readdirSync(directory), ["lock"])
}, 60_000)

it("a process id that was given to another process does not keep the lock", async () => {
  await lock(path())
  const holder = JSON.parse(fs.readFileSync(path(), "utf8"))
  fs.writeFileSync(path(), JSON.stringify({ ...holder, started: "1" }))
  assert.isTrue(await (await lock(path())).isHeld())
})

it("a holder on another host is respected while it touches the file, and replaced when it does not", async () => {
  const mine = await lock(path())
  const holder = JSON.parse(fs.readFileSync(path(), "utf8"))
  fs.writeFileSync(path(), JSON.stringify({ ...holder, place: "elsewhere//" }))
  assert.isTrue((await refusal()).foreign)
  const past = new Date(Date.now() - foreignLeaseMs - 1_000)
  fs.utimesSync(path(), past, past)
  await mine.touch()
  assert.isTrue((await refusal()).foreign)
  fs.utimesSync(path(), past, past)
  assert.isTrue(await (await lock(path())).isHeld())
})

it("an unreadable lock file is not guessed about", async () => {
  fs.writeFileSync(path(), "?")
  assert.include((await refusal()).message, "unreadable lock file")
})
