#!/usr/bin/env bash
# The command line is strict, says what is wrong, and keeps its exit codes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

expect 2 "$lastbyte"
says 'usage: lastbyte COMMAND'
expect 0 "$lastbyte" --version
expect 0 "$lastbyte" --help
expect 2 "$lastbyte" chekc
says "unknown command 'chekc'"
# Each command has its help, in lines that a terminal holds, and its line in README.md.
commands=$("$lastbyte" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(wc -l <<<"$commands")" -ge 15 ] || fail "--help names hardly a command: $commands"
for command in $commands; do
    grep -qE "^    lastbyte (.*, )?$command( |,|$)" "$source_dir/README.md" || fail "README.md has no $command"
    expect 0 "$lastbyte" "$command" --help
    says "usage: lastbyte $command"
    [ -z "$(awk 'length($0) > 90' "$scratch/out")" ] || fail "$command --help has wide lines"
    expect 2 "$lastbyte" "$command" --no-such-option
    says "unknown option '--no-such-option'"
    expect 0 "$lastbyte" help "$command"
done

expect 2 "$lastbyte" check --repeat
says "a value is missing after '--repeat'"
expect 2 "$lastbyte" check --repeat 0
says 'expected a number from 1'
expect 2 "$lastbyte" check --repeat=3x
expect 2 "$lastbyte" check --rep 3
says "unknown option '--rep'"
expect 2 "$lastbyte" check --verbose=1
says 'no value belongs to'
expect 2 "$lastbyte" check --cases ''
expect 2 "$lastbyte" check -- --verbose
says "no file, folder or case is called '--verbose'"
expect 2 "$lastbyte" check no-such-case
says "no file, folder or case is called 'no-such-case'"
expect 2 "$lastbyte" check --cases "$scratch/none"
mkdir "$scratch/empty"
expect 2 "$lastbyte" check --cases "$scratch/empty"
says 'nothing selected'
expect 2 "$lastbyte" run
expect 2 "$lastbyte" run a b
expect 2 "$lastbyte" run a --slice seven
expect 2 "$lastbyte" list everything
expect 2 "$lastbyte" encode
expect 2 "$lastbyte" decode
expect 2 "$lastbyte" decode "$scratch/none"
expect 2 "$lastbyte" replay "$scratch/none"
expect 2 "$lastbyte" get
says 'expected a URL'
expect 2 "$lastbyte" get http://localhost/a 'http://localhost/b c'
says '                    ^ byte 19: expected a character that a URL may hold'
expect 2 "$lastbyte" get ftp://localhost/
says '^ byte 1: expected http:// or https://'
expect 2 "$lastbyte" get --head --post - http://localhost/
expect 2 "$lastbyte" get --chunked http://localhost/
expect 2 "$lastbyte" get --post - --repeat 2 http://localhost/
expect 2 "$lastbyte" get --output - --parallel 2 http://localhost/
expect 2 "$lastbyte" get --ca "$scratch/none" --insecure https://localhost/
expect 2 "$lastbyte" get --header no-colon http://localhost/
says "expected 'NAME: VALUE'"
expect 2 "$lastbyte" get --post "$scratch/none" http://127.0.0.1:1/
says 'No such file'
expect 3 "$lastbyte" get --output "$scratch/none/file" http://127.0.0.1:1/
expect 1 "$lastbyte" get http://127.0.0.1:1/
says 'refused'
expect 2 "$lastbyte" fuzz --time forever
expect 2 "$lastbyte" fuzz pool extra
says "'extra' is a second one"
expect 2 "$lastbyte" fuzz none
says 'there are lifecycle, pool,'
expect 2 "$lastbyte" replay --target none "$scratch"
expect 2 "$lastbyte" fuzz --binary "$scratch/none" --out "$scratch/fuzz"
says "cannot run $scratch/none: No such file"
finish
