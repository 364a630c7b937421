/**
 * The reader of archives in memory, under the name the tests know it by.
 */
export { type ArchiveFiles, memoryReader } from "../src/tampering/MemoryReader.ts"
