/**
 * The version of this program: that of the packages it is made of, which are released together.
 */
export { version } from "@rainlogs/server/api/Version"
