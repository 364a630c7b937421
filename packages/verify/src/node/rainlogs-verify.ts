#!/usr/bin/env node
/**
 * Executable of the `rainlogs-verify` command.
 */
import process from "node:process"
import { main } from "../cli.ts"

process.exitCode = await main(process.argv.slice(2), process)
