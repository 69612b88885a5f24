#!/usr/bin/env bash
# A file that is no case is refused with its place, what was found and what was expected, whatever is wrong
# with it; the others run all the same, and the exit code says that there was one.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases
mkdir "$scratch/area"
cd "$scratch"
good=$cases/close/is-idempotent.case

# refused NAME PLACE FOUND EXPECTED [SUFFIX]: area/NAME.case is refused so, beside a case that runs.
refused() {
    local file=area/$1.${5:-case}
    cp "$good" area/good.case
    expect 2 timeout 20 "$lastbyte" check -v area/good.case "$file"
    says "$file$2: found $3"
    says "expected $4"
    says 'PASS   good'
    says '1 broken file'
    expect 2 timeout 20 "$lastbyte" check --report json=report.json --report sarif=report.sarif "$file"
    grep -q '"ruleId": "case-file"' report.sarif || fail "$file: not in the SARIF report"
    grep -q '"broken_files": 1' report.json || fail "$file: not in the JSON report"
}
line() { grep -n -m 1 "$1" "area/$2.case" | cut -d: -f1; }

sed 's/^  close r1 /  colse r1 /' "$good" >area/verb.case
refused verb ":$(line colse verb):3" '"colse"' 'one of get'
sed 's/^    want GET .*/&\n    pause 20/' "$good" >area/time.case
refused time ":$(line 'pause 20' time):13" 'a number without a unit' 'a unit: one of ns'
sed 's/^    want GET .*/&\n    send "a\\q"/' "$good" >area/escape.case
refused escape ":$(line 'send "a' escape):12" 'the escape \q' 'one of \r'
sed '/^client/,$d' "$good" >area/block.case
refused block ":$(($(wc -l <area/block.case) + 1)):1" 'the end of the file' 'a client block'
: >area/empty.case
refused empty :1:1 'an empty file' 'a case'
ln -s nothing area/unreadable.case # as root nothing else is unreadable
refused unreadable :1:1 'No such file or directory' 'a readable case file'
mkdir area/folder.case
cp "$good" area/folder.case/is-idempotent.case
refused folder :1:1 'a directory' 'a readable case file'
mkfifo area/pipe.case
refused pipe :1:1 'no regular file' 'a readable case file'
ln -s nothing area/unreadable.family
refused unreadable :1:1 'No such file or directory' 'a readable family of cases' family
# What a folder holds is the same as what is named.
expect 2 timeout 20 "$lastbyte" check -v area
says '1 PASS; 9 broken files'
for file in area/unreadable.{case,family} area/folder.case area/pipe.case; do
    says "$file:1:1: found "
done
rm -r area/unreadable.* area/folder.case area/pipe.case
yes 'junk of ten megabytes' | head -c 10000000 >area/junk.case || true
refused junk :1:1 'more than 1 MiB' 'a case'
printf 'case   1\nti\0tle' >area/nul.case
refused nul ':2:3' 'a NUL byte (0x00)' 'printable ASCII'
sed 's/$/\r/' "$good" >area/crlf.case
refused crlf ":1:9" 'a CR LF line end (0x0d)' 'lines that end with LF alone'
{ head -c -1 "$good"; printf ' x'; } >area/no-newline.case
refused no-newline ":$(wc -l <area/no-newline.case | awk '{ print $1 + 1 }'):$(($(tail -n 1 "$good" | wc -c) + 1))" '"x"' 'a term such as'
{ printf 'case   1\ntitle  '; head -c 2000000 /dev/zero | tr '\0' x; echo; } >area/long.case
refused long :1:1 'more than 1 MiB' 'a case'
mkdir other
cp "$good" other/good.case
expect 2 "$lastbyte" check -v area/good.case other/good.case
says 'other/good.case:1:1: found the id good a second time'
says 'two cases have one id: area/good.case has it first'
says 'PASS   good'
says '1 broken file'
finish
