#!/usr/bin/env bash
# What sleeps hides nothing: over every case and slice whose schedules of two demotions are few enough,
# exploration with and without sleep finds the same outcomes, the same conversations
# on each connection, and the same verdict.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

# Here the areas in which workers meet most; SLEEP_AREAS=. takes all of them, SLEEP_MAX=20000 more of each.
most=${SLEEP_MAX:-2000}
areas=()
for area in ${SLEEP_AREAS:-cancel close deadline dial drain drop idle limits pool teardown waiters}; do
    areas+=("$cases/$area")
done

# certificates FILE OPTION...: verdict, case, slice, outcomes and their hash of what was not cut.
certificates()
{
    local file=$1
    shift
    "$lastbyte" explore --drivers delays --delays 2 --max "$most" --verbose "$@" "${areas[@]}" \
        >"$scratch/all" || fail "explore $*: exit code $?"
    sed -nE '/; cut;/d
        s/^([A-Z]+) +([^ ]+) slice ([^:]+): ([0-9]+) schedules.* ([0-9]+) asleep.* ([0-9]+) worlds \(([0-9a-f]+)\), ([0-9]+) outcomes \(([0-9a-f]+)\).*/\1 \2 \3 \6 \7 \8 \9 \4 \5/p' \
        "$scratch/all" >"$file"
}

certificates "$scratch/asleep" --sleep
certificates "$scratch/awake"
cut -d' ' -f1-7 "$scratch/awake" >"$scratch/awake.found"
# With sleep more cases come to their end: compare those that both have.
awk 'NR == FNR { both[$2, $3] = 1; next } ($2, $3) in both' "$scratch/awake" "$scratch/asleep" \
    >"$scratch/both"
cut -d' ' -f1-7 "$scratch/both" >"$scratch/asleep.found"
[ "$(wc -l <"$scratch/awake")" -ge 50 ] || fail "only $(wc -l <"$scratch/awake") slices are compared"
cmp "$scratch/awake.found" "$scratch/asleep.found" ||
    fail "sleep has changed what was found: $(diff "$scratch/awake.found" "$scratch/asleep.found")"
asleep=$(awk '{ n += $9 } END { print n }' "$scratch/both")
ran=$(awk '{ n += $8 } END { print n }' "$scratch/awake")
[ "$asleep" -gt 0 ] || fail "nothing has slept"
echo "$(wc -l <"$scratch/awake") slices, $ran schedules; of these $asleep may sleep"
finish
