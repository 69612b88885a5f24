#!/usr/bin/env bash
# A family's cases are cases as any others: each has an id, is run alone, and is blamed by its line.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

mkdir -p "$scratch/cases/area"
family=$scratch/cases/area/pair.family
cat >"$family" <<'END'
family 1

table size | bytes
  one      | a
  two      | ab

table way | told
  good    | "{}" end
  bad     | "x" end

case   1
title  A body of {size} is read {way}
level  HOUSE
spec   LASTBYTE F1

host a
  conn 1
    want GET /1
    send "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{bytes}"
    close

client
  get   r1 a /1             => 200
  read  r1 all              => {told}
END
sed -i 's/"{}" end/"ab" end/' "$family"
cp "$cases/close/is-idempotent.case" "$scratch/cases/area/"
with=(--cases "$scratch/cases")

# Every command knows them.
expect 0 "$lastbyte" list "${with[@]}"
says 'pair-one-good '
says 'A body of two is read bad'
[ "$(wc -l <"$scratch/out")" -eq 5 ] || fail "list does not show 5 cases"
expect 1 "$lastbyte" check -v "${with[@]}"
says '5 cases'
says 'PASS   pair-two-good'
expect 0 "$lastbyte" check "${with[@]}" pair-two-good area/pair-two-good "$family:two-good"
says '1 case, '
expect 1 "$lastbyte" check "${with[@]}" pair
says '4 cases'
expect 1 "$lastbyte" check "${with[@]}" area/pair is-idempotent
says '5 cases'
expect 2 "$lastbyte" check "${with[@]}" other/pair-two-good
expect 2 "$lastbyte" check "${with[@]}" ea/pair-two-good
expect 2 "$lastbyte" check "${with[@]}" pair-two
says "no file, folder or case is called 'pair-two'"
expect 0 "$lastbyte" run "${with[@]}" pair-two-good
expect 0 "$lastbyte" explore "${with[@]}" --delays 1 --draw 2 pair-two-good
sed 's/=> {told}$/& or error reset/' "$family" >"$scratch/reset.family"
expect 1 "$lastbyte" explore "$scratch/reset.family:two-good"
says "$scratch/reset.family:24: error reset"
expect 0 "$lastbyte" faults "${with[@]}" --only 'alloc 3' pair-two-good
expect 0 "$lastbyte" replay "$family:two-good"
expect 1 "$lastbyte" replay "$family"
says '4 inputs, 1 PASS, 3 FAIL'
expect 1 "$lastbyte" replay "$scratch/cases"
says '5 inputs, 2 PASS, 3 FAIL'
expect 0 "$lastbyte" encode "${with[@]}" pair -o "$scratch/bytes"
[ "$(cd "$scratch/bytes" && echo *)" = 'pair-one-bad pair-one-good pair-two-bad pair-two-good' ] ||
    fail "encode wrote $(ls "$scratch/bytes")"
rm -r "$scratch/bytes"
expect 0 "$lastbyte" encode "${with[@]}" pair --few -o "$scratch/bytes"
[ "$(cd "$scratch/bytes" && echo *)" = 'pair-one-good pair-two-bad' ] || fail "--few wrote $(ls "$scratch/bytes")"
expect 2 "$lastbyte" run "${with[@]}" pair
says "'pair' names 4 cases"

# A failure names the family's file and line, what the line was, and a command that shows it again.
expect 1 "$lastbyte" check "${with[@]}" pair-two-bad
says "$family:24:"
says '>   24 |   read  r1 all              => {told}'
says '>      | read r1 all => "x" end'
command=$(sed -n 's/^  reproduce: //p' "$scratch/out")
expect 1 bash -c "${command/#lastbyte/$lastbyte}"
says 'FAIL   pair-two-bad'

# The canonical form: of the family, and of what a case expands to.
expect 0 "$lastbyte" fmt --check "${with[@]}"
expect 0 "$lastbyte" fmt "${with[@]}" pair-two-good
cp "$scratch/out" "$scratch/alone.case"
expect 0 "$lastbyte" fmt --check "$scratch/alone.case"
expect 0 "$lastbyte" check "$scratch/alone.case"
cp "$family" "$scratch/kept"
sed -i 's/  one      | a/one|a/; s/^level  /level /' "$family"
expect 1 "$lastbyte" fmt --check "${with[@]}"
says 'pair.family is not in canonical form'
expect 0 "$lastbyte" fmt --in-place "${with[@]}" pair-two-good
cmp -s "$family" "$scratch/kept" || fail "fmt --in-place did not bring the family into its form"

# A broken family is refused with its place, and the others still run; so is a case that is none.
sed -i 's/  two      | ab/  two/' "$family"
expect 2 "$lastbyte" check "${with[@]}"
says "$family:5:6: found the end of the line, expected | and a cell for the column bytes"
says '1 case, '
expect 2 "$lastbyte" fmt "${with[@]}"
says "$family:5:6:"
cp "$scratch/kept" "$family"
sed -i 's/"ab" end/"ab" edn/' "$family"
expect 1 "$lastbyte" check "${with[@]}"
says "$family:8:18: found \"edn\""
says 'in pair-one-good'
says '3 cases'
cp "$scratch/kept" "$family"
expect 2 "$lastbyte" check "$family:two-best"
says "found \"two-best\", expected a row, or rows, of this family"

# One id is one case's, also across files.
cp "$scratch/cases/area/is-idempotent.case" "$scratch/cases/area/pair-one-bad.case"
expect 1 "$lastbyte" check "${with[@]}"
says 'two cases have one id'
finish
