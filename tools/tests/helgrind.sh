#!/usr/bin/env bash
# Helgrind over the tests of threads that are small enough for it. It finds what ThreadSanitizer does not
# look for (locks in opposite orders, conditions without their lock), and needs no special build.
#
#   helgrind.sh SOURCE_DIR PROGRAM...
set -euo pipefail
source_dir=$1
shift
command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
found=9 # the exit code that says so

helgrind() {
    valgrind --tool=helgrind --error-exitcode=$found --quiet --suppressions="$source_dir/tools/tests/helgrind.supp" \
        "$@" >"$scratch/out" 2>"$scratch/err"
}

# A race that has to be found, or nothing below says anything.
cat >"$scratch/race.c" <<'END'
#include <pthread.h>
static int count;
static void *add(void *argument) { count++; return argument; }
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, add, 0);
    count++;
    return pthread_join(thread, 0);
}
END
"${CC:-cc}" -g -pthread "$scratch/race.c" -o "$scratch/race"
code=0
helgrind "$scratch/race" || code=$?
[ "$code" -eq $found ] || { echo "helgrind does not see a plain race: exit code $code" >&2; exit 3; }

failures=0
for program in "$@"; do
    code=0
    helgrind "$program" || code=$?
    if [ "$code" -ne 0 ]; then
        echo "FAIL: $program: exit code $code" >&2
        grep -vE 'RUN|OK' "$scratch/out" | tail -n 20 >&2
        head -n 120 "$scratch/err" >&2
        failures=$((failures + 1))
    fi
done
exit $((failures > 0))
