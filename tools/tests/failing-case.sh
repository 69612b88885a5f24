#!/usr/bin/env bash
# A case that expects the wrong thing fails with the line that differs; a file that is no case is refused
# with its place; the others run all the same.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

mkdir -p "$scratch/cases/area"
cat >"$scratch/cases/area/good.case" <<'CASE'
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
    send "0123456789"

client
  get   r1 a /ten  => 200
  read  r1 all     => "0123456789" end
  close r1         => ok
CASE
sed 's/=> "0123456789" end/=> "0123456780" end/' "$scratch/cases/area/good.case" \
    >"$scratch/cases/area/wrong.case"
sed 's/close r1 /colse r1 /' "$scratch/cases/area/good.case" >"$scratch/cases/area/typo.case"
place=$(grep -n colse "$scratch/cases/area/typo.case" | cut -d: -f1)
wrong=$(grep -n 123456780 "$scratch/cases/area/wrong.case" | cut -d: -f1)

expect 0 "$lastbyte" check "$scratch/cases/area/good.case" -v
says 'PASS'
says '1 PASS'

expect 1 "$lastbyte" check --cases "$scratch/cases" wrong
says 'FAIL'
says "wrong.case:$wrong:"
says 'expected  "0123456780" end'
says 'actual    "0123456789" end'
says "> $(printf '%4d' "$wrong") |"
says 'reproduce: lastbyte run '
reproduce=$(sed -n '0,/reproduce: /s/^ *reproduce: lastbyte //p' "$scratch/out")
# shellcheck disable=SC2086
expect 1 "$lastbyte" $reproduce
says 'FAIL'

expect 2 "$lastbyte" check "$scratch/cases/area/typo.case"
says "typo.case:$place:"
says 'colse'

expect 1 "$lastbyte" check --cases "$scratch/cases" -v
says 'good'
says '1 PASS'
says '1 FAIL'
says '1 broken file'

mkdir "$scratch/cases/other"
cp "$scratch/cases/area/good.case" "$scratch/cases/other/"
rm "$scratch/cases/area/wrong.case" "$scratch/cases/area/typo.case"
expect 2 "$lastbyte" check --cases "$scratch/cases"
says 'two cases have one id'
finish
