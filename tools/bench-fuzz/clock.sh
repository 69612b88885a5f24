# shellcheck shell=bash
# Rates per second of processor time, which other work on the machine hardly changes. To be sourced; the
# sourcing script sets $scratch, a folder.

# rate COUNT SECONDS
rate() {
    awk -v count="$1" -v seconds="$2" 'BEGIN { printf "%.0f", (seconds > 0 ? count / seconds : 0) }'
}

# clocked COMMAND...: runs it, its output in $scratch/output; prints seconds of time and of processor time.
clocked() {
    local TIMEFORMAT='%R %U %S'
    { time "$@" >"$scratch/output" 2>&1 </dev/null || true; } 2>&1 | awk '{ print $1, $2 + $3 }'
}

# stat_of NAME: a number of libFuzzer's final statistics.
stat_of() {
    sed -n "s/^stat::$1: *//p" "$scratch/output"
}
