#!/usr/bin/env bash
# usage: canary.sh BINARY OUTPUT: libFuzzer finds the canary from nothing, within a second (three, where the
# machine is busy), or the rig is blind. The exit code is libFuzzer's or that of AddressSanitizer.
set -euo pipefail
binary=$1
out=$2
rm -rf "$out"
mkdir -p "$out"
code=0
"$binary" -seed=1 -max_total_time=3 -rss_limit_mb=512 -artifact_prefix="$out/" >"$out/log" 2>&1 || code=$?
[ "$code" -ne 0 ] || { tail -n 20 "$out/log" >&2; echo "the canary lives: exit code $code" >&2; exit 1; }
grep -q '^ASSERTION FAILED: lastbyte canary/reused$' "$out/log" ||
    { echo "the canary died of something else" >&2; exit 1; }
ls "$out"/crash-* >/dev/null
