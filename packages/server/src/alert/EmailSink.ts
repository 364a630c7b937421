/**
 * Alerts by e-mail, over SMTP (nodemailer).
 */
import { inWords, type Notice } from "@rainlogs/core/alert/Alert"
import { type AlertSink, AlertUndelivered } from "@rainlogs/core/alert/AlertSink"
import { Effect, Redacted } from "effect"
import { createTransport } from "nodemailer"

/** `server` is `smtp://` or `smtps://user:password@host:port`; the addresses as they stand in the headers. */
export interface EmailOptions {
  readonly server: Redacted.Redacted<string>
  readonly from: string
  readonly to: ReadonlyArray<string>
  /** The longest time for a connection, a greeting or an answer, ms. */
  readonly timeoutMs?: number
}

const defaultTimeoutMs = 30_000

/** Name of nodemailer's failure and the server's own code, never the text: it may repeat addresses or credentials. */
const reasonOf = (cause: unknown): { readonly permanent: boolean; readonly detail: string } => {
  const of = (name: string): unknown =>
    typeof cause === "object" && cause !== null ? Reflect.get(cause, name) : undefined
  const code = of("code")
  const response = of("responseCode")
  return {
    // RFC 5321 §4.2.1: 5yz is permanent. Wrong credentials (535) are mended at the server as often as here.
    permanent: typeof response === "number" && response >= 500 && response !== 530 && response !== 535,
    detail: `${typeof code === "string" ? code : "the mail was not sent"}${
      typeof response === "number" ? ` (SMTP ${response})` : ""
    }`
  }
}

/** The sink; without TLS in the URL, STARTTLS is used where the server offers it. */
export const make = (options: EmailOptions): AlertSink => {
  const timeout = options.timeoutMs ?? defaultTimeoutMs
  const transport = createTransport(Redacted.value(options.server), {
    from: options.from,
    disableFileAccess: true,
    disableUrlAccess: true
  })
  Object.assign(transport.options, { connectionTimeout: timeout, greetingTimeout: timeout, socketTimeout: timeout })
  const mail = (notice: Notice) => {
    const { text, title } = inWords(notice)
    return {
      to: [...options.to],
      subject: title.replaceAll(/[\r\n]+/g, " "),
      text: `${text}\n`,
      // The same for every attempt, so that a mailbox can tell a repetition (RFC 5322 §3.6.4).
      messageId: `<${notice.id}@rainlogs.invalid>`,
      headers: { "Auto-Submitted": "auto-generated" }
    }
  }
  return {
    id: "email",
    send: (notice) =>
      Effect.tryPromise({
        try: () => transport.sendMail(mail(notice)),
        catch: (cause) => new AlertUndelivered({ sink: "email", retryAfterMs: null, ...reasonOf(cause) })
      }).pipe(
        Effect.timeoutOrElse({
          duration: timeout * 3,
          orElse: () =>
            Effect.fail(
              new AlertUndelivered({
                sink: "email",
                permanent: false,
                detail: `the server did not take the mail within ${timeout * 3} ms`,
                retryAfterMs: null
              })
            )
        }),
        Effect.asVoid
      )
  }
}
