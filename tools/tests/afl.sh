#!/usr/bin/env bash
# Every target builds and runs under AFL++: some executions from the seeds (a number, not a time, so that a busy
# machine does the same, only later), no crash, no hang, and always the same path for the same input
# (stability): an execution leaves nothing behind that the next one could see. The mutator's shared object,
# where one is named, is loaded and used. The canary is found.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
binary_dir=$3
mutator=${4:-}

if ! command -v afl-fuzz >/dev/null || ! command -v afl-clang-fast >/dev/null; then
    echo "AFL++ is not installed (Debian: afl++)" >&2
    exit 77
fi
need_cases

unset AFL_USE_ASAN AFL_LLVM_CMPLOG ASAN_OPTIONS
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1
cmake -S "$source_dir" -B "$binary_dir" -G Ninja -DCMAKE_C_COMPILER=afl-clang-fast \
    -DLASTBYTE_ENGINE=afl -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O2 -g" >"$scratch/log" 2>&1 &&
    AFL_QUIET=1 cmake --build "$binary_dir" >>"$scratch/log" 2>&1 || {
    cat "$scratch/log" >&2
    fail "the AFL++ build failed"
    finish
}

stat_of() {
    sed -n "s/^$2 *: *//p" "$scratch/afl-$1/default/fuzzer_stats"
}

# run NAME EXECUTIONS DICTIONARY: afl-fuzz on the seeds of a target.
run() {
    timeout 200 afl-fuzz -E "$2" -t 10000 -i "$scratch/seeds-$1" -o "$scratch/afl-$1" \
        -x "$source_dir/fuzz/$3" -- "$binary_dir/fuzz_$1" >"$scratch/out" 2>&1 || {
        tail -n 40 "$scratch/out" >&2
        fail "$1: afl-fuzz did not run, or not to its end"
        return
    }
    printf '%-14s %s executions, %s/s, stability %s\n' "$1" "$(stat_of "$1" execs_done)" \
        "$(stat_of "$1" execs_per_sec)" "$(stat_of "$1" stability)"
    [ "$(stat_of "$1" execs_done)" -gt 100 ] || fail "$1 hardly ran"
    [ "$(stat_of "$1" saved_crashes)" -eq 0 ] || fail "$1: a crash was found"
    [ "$(stat_of "$1" stability)" = "100.00%" ] || fail "$1: the same input can take another path"
}

while IFS=$'\t' read -r name _ _ dictionary form seeds _; do
    [ "$name" != name ] && [ "$name" != canary ] || continue
    mkdir "$scratch/seeds-$name"
    # No `head` behind a pipe: what writes to it may be ended by SIGPIPE, and the test with it.
    mapfile -t files < <(find "$source_dir/corpus/$seeds" -type f -size -4k -print | sort)
    cp "${files[@]:0:12}" "$scratch/seeds-$name/"
    if [ -n "$mutator" ] && [ "$form" = operations ]; then
        AFL_CUSTOM_MUTATOR_LIBRARY=$mutator run "$name" 1000 "$dictionary"
        grep -q "mutator '$mutator' installed successfully" "$scratch/out" || fail "$name: no mutator"
    else
        run "$name" 1000 "$dictionary"
    fi
done <"$source_dir/fuzz/targets.tsv"

# Trimming by operations: reads of no request are left out of the only seed, and the path is the same.
if [ -n "$mutator" ]; then
    mkdir "$scratch/seeds-trim"
    printf '\x83\x83\x83\x83\x80' >"$scratch/seeds-trim/x"
    mkdir -p "$scratch/afl-trim"
    AFL_CUSTOM_MUTATOR_LIBRARY=$mutator timeout 100 afl-fuzz -E 1000 -t 10000 -i "$scratch/seeds-trim" \
        -o "$scratch/afl-trim" -- "$binary_dir/fuzz_lifecycle" >"$scratch/out" 2>&1 || true
    trimmed=$(cat "$scratch"/afl-trim/default/queue/id:000000,* | wc -c)
    [ "$trimmed" -eq 1 ] || fail "the seed of 5 operations was trimmed to $trimmed"
    echo "trimming       5 operations to $trimmed"
fi

mkdir "$scratch/nothing"
printf 'x' >"$scratch/nothing/x"
AFL_BENCH_UNTIL_CRASH=1 timeout 100 afl-fuzz -V 60 -t 10000 -i "$scratch/nothing" -o "$scratch/afl-canary" \
    -x "$source_dir/fuzz/operations.dict" -- "$binary_dir/fuzz_canary" >"$scratch/out" 2>&1 || true
[ "$(stat_of canary saved_crashes)" -ge 1 ] || fail "the canary lives"
echo "canary         found after $(stat_of canary execs_done) executions"
finish
