/**
 * What `rainlogs-verify --help` prints.
 */

/** The text. */
export const help = `rainlogs-verify: verify a Rainlogs archive offline, with nothing but public keys

Usage
  rainlogs-verify ARCHIVE --key VKEY [options]     the four verdicts over one ledger
  rainlogs-verify compare A B --key VKEY           do two copies show one history?
  rainlogs-verify proof FILE --key VKEY            does this file prove that the log signed two histories?
  rainlogs-verify object FILE PROOF --key VKEY     one stored object and its .tlog-proof
  rainlogs-verify line PROOF LINE --key VKEY       one log line and its proof
  rainlogs-verify watch ARCHIVE --key VKEY --state FILE
                                                   pin every checkpoint; alarm when a later one does not extend it

  ARCHIVE                a directory that holds "logs" and "integrity", an evidence bundle (ZIP), or the http(s):// URL
                         of a live ledger. A ledger comes without its objects: INTEGRITY is then INCONCLUSIVE at best,
                         and the report says how many objects were not looked at

What to trust
  --key VKEY             a verifier key, <name>+<id>+<base64>, obtained from somewhere else than the archive. The log's
                         key (type 1) chooses the ledger. Further ones: its clock, and witnesses (type 4)
  --tsa-root FILE        root certificate of a trusted timestamp authority (RFC 3161), PEM or DER. May be repeated
  --policy FILE          witnesses and how many must have cosigned (C2SP tlog-policy)
  --pin FILE             a checkpoint kept from before; the archive must still contain it. May be repeated
  --key-changes FILE     a signed change of the log's keys, with its list of revoked keys. May be repeated
  --trust-on-first-use   take the key from the archive; no verdict is then better than INCONCLUSIVE

What to ask
  --only QUESTIONS       comma-separated questions that the exit code speaks of:
                         integrity, completeness, anchoring, erasures (all four when left out)
  --as-of TIME           ask for a trusted time not older than --max-staleness (24h when left out) at TIME:
                         ISO 8601 or Unix ms. Without it a cut tail cannot be seen
  --max-staleness AGE    90s, 5m, 24h, 7d

Output
  --json                 one JSON object; its schema is report.schema.json of @rainlogs/verify
  --out FILE             compare: where to write the proof of an equivocation
  --every AGE            watch: pause between looks (5m)
  --max-age AGE          watch: alarm when the served checkpoint is older
  --on-alarm COMMAND     watch: shell command that gets the alarm as a JSON line on stdin
  --once                 watch: one look; the exit code says what was seen
  --help                 print this text

Exit codes
  0  pass: every question asked was answered PASS
  1  tampering proven: a question was answered FAIL
  2  cannot conclude: INCONCLUSIVE, or the archive could not be read, or the command line is wrong
  3  malformed input: a file is not in the format at all

Examples
  rainlogs-verify ./archive --key archive.example.eu/t/6f1c…+434cefcc+AeZSwY…
  rainlogs-verify ./archive --key "$VKEY" --key "$WITNESS" --as-of "$(date -u +%FT%TZ)" --max-staleness 6h
  rainlogs-verify ./archive --key "$VKEY" --only integrity,completeness && echo proven
  rainlogs-verify ./archive --key "$VKEY" --json | jq '.findings[] | select(.severity == "fail")'
  rainlogs-verify evidence.zip --key "$VKEY" --tsa-root tsa-root.pem
  rainlogs-verify https://archive.example.eu/ledger/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10 --key "$VKEY"
  rainlogs-verify compare ./archive /mnt/copy --key "$VKEY" --out equivocation.txt
  rainlogs-verify compare ./archive https://archive.example.eu/ledger/6f1c1e0e-… --key "$VKEY"
  rainlogs-verify watch https://archive.example.eu/ledger/6f1c1e0e-… --key "$VKEY" --state pin --max-age 2h
`
