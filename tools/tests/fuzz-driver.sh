#!/usr/bin/env bash
# `lastbyte fuzz` against engines that are shell scripts: what it says of a campaign that finds nothing,
# one that finds something, one that cannot start, and one that is interrupted.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

engine() {
    { echo '#!/usr/bin/env bash'; cat; } >"$scratch/$1"
    chmod +x "$scratch/$1"
}

engine quiet <<'SCRIPT'
echo "$*" >"$(dirname "$0")/arguments"
echo '#4 INITED cov: 100 ft: 120 corp: 4/99b exec/s: 0 rss: 30Mb' >&2
echo '#65536 pulse  cov: 321 ft: 654 corp: 45/999b lim: 4096 exec/s: 32768 rss: 40Mb' >&2
echo 'stat::number_of_executed_units: 70001' >&2
SCRIPT
expect 0 "$lastbyte" fuzz --binary "$scratch/quiet" --out "$scratch/o1" --time 5s --seed 3
says '70001 executions'
says 'coverage 321'
says 'nothing found'
for word in -max_total_time= -timeout=10 -rss_limit_mb=512 -max_len=4096 -seed=3; do
    grep -q -- "$word" "$scratch/arguments" || fail "the engine was started without $word"
done
[ -d "$scratch/o1/corpus" ] || fail "there is no corpus folder"
grep -q INITED "$scratch/o1/engine-1.log" || fail "the log is not kept"

engine finder <<'SCRIPT'
for word in "$@"; do
    case $word in -artifact_prefix=*) prefix=${word#-artifact_prefix=} ;; esac
done
echo '#16 NEW cov: 9 ft: 9 corp: 3/5b lim: 4 exec/s: 0 rss: 30Mb' >&2
echo 'ASSERTION FAILED: lastbyte R1 @ length/early-close' >&2
echo '==7== ERROR: libFuzzer: deadly signal' >&2
printf 'x' >"${prefix}crash-00aa"
echo "artifact_prefix='$prefix'; Test unit written to ${prefix}crash-00aa" >&2
exit 77
SCRIPT
expect 1 "$lastbyte" fuzz --binary "$scratch/finder" --out "$scratch/o2" --time 5s
says 'FOUND  ASSERTION FAILED: lastbyte R1 @ length/early-close'
says "reproduce: lastbyte replay $scratch/o2/crash-00aa"
[ -f "$scratch/o2/crash-00aa" ] || fail "the input is not kept"

# Going on ends when a start finds nothing new.
expect 1 "$lastbyte" fuzz --binary "$scratch/finder" --out "$scratch/o3" --time 5s --keep-going
says 'findings 1'
says 'found again what is known already'

engine broken <<'SCRIPT'
echo 'something is missing' >&2
exit 1
SCRIPT
expect 3 "$lastbyte" fuzz --binary "$scratch/broken" --out "$scratch/o4" --time 5s
says 'the engine ended with code 1: something is missing'

engine patient <<'SCRIPT'
trap 'echo "==7== libFuzzer: run interrupted; exiting" >&2; exit 72' INT
echo '#5 NEW cov: 7 ft: 8 corp: 1/2b exec/s: 0 rss: 30Mb' >&2
touch "$(dirname "$0")/started"
for _ in $(seq 200); do sleep 0.05; done
SCRIPT
"${tied[@]}" "$lastbyte" fuzz --binary "$scratch/patient" --out "$scratch/o5" --time 60s >"$scratch/out" 2>&1 &
campaign=$!
for _ in $(seq 100); do
    [ -e "$scratch/started" ] && break
    sleep 0.05
done
kill -INT "$campaign"
code=0
wait "$campaign" || code=$?
[ "$code" -eq 0 ] || fail "an interrupted campaign: exit code $code, expected 0"
says 'interrupted; nothing is lost'
says 'coverage 7'
says 'once more kills them'

# Nothing run is nothing found out; a path with a dash is no option of the engine; no standard files.
engine idle <<'SCRIPT'
exit 0
SCRIPT
expect 3 "$lastbyte" fuzz --binary "$scratch/idle" --out "$scratch/o6" --time 5s
says 'but ran nothing'
cd "$scratch"
expect 0 "$lastbyte" fuzz --binary "$scratch/quiet" --out=-o9 --corpus=-c9 --time 5s
grep -q -- ' \./-c9' "$scratch/arguments" || fail "the engine takes the corpus for an option"
grep -q -- '=\./-o9/' "$scratch/arguments" || fail "the engine takes the output for an option"
code=0
"$lastbyte" fuzz --binary "$scratch/quiet" --out "$scratch/o7" --time 5s <&- >&- 2>&- || code=$?
[ "$code" -eq 3 ] || fail "without standard files: exit code $code, expected 3"

# An engine that ignores its time, and one that ignores Ctrl-C.
engine stubborn <<'SCRIPT'
trap '' INT
echo '#5 NEW cov: 7 ft: 8 corp: 1/2b exec/s: 0 rss: 30Mb' >&2
touch "$(dirname "$0")/started-too"
for _ in $(seq 1200); do sleep 0.05; done
SCRIPT
expect 3 "$lastbyte" fuzz --binary "$scratch/stubborn" --out "$scratch/o8" --time 1s
says 'after its time: killed'
rm "$scratch/started-too"
"${tied[@]}" "$lastbyte" fuzz --binary "$scratch/stubborn" --out "$scratch/o8" --time 60s >"$scratch/out" 2>&1 &
campaign=$!
for _ in $(seq 100); do
    [ -e "$scratch/started-too" ] && break
    sleep 0.05
done
kill -INT "$campaign"
sleep 0.5
kill -INT "$campaign"
wait "$campaign" || true
says 'interrupted again'
finish
