#!/usr/bin/env bash
# Bytes and text say the same: encoding what was decoded gives the same bytes; what bytes cannot say is
# refused with a reason; every byte string is a case.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

mkdir "$scratch/bytes"
code=0
"$lastbyte" encode "$cases" -o "$scratch/bytes" 2>"$scratch/refused" || code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || fail "encode: exit code $code"
all=$("$lastbyte" list --cases "$cases" | wc -l)
encoded=$(find "$scratch/bytes" -type f | wc -l)
refused=$(grep -c 'cannot be said in bytes' "$scratch/refused" || true)
echo "$encoded of $all cases encoded ($((100 * encoded / all)) %), $refused refused"
[ $((100 * encoded)) -ge $((95 * all)) ] || fail "less than 95 % of the cases can be said in bytes"
[ $((encoded + refused)) -eq "$all" ] || fail "some cases were neither encoded nor refused"

# Of families a few, for two processes each.
rm -r "$scratch/bytes"
"$lastbyte" encode "$cases" --few -o "$scratch/bytes" 2>"$scratch/refused" || true
for file in "$scratch/bytes"/*; do
    "$lastbyte" decode "$file" -o "$scratch/text.case" || fail "decode $file"
    "$lastbyte" encode "$scratch/text.case" -o "$scratch/again" || fail "encode what $file says"
    cmp "$file" "$scratch/again" || fail "$file is not canonical"
done

printf '\377\0garbage\200\201' >"$scratch/garbage"
: >"$scratch/nothing"
expect 0 "$lastbyte" decode "$scratch/garbage"
expect 0 "$lastbyte" decode "$scratch/nothing"
expect 0 "$lastbyte" replay "$scratch/nothing"
finish
