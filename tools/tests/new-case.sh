#!/usr/bin/env bash
# `new` writes what passes and overwrites nothing; and the commands of CONTRIBUTING.md, "A case in five
# minutes", do what is said there, one after another, in a copy of the sources.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

mkdir "$scratch/cases"
with=(--cases "$scratch/cases")
expect 0 "$lastbyte" new "${with[@]}" area/alone
says 'cases/area/alone.case'
expect 0 "$lastbyte" new "${with[@]}" area/several --family
says 'cases/area/several.family'
expect 0 "$lastbyte" check -v "${with[@]}"
says 'PASS   alone'
says '3 cases'
expect 0 "$lastbyte" fmt --check "${with[@]}"
(cd "$scratch" && "$lastbyte" new "${with[@]}" here) >"$scratch/out"
expect 0 "$lastbyte" check "$scratch/here.case"

cp "$scratch/cases/area/alone.case" "$scratch/kept"
echo '# mine' >>"$scratch/cases/area/alone.case"
expect 2 "$lastbyte" new "${with[@]}" area/alone
expect 2 "$lastbyte" new "${with[@]}" other/alone
says 'the id alone is taken, by'
expect 2 "$lastbyte" new "${with[@]}" other/several-chunked
says 'the id several-chunked is taken, by'
expect 2 "$lastbyte" new "${with[@]}" area/several
grep -q '^# mine' "$scratch/cases/area/alone.case" || fail "a case was overwritten"
expect 2 bash -c "cd '$scratch' && '$lastbyte' new --cases '$scratch/cases' here"
says './here.case is there already'
ln -s nowhere "$scratch/link.case"
expect 2 bash -c "cd '$scratch' && '$lastbyte' new --cases '$scratch/cases' link"
says './link.case is there already'
expect 2 "$lastbyte" new "${with[@]}" area/Upper
says "the name is 'Upper', found 'U' at character 1, expected a-z and 0-9, then also -"
expect 2 "$lastbyte" new "${with[@]}" area/one.case
says "found '.' at character 4"
expect 2 "$lastbyte" new "${with[@]}" ../one
says "the area is '..'"
expect 2 "$lastbyte" new "${with[@]}" area/
expect 2 "$lastbyte" new "${with[@]}" "area/$(printf 'a%.0s' {1..64})"
says 'expected at most 63 characters'
expect 2 "$lastbyte" new "${with[@]}"
expect 2 "$lastbyte" new "${with[@]}" one two
[ "$(find "$scratch/cases" -type f | wc -l)" -eq 2 ] || fail "something was written all the same"
touch "$scratch/no-folder"
expect 3 "$lastbyte" new --cases "$scratch/no-folder" area/one

# The walk. The copy has a command that knows where its cases are.
copy=$scratch/copy
mkdir -p "$copy/build" "$copy/fuzz" "$copy/tools"
cp -r "$source_dir/conformance" "$source_dir/corpus" "$source_dir/CONTRIBUTING.md" "$copy/"
cp "$source_dir/tools/seeds" "$copy/tools/"
cp "$source_dir/fuzz/targets.tsv" "$copy/fuzz/"
printf '#!/bin/sh\nverb=$1\nshift\nexec "%s" "$verb" --cases "%s" "$@"\n' "$lastbyte" "$copy/conformance/cases" \
    >"$copy/build/lastbyte"
printf '#!/bin/sh\nsed -i "s/^title .*/title A body is read, and no more than it/; s/=> 200/=>   200/" "$1"\n' \
    >"$scratch/editor"
chmod +x "$copy/build/lastbyte" "$scratch/editor"
sed -n '/^## A case in five minutes/,/^1\. /s/^    //p' "$copy/CONTRIBUTING.md" >"$scratch/commands"
[ "$(wc -l <"$scratch/commands")" -ge 6 ] || fail "CONTRIBUTING.md has but few commands"
while read -r command; do
    expect 0 env EDITOR="$scratch/editor" LASTBYTE= bash -c "cd '$copy' && unset LASTBYTE && $command"
done <"$scratch/commands"
made=$copy/conformance/cases/chunked/my-first.case
grep -q '^title  A body is read, and no more' "$made" || fail "the case was not brought into its form"
expect 0 env LASTBYTE="$copy/build/lastbyte" "$copy/tools/seeds" --check # it need not be a seed
sed -i 's/"body" end/"boby" end/' "$made"
expect 1 "$copy/build/lastbyte" check my-first
says 'FAIL   my-first'
[ ! -e "$cases/chunked/my-first.case" ] || fail "the sources themselves were written to"
finish
