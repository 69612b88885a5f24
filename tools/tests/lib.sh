# shellcheck shell=bash disable=SC2034
# Shared by the shell tests; to be sourced with the test's arguments: LASTBYTE SOURCE_DIR. Sets
# `lastbyte`, `source_dir`, `cases` and `scratch`, a folder that is removed at the end.

lastbyte=$1
source_dir=$2
cases=$source_dir/conformance/cases
scratch=$(mktemp -d)
failures=0

# What a test has put into the background ends with it, whichever way that ends; and if it is killed, what
# was started with "${tied[@]}" in front.
tied=()
if setpriv --pdeathsig KILL true 2>/dev/null; then
    tied=(setpriv --pdeathsig KILL)
fi
clean_up() {
    local job
    for job in $(jobs -pr); do
        kill -KILL "$job" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    printf 'FAIL: %s\n' "$*" >&2
    failures=$((failures + 1))
}

finish() {
    [ "$failures" -eq 0 ] || exit 1
    exit 0
}

# expect CODE COMMAND...: runs it with its output in $scratch/out; fails on another exit code.
expect() {
    local wanted=$1 code=0
    shift
    "$@" >"$scratch/out" 2>&1 || code=$?
    if [ "$code" -ne "$wanted" ]; then
        fail "exit code $code, expected $wanted: $*"
        head -n 40 "$scratch/out" >&2
    fi
}

# says TEXT: the output of the last `expect` holds a line with TEXT.
says() {
    grep -qF -- "$1" "$scratch/out" || {
        fail "the output does not say: $1"
        head -n 40 "$scratch/out" >&2
    }
}

need_cases() {
    [ -n "$(find "$cases" -name '*.case' -print -quit)" ] || {
        echo "no cases yet" >&2
        exit 77
    }
}
