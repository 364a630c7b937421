/**
 * All fields that the rules of a pipeline name, as one tree, so that one pass over a line finds them all.
 */
import { namesOf } from "./FieldPath.ts"

/** A field or a part of a path. `slot` numbers the field that ends here; null if none does. */
export interface FieldNode {
  readonly children: Array<{ readonly name: Buffer; readonly node: FieldNode }>
  slot: number | null
}

/** Collects the fields. */
export class FieldTree {
  readonly root: FieldNode = { children: [], slot: null }
  #slots = 0

  /** How many different fields there are. */
  get slots(): number {
    return this.#slots
  }

  /** The number of a field; the same field has the same number. */
  slotOf(path: string): number {
    let node = this.root
    for (const name of namesOf(path) ?? []) {
      const bytes = Buffer.from(name)
      let child = node.children.find((one) => one.name.equals(bytes))
      if (child === undefined) {
        child = { name: bytes, node: { children: [], slot: null } }
        node.children.push(child)
      }
      node = child.node
    }
    node.slot ??= this.#slots++
    return node.slot
  }
}
