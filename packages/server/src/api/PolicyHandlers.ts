/**
 * Handlers: the policy of the customer's ledger.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import type { PolicyResource } from "@rainlogs/core/api/PolicyApi"
import { LedgerUnavailable, PolicyNotAllowed } from "@rainlogs/core/api/Problem"
import { Sha256Hex } from "@rainlogs/core/domain/Identifier"
import { type ChainedPolicy, PolicyChanges } from "@rainlogs/core/ledger/PolicyChanges"
import { type Policy, printPolicy } from "@rainlogs/verify/Policy"
import { parseVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Clock, Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { onPolicy, onSigner, onUnavailable } from "./LifecycleFailures.ts"

const policyResource = ({ policy, sha256 }: ChainedPolicy): PolicyResource => ({
  version: policy.version,
  sha256: Sha256Hex.make(sha256),
  retentionDays: policy.retention[0]?.days ?? policy.retentionMinimum,
  retentionMinimumDays: policy.retentionMinimum,
  eraseQuorum: policy.eraseQuorum,
  approvers: policy.approvers.map(printVerifierKey),
  document: printPolicy(policy)
})

/** The `policy` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "policy",
  Effect.fn(function*(handlers) {
    const policies = yield* PolicyChanges

    const ledger = Effect.map(CurrentCustomer, ({ id, origin }) => ({ customer: id, origin }))

    const inForce = Effect.gen(function*() {
      const found = yield* policies.inForce(yield* ledger).pipe(Effect.catchTags(onUnavailable))
      if (Option.isSome(found)) return found.value
      return yield* new LedgerUnavailable({
        detail: "The customer's ledger is not open yet, so it has no policy.",
        remedy: "Try again in a minute."
      })
    })

    return handlers.handleAll({
      show: Effect.fn("PolicyHandlers.show")(function*() {
        return policyResource(yield* inForce)
      }),

      draft: Effect.fn("PolicyHandlers.draft")(function*({ payload }) {
        const { policy } = yield* inForce
        const { approvers, eraseQuorum, retentionDays, retentionMinimumDays } = payload
        const document = yield* Effect.try({
          try: () => {
            const next: Policy = {
              ...policy,
              version: policy.version + 1,
              retention: policy.retention.map((rule, index) =>
                index === 0 ? { ...rule, days: retentionDays ?? rule.days } : rule
              ),
              retentionMinimum: retentionMinimumDays ?? policy.retentionMinimum,
              eraseQuorum: eraseQuorum ?? policy.eraseQuorum,
              approvers: approvers?.map(parseVerifierKey) ?? policy.approvers
            }
            return printPolicy(next)
          },
          catch: (error) =>
            new PolicyNotAllowed({
              detail: error instanceof Error ? error.message : String(error),
              remedy: "Correct the value and draft it again."
            })
        })
        return { document }
      }),

      apply: Effect.fn("PolicyHandlers.apply")(function*({ payload }) {
        const bytes = new TextEncoder().encode(payload.document)
        yield* policies.submit(yield* ledger, bytes, yield* Clock.currentTimeMillis).pipe(
          Effect.catchTags({ ...onUnavailable, ...onSigner, ...onPolicy })
        )
        return policyResource(yield* inForce)
      })
    })
  })
)
