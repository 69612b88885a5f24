#!/usr/bin/env bash
# The registry of the fuzz targets, and all that has to agree with it: the pages, the table in
# fuzz/README.md, the dictionaries, the seeds and their manifest; what each target says of its own corpus is
# the same twice in one process, after others, and in a process of its own; the canary's claim is false.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
bin=$(dirname "$lastbyte")
registry=$source_dir/fuzz/targets.tsv

while IFS=$'\t' read -r name size smoke dictionary form seeds surface claims; do
    [ "$name" != name ] || continue
    [ -f "$source_dir/fuzz/targets/${name//-/_}.c" ] || fail "$name has no page"
    [ -f "$source_dir/fuzz/$dictionary" ] || fail "$name: there is no dictionary fuzz/$dictionary"
    grep -qF "| \`$name\` | $surface | $claims |" "$source_dir/fuzz/README.md" ||
        fail "fuzz/README.md has no row: | \`$name\` | $surface | $claims |"
    [ "$size" -le 4096 ] || fail "$name: more bytes than an input has"
    [ "$smoke" -ge 1000 ] || fail "$name: hardly a test"
    case $form in operations | prefixed | own | text) ;; *) fail "$name: no such form: $form" ;; esac
    [ "$name" != canary ] || continue
    corpus=$source_dir/corpus/$seeds
    [ "$(find "$corpus" -type f | wc -l)" -ge 5 ] || fail "$name has hardly a seed"
    for file in "$corpus"/*; do
        grep -qP "^[0-9a-f]{16}\t$seeds/$(basename "$file")\t[^\t]+\t[^\t]+$" \
            "$source_dir/corpus/MANIFEST.tsv" || fail "MANIFEST.tsv has no line for $file"
    done

    # After others, twice in one process, in another order of processes, and alone.
    "$bin/replay_$name" --hash --repeat 2 "$corpus" >"$scratch/among" || fail "$name: exit code $?"
    "$bin/replay_$name" --hash "$corpus" >"$scratch/again" || fail "$name, again: exit code $?"
    cmp -s "$scratch/among" "$scratch/again" || fail "$name: two processes gave other traces"
    grep -E '^[0-9a-f]{16}  ' "$scratch/among" >"$scratch/hashes" || fail "$name: no hashes"
    awk 'NR % 7 == 1' "$scratch/hashes" | while read -r hash file; do
        alone=$("$bin/replay_$name" --hash "$file" | head -n 1)
        [ "$alone" = "$hash  $file" ] || echo "$file: alone $alone, among others $hash"
    done >"$scratch/alone"
    [ ! -s "$scratch/alone" ] || fail "$(cat "$scratch/alone")"
    expect 0 "$lastbyte" replay --quiet --target "$name" "$corpus"
done <"$registry"
[ "$(wc -l <"$registry")" -eq "$(($(find "$source_dir/fuzz/targets" -name '*.c' | wc -l) + 1))" ] ||
    fail "fuzz/targets.tsv has not a row for each page"

# Two exchanges disprove the canary's claim; one does not.
printf '\200' >"$scratch/one"
printf '\200\200' >"$scratch/two"
expect 0 "$lastbyte" replay --target canary "$scratch/one"
expect 1 "$lastbyte" replay --target canary "$scratch/two"
says 'canary @ reused'
expect 0 "$lastbyte" replay "$scratch/two"
code=0
"$bin/replay_canary" "$scratch/two" >"$scratch/out" 2>&1 || code=$?
[ "$code" -ne 0 ] || fail "the canary lives" # a signal, or what a sanitizer makes of it
says 'ASSERTION FAILED: lastbyte canary/reused'
finish
