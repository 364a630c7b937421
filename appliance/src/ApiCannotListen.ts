/**
 * The API's address is taken or not ours to take: says so in the words of whoever chose it.
 */
import { Schema } from "effect"

/** What the operating system's codes mean here; anything else is shown in its own words. */
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "this user may not listen on that port"
}

const reasonOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  return reasons[code] ?? String(cause)
}

/** The API cannot listen where it was told to. */
export class ApiCannotListen extends Schema.TaggedError<ApiCannotListen>()("ApiCannotListen", {
  host: Schema.String,
  port: Schema.Int,
  detail: Schema.String
}) {
  /** `cause` is what the runtime's server threw. */
  static readonly from = (host: string, port: number, cause: unknown): ApiCannotListen =>
    new ApiCannotListen({ host, port, detail: reasonOf(cause) })

  override get message(): string {
    return `The API cannot listen on ${this.host} port ${this.port}: ${this.detail}. ` +
      "Choose another with --host and --port; --port 0 takes a free one."
  }
}
