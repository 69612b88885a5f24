#!/usr/bin/env bash
# The same case and schedule give the same trace: twice in one process, in two processes, in another
# order, and alone.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

"$lastbyte" check --cases "$cases" --hashes >"$scratch/first" || fail "check --hashes: exit code $?"
"$lastbyte" check --cases "$cases" --hashes >"$scratch/second" || fail "again: exit code $?"
cmp "$scratch/first" "$scratch/second" || fail "two processes gave different traces"
[ -s "$scratch/first" ] || fail "there are no hashes"

"$lastbyte" check --cases "$cases" --hashes --repeat 2 >"$scratch/twice" ||
    fail "check --hashes --repeat 2: exit code $?"
sort -u "$scratch/twice" >"$scratch/twice.sorted"
sort -u "$scratch/first" >"$scratch/first.sorted"
cmp "$scratch/first.sorted" "$scratch/twice.sorted" || fail "a second round gave other traces"

"$lastbyte" check --cases "$cases" --hashes --shuffle 7 | sort -u >"$scratch/shuffled"
cmp "$scratch/first.sorted" "$scratch/shuffled" || fail "another order gave other traces"

# Alone: the first variant of each case, in a process of its own.
awk '!seen[$1]++' "$scratch/first" | while read -r id slice schedule hash; do
    alone=$("$lastbyte" run --cases "$cases" --hash --slice "$slice" --schedule "$schedule" "$id") ||
        echo "$id: exit code $?"
    [ "$alone" = "$id $slice $schedule $hash" ] || echo "$id: alone $alone, among others $hash"
done >"$scratch/alone"
[ ! -s "$scratch/alone" ] || fail "$(cat "$scratch/alone")"
finish
