#!/usr/bin/env bash
# Faults: what `faults` runs and counts, what `run --fault` shows, a fault that is never reached, and what
# is no fault. That every case stands every fault is the test `faults`.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

case_file=$scratch/ten.case
cat >"$case_file" <<'CASE'
case   1
title  A body of known length is read to its end
level  MUST
spec   RFC9112 6.3

host a
  conn 1
    want GET /ten
    | HTTP/1.1 200 OK
    | Content-Length: 10
    |
    send "01234"
    send "56789"

client
  get   r1 a /ten  => 200
  read  r1 all     => "0123456789" end
CASE

expect 0 "$lastbyte" faults "$case_file"
says '1 cases, '
says 'open 1, connect 2, '
says 'short-read 3, short-write 3, slow-write 2, window 2); 0 findings; '
sed 's/[0-9.]* s, .*//' "$scratch/out" >"$scratch/first"
expect 0 "$lastbyte" faults "$case_file"
sed 's/[0-9.]* s, .*//' "$scratch/out" | cmp -s - "$scratch/first" || fail "two times, two outcomes"

# With a fault the case's own expectations do not count, and the trace says where it struck.
expect 0 "$lastbyte" run "$case_file" --fault 'read 3 reset'
says '*** fault: read 3'
says 'a.1   reset, by the fault'
says 'PASS'
expect 0 "$lastbyte" faults "$case_file" --only 'read 3 reset'
says '1 cases, 1 runs, 1 faults reached (read 1); 0 findings'

# Under short writes they do.
sed 's/=> "0123456789" end/=> "0123456780" end/' "$case_file" >"$scratch/wrong.case"
expect 0 "$lastbyte" run "$scratch/wrong.case" --fault 'read 3 reset'
expect 0 "$lastbyte" run "$scratch/wrong.case" --fault 'short-read 2' # it does not vary its slice
expect 1 "$lastbyte" run "$scratch/wrong.case" --fault 'short-write 2'
says 'expected  "0123456780" end'

# What fails without a fault is not put down to one.
expect 1 "$lastbyte" faults "$scratch/wrong.case"
says 'fails without a fault, see: lastbyte check '
says '1 cases, 0 runs, 0 faults reached; 0 findings; 1 variants fail without a fault'

expect 1 "$lastbyte" run "$case_file" --fault 'alloc 9999'
says "the fault 'alloc 9999' was never reached"
says 'BROKEN'
expect 2 "$lastbyte" faults "$case_file" --only 'alloc 9999'
says 'no run came to a fault'

expect 2 "$lastbyte" run "$case_file" --fault 'alloc none'
says "--fault is 'alloc none', expected one of"
expect 2 "$lastbyte" faults "$case_file" --only 'write 1 end'
says "--only is 'write 1 end', expected one of"
finish
