/** A file embedded in the executable; the import is its path. */
declare module "*.tar.zst" {
  const path: string
  export default path
}
