#!/usr/bin/env bash
# The lifecycle target builds and runs under AFL++: some executions from the seeds (a number, not a time,
# so that a busy machine does the same, only later), no crash, no hang, and always the same path for the
# same input (stability): an execution leaves nothing behind that the next one could see.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
binary_dir=$3

if ! command -v afl-fuzz >/dev/null || ! command -v afl-clang-fast >/dev/null; then
    echo "AFL++ is not installed (Debian: afl++)" >&2
    exit 77
fi
need_cases

unset AFL_USE_ASAN ASAN_OPTIONS
cmake -S "$source_dir" -B "$binary_dir" -G Ninja -DCMAKE_C_COMPILER=afl-clang-fast \
    -DLASTBYTE_ENGINE=afl -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O2 -g" >"$scratch/log" 2>&1 &&
    AFL_QUIET=1 cmake --build "$binary_dir" --target fuzz_lifecycle >>"$scratch/log" 2>&1 || {
    cat "$scratch/log" >&2
    fail "the AFL++ build failed"
    finish
}

mkdir "$scratch/seeds"
if [ -d "$source_dir/corpus/lifecycle" ]; then
    # No `head` behind a pipe: what writes to it may be ended by SIGPIPE, and the test with it.
    mapfile -t files < <(find "$source_dir/corpus/lifecycle" -type f -size -4k -print | sort)
    cp "${files[@]:0:40}" "$scratch/seeds/"
else
    "$lastbyte" encode "$cases" -o "$scratch/seeds" 2>/dev/null || true
fi
rm -f "$scratch/seeds/MANIFEST.tsv"

AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 \
    timeout 200 afl-fuzz -E 20000 -t 10000 -i "$scratch/seeds" -o "$scratch/afl" -- \
    "$binary_dir/fuzz_lifecycle" >"$scratch/out" 2>&1 || {
    tail -n 40 "$scratch/out" >&2
    fail "afl-fuzz did not run, or not to its end"
    finish
}
stats=$scratch/afl/default/fuzzer_stats
[ -s "$stats" ] || {
    tail -n 40 "$scratch/out" >&2
    fail "afl-fuzz left no statistics"
    finish
}
grep -E '^(execs_done|execs_per_sec|saved_crashes|saved_hangs|stability|corpus_count)' "$stats"
[ "$(sed -n 's/^execs_done *: //p' "$stats")" -gt 100 ] || fail "it hardly ran"
[ "$(sed -n 's/^saved_crashes *: //p' "$stats")" -eq 0 ] || fail "it found a crash"
stability=$(sed -n 's/^stability *: *//p' "$stats")
[ "$stability" = "100.00%" ] || fail "the same input can take another path"
finish
