/**
 * Whether a process id is in use on this machine. Process ids are used again: who must know that it is still the same
 * process compares start times as well.
 */
import { isErrno } from "./FileFailure.ts"

/** Whether the system knows the process id, also as a zombie's or another user's. */
export const isKnown = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // EPERM: it is there and belongs to another user.
    return isErrno(cause, "EPERM")
  }
}
