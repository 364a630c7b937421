/**
 * Writes the OpenAPI document of the REST API to `docs/openapi.json`. A test fails when the file is out of date.
 */
import { Api } from "@rainlogs/core/api/Api"
import { OpenApi } from "effect/http-api"
import { writeFileSync } from "node:fs"

writeFileSync(
  new URL("../docs/openapi.json", import.meta.url),
  `${JSON.stringify(OpenApi.fromApi(Api), null, 2)}\n`
)
