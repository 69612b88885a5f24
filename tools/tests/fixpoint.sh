#!/usr/bin/env bash
# Parsing and printing are exact inverses: printing a printed case changes no byte of it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

expect 0 "$lastbyte" format --cases "$cases" --check
cp -r "$cases" "$scratch/cases"
expect 0 "$lastbyte" format --cases "$scratch/cases" --in-place
expect 0 "$lastbyte" format --cases "$scratch/cases" --check
"$lastbyte" list --cases "$cases" >"$scratch/before"
"$lastbyte" list --cases "$scratch/cases" >"$scratch/after"
cmp "$scratch/before" "$scratch/after" || fail "printing changed what cases say"

# The example of the language's description is a case, in canonical form.
awk '/^```/ { inside = !inside; next } inside' "$source_dir/conformance/README.md" >"$scratch/example.case"
expect 0 "$lastbyte" format --check "$scratch/example.case"
expect 0 "$lastbyte" check "$scratch/example.case"
finish
