#!/usr/bin/env bash
# `lastbyte refine` sees a case that expects something else, and skips what threads cannot show.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

sed 's/=> " world" error incomplete/=> " world" end/' \
    "$cases/chunked/cut-before-last-chunk.case" >"$scratch/wrong.case"
expect 1 "$lastbyte" refine "$scratch/wrong.case"
says 'FAIL   wrong'
says 'reproduce: lastbyte refine'

expect 0 "$lastbyte" refine -v --cases "$cases" two-readers
says 'SKIP   two-readers: '

expect 2 "$lastbyte" refine --cases "$cases" no-such-case
finish
