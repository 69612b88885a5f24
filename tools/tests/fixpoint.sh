#!/usr/bin/env bash
# Parsing and printing are exact inverses: printing a printed case changes no byte of it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

expect 0 "$lastbyte" fmt --cases "$cases" --check
cp -r "$cases" "$scratch/cases"
expect 0 "$lastbyte" fmt --cases "$scratch/cases" --in-place
expect 0 "$lastbyte" fmt --cases "$scratch/cases" --check
"$lastbyte" list --cases "$cases" >"$scratch/before"
"$lastbyte" list --cases "$scratch/cases" >"$scratch/after"
cmp "$scratch/before" "$scratch/after" || fail "printing changed what cases say"

# The examples of the language's description are a case and a family, in canonical form.
awk -v alone="$scratch/example.case" -v family="$scratch/example.family" '
    /^```/ { inside = !inside; first = 1; next }
    inside && first { file = /^case / ? alone : /^family / ? family : "/dev/null"; first = 0 }
    inside { print >file }' "$source_dir/conformance/README.md"
for example in "$scratch/example.case" "$scratch/example.family"; do
    expect 0 "$lastbyte" fmt --check "$example"
    expect 0 "$lastbyte" check "$example"
done
finish
