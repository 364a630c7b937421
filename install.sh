#!/bin/sh
# Installs the `rainlogs` binary: ./install.sh [--prefix DIR] [--from FILE]
# Without --from it takes dist/rainlogs beside this script, and builds it first (npm run build) if it is not there.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
from=
prefix=
fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -ge 2 ] || fail "--prefix needs a directory"; prefix=$2; shift 2 ;;
    --from) [ $# -ge 2 ] || fail "--from needs a file"; from=$2; shift 2 ;;
    -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
done
[ "$(uname -s)" = Linux ] || fail "the binary is built for Linux; on other systems use npm start"
if [ -z "$prefix" ]; then
  if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=${HOME:?set HOME or give --prefix}/.local; fi
fi
if [ -z "$from" ]; then
  from=$here/dist/rainlogs
  if [ ! -x "$from" ]; then
    command -v npm >/dev/null 2>&1 || fail "no binary at $from and no npm to build it; install Node.js 20 or later, or give --from FILE"
    (cd "$here" && npm run build)
  fi
fi
[ -f "$from" ] || fail "no such file: $from"
mkdir -p "$prefix/bin" || fail "cannot make $prefix/bin; choose another place with --prefix DIR"
prefix=$(CDPATH='' cd -- "$prefix" && pwd)
# A new file and a rename, so that a running rainlogs keeps its own copy and a reader never sees half a file.
temporary=$prefix/bin/.rainlogs.$$
trap 'rm -f "$temporary"' EXIT
cp "$from" "$temporary"
chmod 755 "$temporary"
"$temporary" --version >/dev/null || fail "the binary does not run on this machine"
mv "$temporary" "$prefix/bin/rainlogs"
trap - EXIT
printf 'Installed %s\n' "$prefix/bin/rainlogs"
# shellcheck disable=SC2016 # The reader's shell is to expand $PATH, not this one.
case ":$PATH:" in
  *":$prefix/bin:"*) ;;
  *) printf 'Add it to your PATH: export PATH="%s:$PATH"\n' "$prefix/bin" ;;
esac
printf 'Next: rainlogs demo --once\n'
