#!/usr/bin/env bash
# Minimizing and triage: what shows nothing, and what is no input. What they find in inputs that show
# something is tried by tools/tests/bugs.sh, with a bug.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

printf '\x80\x8e' >"$scratch/quiet"
expect 2 "$lastbyte" minimize "$scratch/quiet"
says 'breaks no rule, expected an input that shows a finding'
[ ! -e "$scratch/quiet.min" ] || fail "a result of nothing was written"
: >"$scratch/empty"
expect 2 "$lastbyte" minimize "$scratch/empty"
says 'breaks no rule'
expect 2 "$lastbyte" minimize "$scratch/none"
says "cannot read $scratch/none"
expect 2 "$lastbyte" minimize "$scratch"
expect 2 "$lastbyte" minimize
says 'expected one file'
expect 2 "$lastbyte" minimize "$scratch/quiet" "$scratch/empty"
expect 2 "$lastbyte" minimize "$scratch/quiet" --max-runs 0
printf 'case 1\nno more\n' >"$scratch/wrong.case"
expect 2 "$lastbyte" minimize "$scratch/wrong.case"
says "$scratch/wrong.case:2:"

mkdir "$scratch/folder"
cp "$scratch/quiet" "$scratch/empty" "$scratch/folder"
expect 0 "$lastbyte" triage "$scratch/folder"
says '2 inputs, 0 findings, 2 that show nothing'
expect 2 "$lastbyte" triage "$scratch/none"
says "no file or folder is called '$scratch/none'"
expect 2 "$lastbyte" triage
says 'nothing selected'
mkdir "$scratch/nothing"
expect 2 "$lastbyte" triage "$scratch/nothing"
finish
