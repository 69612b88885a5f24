#!/usr/bin/env bash
# What stands in the way of a command: outputs that are no regular files, inputs that are none either,
# one file under two names, names that a shell or a terminal would misread, signals, lost output.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
replay=$3
need_cases
cd "$scratch"
short=$cases/chunked/cut-before-last-chunk.case
cp "$short" short.case

# An output keeps what it is: a pipe, a link, a mode.
: >input
mkfifo pipe
cat pipe >piped &
expect 0 "$lastbyte" decode input -o pipe
wait $!
[ -p pipe ] && [ -s piped ] || fail "a pipe was replaced"
: >target
chmod 640 target
ln -s target link
expect 0 "$lastbyte" decode input -o link
[ -L link ] && [ -s target ] || fail "a link was replaced"
[ "$(stat -c %a target)" = 640 ] || fail "a mode was lost"
ln -s later dangling
expect 0 "$lastbyte" encode short.case -o dangling
[ -L dangling ] && [ -s later ] || fail "a link to nothing was replaced"

# An input is a regular file, and no output.
expect 2 timeout 20 "$lastbyte" decode pipe
says 'it is no regular file'
expect 2 "$lastbyte" check pipe
says 'neither a file nor a folder'
expect 2 "$lastbyte" replay pipe
says 'neither a file nor a folder'
expect 2 "$lastbyte" encode short.case -o short.case
says 'is an input'
expect 2 "$lastbyte" decode input -o input
says 'is the input'
cmp -s "$short" short.case || fail "an input was written"
mkdir folder
ln -s nothing folder/gone.case
expect 2 "$lastbyte" check folder
says 'gone.case'

# One file is taken once, two cases of one id are refused, and no walk goes round.
mkdir one two
cp short.case one/
cp short.case two/
ln -s ../one one/loop
expect 0 "$lastbyte" check one ./one/ one/short.case
says '1 case,'
expect 2 "$lastbyte" encode one two -o encoded
says 'two cases have one id'

# A case that says all that bytes can leaves no room for a probe.
cp "$short" long.case
for number in $(seq 3 16); do
    printf '  get r%d a /next\n  read r%d all\n  close r%d\n' "$number" "$number" "$number"
done >>long.case
expect 0 "$lastbyte" encode long.case -o long
expect 2 "$lastbyte" encode --probe long.case -o long
says 'no room for the two exchanges of --probe'

# `reproduce:` is one word for a shell; a terminal gets no control bytes.
mkdir "a b"
sed 's/=> " world" error incomplete/=> "x" end/; s/^title .*/&\x1b[31m/' short.case >"a b/it's.case"
"$lastbyte" check "a b" >out 2>&1 || true
if grep -q $'\x1b' out; then fail "a control byte reached the output"; fi
sed -i '/^title/s/\x1b.*//' "a b/it's.case"
expect 1 "$lastbyte" check "a b"
reproduce=$(sed -n 's/^ *reproduce: lastbyte //p' out)
code=0
eval "\"$lastbyte\" $reproduce" >again 2>&1 || code=$?
[ "$code" -eq 1 ] || fail "reproduce: $reproduce: exit code $code"

# Lost output and closed descriptors.
for words in --version --help 'check --help' "check -v $short" "run $short" "list"; do
    code=0
    # shellcheck disable=SC2086
    "$lastbyte" $words >/dev/full 2>err || code=$?
    [ "$code" -eq 3 ] && grep -q 'could not write' err || fail "$words: exit code $code, expected 3"
done
code=0
"$replay" input >/dev/full 2>err || code=$?
[ "$code" -eq 3 ] || fail "replay: exit code $code, expected 3"
expect 2 "$replay" --repeat 0 input

# A terminal is shown how far `check` is, where that takes a while; a pipe is not.
expect 0 "$lastbyte" check
grep -q ' of [0-9]*: ' out && fail "progress in a pipe"
script -qec "$lastbyte check" /dev/null >terminal
grep -q ' of [0-9]*: ' terminal || fail "no progress on a terminal"

# ends CODE SIGNAL COMMAND...: a signal ends a long command soon, with a summary.
ends() {
    local wanted=$1 signal=$2 code=0
    shift 2
    "${tied[@]}" "$lastbyte" "$@" >interrupted 2>&1 &
    sleep 1
    kill -"$signal" $!
    wait $! || code=$?
    [ "$code" -eq "$wanted" ] || fail "$1 after SIG$signal: exit code $code, expected $wanted: $(cat interrupted)"
    grep -q 'interrupted' interrupted || fail "$1: no summary after SIG$signal"
}
ends 143 TERM check --repeat 100000 "$short"
ends 130 INT check --repeat 100000 --jobs 3 "$short"
ends 130 INT explore
ends 143 TERM explore --jobs 2
ends 130 INT faults
ends 143 TERM refine --rounds 1000
finish
