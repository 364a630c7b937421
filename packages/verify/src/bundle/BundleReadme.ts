/**
 * The README of a bundle, in English and Italian: how to check it by hand. Its commands carry the values of this very
 * bundle and are ready to paste into bash; they need coreutils, sed, grep and openssl alone.
 */

/** The values that the commands carry. */
export interface ReadmeFacts {
  readonly origin: string
  /** The log's verifier key as the bundle states it. */
  readonly logKey: string
  readonly size: number
  /** A proof in the bundle, and the object it is about; null when the bundle holds no object. */
  readonly sample: { readonly proof: string; readonly object: string } | null
  /** A timestamp in the bundle and the checkpoint it stamps; null when there is none. */
  readonly timestamp: { readonly receipt: string; readonly checkpoint: string } | null
  readonly disclosed: boolean
}

const functions = `unhex() { printf "$(printf %s "$1" | sed 's/../\\\\x&/g')"; }
hex() { od -An -v -tx1 | tr -d ' \\n'; }
field() { sed -n "s/^$1 //p" entry.txt; }
same() { if [ "$1" = "$2" ]; then echo "OK $3"; else echo "WRONG $3"; exit 1; fi; }`

const entryCommands = (proof: string): string =>
  `PROOF='${proof}'
sed -n 's/^extra //p' "$PROOF" | base64 -d > entry.txt
sed '1,/^$/d' "$PROOF" > checkpoint.txt`

const objectCommands = (object: string): string =>
  `same "$(sha256sum '${object}' | cut -c1-64)" "$(field object)" "object"`

const chainCommands =
  `same "$( { unhex "$(field prev)"; unhex "$(field object)"; printf %s "$(field job)"; } | sha256sum | cut -c1-64)" "$(field hash)" "chain link"`

const inclusionCommands = `h=$( { printf '\\0'; cat entry.txt; } | sha256sum | cut -c1-64)
i=$(sed -n 's/^index //p' "$PROOF"); n=$(( $(sed -n 2p checkpoint.txt) - 1 ))
node() { { printf '\\1'; unhex "$1"; unhex "$2"; } | sha256sum | cut -c1-64; }
for p in $(sed -n '/^index /,/^$/p' "$PROOF" | sed '1d;$d'); do
  s=$(printf %s "$p" | base64 -d | hex)
  if [ $((i % 2)) = 1 ] || [ "$i" = "$n" ]; then
    h=$(node "$s" "$h")
    while [ $((i % 2)) = 0 ] && [ "$i" != 0 ]; do i=$((i / 2)); n=$((n / 2)); done
  else h=$(node "$h" "$s"); fi
  i=$((i / 2)); n=$((n / 2))
done
same "$h" "$(sed -n 3p checkpoint.txt | base64 -d | hex)" "inclusion in the signed tree"`

const signatureCommands = (logKey: string, origin: string): string =>
  `KEY='${logKey}'
{ unhex 302a300506032b6570032100; printf %s "$KEY" | sed 's/^[^+]*+[^+]*+//' | base64 -d | tail -c +2; } > log.der
head -n 3 checkpoint.txt > body.txt
grep -F -- '— ${origin} ' checkpoint.txt | head -n 1 | cut -d' ' -f3 | base64 -d | tail -c +5 > signature.bin
openssl pkeyutl -verify -pubin -keyform DER -inkey log.der -rawin -in body.txt -sigfile signature.bin`

const timestampCommands = (
  { checkpoint, receipt }: { readonly checkpoint: string; readonly receipt: string }
): string => `openssl ts -verify -in '${receipt}' -data '${checkpoint}' -CAfile tsa-root.pem`

const indent = (commands: string): string => commands.split("\n").map((line) => `    ${line}`).join("\n")

interface Words {
  readonly title: string
  readonly what: string
  readonly disclosed: string
  readonly first: string
  readonly second: string
  readonly steps: {
    readonly prepare: string
    readonly object: string
    readonly chain: string
    readonly tree: string
    readonly signature: string
  }
  readonly noObject: string
  readonly time: string
  readonly noTime: string
  readonly third: string
  readonly trust: string
}

const english: Words = {
  title: "EVIDENCE BUNDLE",
  what:
    `This file holds the ledger of a log archive, and the archived log objects of some of its windows. SCOPE says which;
policy.txt says under which rules they are kept. Nothing in here has to be believed: it can be checked in three ways,
each deeper than the one before. Unpack the file and run the commands in its directory, in bash.`,
  disclosed: "It also holds the data keys of these objects (disclosed/), so that their plaintext can be read.",
  first: "1. Is the file whole? (damage in transport)",
  second: "2. By hand, with coreutils and openssl: one object, from its bytes to the signature",
  steps: {
    prepare: "Prepare. The proof holds the ledger entry of the object, and the checkpoint that the log signed.",
    object: "The object is the one that the entry names.",
    chain: "The entry is linked to the one before it: SHA-256 of its hash, the object's hash and the job's name.",
    tree: "The entry is in the tree that the checkpoint signs (RFC 6962).",
    signature:
      "The log signed the checkpoint. Compare KEY with the key you were given from elsewhere: one that comes only with\nthis file proves nothing."
  },
  noObject: "The bundle holds no object in these windows, so there is none to check by hand.",
  time:
    "When: a timestamp authority attests that the checkpoint existed (RFC 3161). tsa-root.pem is the authority's root\ncertificate, from its own site.",
  noTime: "The bundle holds no timestamp of an authority.",
  third:
    "3. Everything, with the verifier (all entries, objects, tiles, times, erasures; no network needed once it is there)",
  trust: "It needs the key from elsewhere, and --tsa-root FILE for timestamps, --key VKEY for a witness."
}

const italian: Words = {
  title: "FASCICOLO DI PROVA",
  what:
    `Questo file contiene il registro di un archivio di log e gli oggetti archiviati di alcune delle sue finestre. SCOPE dice
quali; policy.txt dice con quali regole sono conservati. Non occorre fidarsi di nulla: tutto si verifica in tre modi,
ognuno più approfondito del precedente. Si estrae il file e si eseguono i comandi nella sua cartella, con bash.`,
  disclosed:
    "Contiene anche le chiavi dei dati di questi oggetti (disclosed/), per poterne leggere il testo in chiaro.",
  first: "1. Il file è integro? (danni nel trasporto)",
  second: "2. A mano, con coreutils e openssl: un oggetto, dai suoi byte fino alla firma",
  steps: {
    prepare: "Preparazione. La prova contiene la voce di registro dell'oggetto e il checkpoint firmato dal registro.",
    object: "L'oggetto è quello indicato dalla voce.",
    chain: "La voce è legata alla precedente: SHA-256 dell'hash di quella, dell'hash dell'oggetto e del nome del job.",
    tree: "La voce si trova nell'albero firmato dal checkpoint (RFC 6962).",
    signature:
      "Il registro ha firmato il checkpoint. Confrontare KEY con la chiave ricevuta per altra via: una chiave che arriva\nsoltanto con questo file non prova nulla."
  },
  noObject: "Il fascicolo non contiene oggetti in queste finestre: non c'è nulla da verificare a mano.",
  time:
    "Quando: un'autorità di marcatura temporale attesta che il checkpoint esisteva (RFC 3161). tsa-root.pem è il\ncertificato radice dell'autorità, preso dal suo sito.",
  noTime: "Il fascicolo non contiene marche temporali di un'autorità.",
  third: "3. Tutto, con il verificatore (voci, oggetti, tessere, tempi, cancellazioni; poi non serve alcuna rete)",
  trust:
    "Occorre la chiave ricevuta per altra via, e --tsa-root FILE per le marche temporali, --key VKEY per un testimone."
}

const print = (words: Words, facts: ReadmeFacts): string => {
  const { disclosed, logKey, origin, sample, size, timestamp } = facts
  const steps = sample === null ? [words.noObject] : [
    words.steps.prepare,
    indent(functions),
    indent(entryCommands(sample.proof)),
    words.steps.object,
    indent(objectCommands(sample.object)),
    words.steps.chain,
    indent(chainCommands),
    words.steps.tree,
    indent(inclusionCommands),
    words.steps.signature,
    indent(signatureCommands(logKey, origin))
  ]
  return `${
    [
      words.title,
      `${origin}\n${size}`,
      disclosed ? `${words.what}\n${words.disclosed}` : words.what,
      words.first,
      indent("sha256sum -c --quiet MANIFEST.sha256 && echo OK"),
      words.second,
      ...steps,
      timestamp === null ? words.noTime : words.time,
      ...timestamp === null ? [] : [indent(timestampCommands(timestamp))],
      words.third,
      indent("npx @rainlogs/verify evidence.zip --key \"$KEY\""),
      words.trust
    ].join("\n\n")
  }\n`
}

/** The English README. */
export const englishReadme = (facts: ReadmeFacts): string => print(english, facts)

/** The Italian README. */
export const italianReadme = (facts: ReadmeFacts): string => print(italian, facts)
