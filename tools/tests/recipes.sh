#!/usr/bin/env bash
# The recipes for CI in conformance/README.md: what of them is ours runs, and writes the files that the
# rest of them publishes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases
cd "$scratch"
sed -n '/^### In CI/,/^## /p' "$source_dir/conformance/README.md" | sed -n '/^```yaml/,/^```$/p' >recipes
sed -nE 's/^ +- (run: )?((tools|cmake|build)[ /].*)$/\2/p' recipes >commands
[ "$(grep -c '^build/lastbyte ' commands)" -eq 2 ] || fail "not two recipes: $(cat commands)"
while read -r command; do
    case $command in
    tools/*) [ -x "$source_dir/${command%% *}" ] || fail "no script: $command" ;;
    'cmake --preset '*) grep -q "\"name\": \"${command##* }\"" "$source_dir/CMakePresets.json" ||
        fail "no preset: $command" ;;
    'cmake --build build') ;;
    build/lastbyte\ *)
        rm -f lastbyte.*
        # shellcheck disable=SC2086
        expect 0 "$lastbyte" ${command#build/lastbyte } --cases "$cases"
        sed -nE 's/.*(sarif_file: |path: |paths: \[|junit: )([^],}]*).*/\2/p' recipes | sort -u >files
        [ "$(wc -l <files)" -eq 2 ] || fail "not two files: $(cat files)"
        while read -r file; do
            [ -s "$file" ] || fail "$command does not write $file"
        done <files
        ;;
    *) fail "what is this: $command" ;;
    esac
done <commands
finish
