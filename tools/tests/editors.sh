#!/usr/bin/env bash
# The editors' files know every word of the case language, as `lastbyte list words` has them, and that list
# knows every word that the parser asks for.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
editors=$source_dir/tools/editors
vim_syntax=$editors/vim/syntax/lastbyte.vim
grammar=$editors/vscode/lastbyte.tmLanguage.json

"$lastbyte" list words >"$scratch/words"
[ "$(wc -l <"$scratch/words")" -gt 100 ] || fail "list words has but $(wc -l <"$scratch/words") words"

# words_of FILE: what stands between anything but letters, digits, - and |, one a line; "|" as `^\s*\|` is in
# both files the head line.
words_of() {
    grep -v '"name": "[a-z.-]*"' "$1" | sed 's/\\\\[wsb]//g; s/\\[vzsxwb]//g' | grep -oE '[A-Za-z0-9][A-Za-z0-9-]*' | sort -u
    ! grep -qF '\|' "$1" || echo '|'
}

# known FILE: complaints about words that a file has not.
known() {
    words_of "$1" >"$scratch/known"
    awk '{ print $2 }' "$scratch/words" | sort -u | grep -vxF -f "$scratch/known" |
        sed "s|^|${1#"$source_dir"/} does not know: |" || true
}

for file in "$vim_syntax" "$grammar"; do
    while read -r complaint; do
        fail "$complaint"
    done < <(known "$file")
    sed 's/half-close//' "$file" >"$scratch/without"
    known "$scratch/without" | grep -q 'does not know: half-close' || fail "a word that ${file##*/} has lost is not missed"
done

# The parser's words: those of its calls and of its lists; `|`, `*` and numbers are no words.
sources=("$source_dir"/conformance/parse*.c "$source_dir"/conformance/family.c)
{
    grep -ohE 'lbi_(parser_(take|expect|is_at)\(p|piece_is\([a-z]+), "[a-z0-9-]+"' "${sources[@]}"
    tr '\n' ' ' <"$source_dir/conformance/parse.c" | grep -oE 'header_rows\[[^;]*;'
    cat "${sources[@]}" | tr '\n' ' ' | grep -oE '\.words = \{[^}]*\}'
} | grep -oE '"[A-Za-z0-9-]+"' | tr -d '"' | grep -vx '[0-9]*' | sort -u >"$scratch/asked"
[ "$(wc -l <"$scratch/asked")" -gt 50 ] || fail "the parser asks for but $(wc -l <"$scratch/asked") words"
while read -r word; do
    fail "the parser asks for $word, which list words has not"
done < <(grep -vxF -f <(awk '{ print $2 }' "$scratch/words") "$scratch/asked" || true)

if command -v jq >/dev/null; then
    for file in "$editors"/vscode/*.json; do
        jq -e . "$file" >"$scratch/out" || fail "$file is no JSON"
    done
    # Each pattern is one that is there.
    jq -r '.patterns[].include, (.repository[] | .patterns // [] | .[].include),
        (.repository[].captures // {} | .[].patterns // [] | .[].include)' "$grammar" | sort -u |
        while read -r name; do
            jq -e --arg name "${name#\#}" '.repository[$name]' "$grammar" >/dev/null || echo "no pattern $name"
        done >"$scratch/out"
    [ ! -s "$scratch/out" ] || fail "$(cat "$scratch/out")"
else
    echo "editors: no jq, so the JSON was not looked at" >&2
fi

# vim_group LINE COLUMN: how Vim takes a character of the example.
vim_groups() {
    vim -es -u NONE -i NONE -N -c "set runtimepath^=$editors/vim" -c 'filetype on' -c 'syntax on' \
        -c "edit $1" -c 'redir! > '"$2" -c "source $3" -c 'redir END' -c 'qall!' </dev/null
}
if command -v vim >/dev/null && vim --version | grep -q '+syntax'; then
    example=$scratch/example.case
    {
        echo 'case   1'
        "$lastbyte" list words | awk '$1 == "client" || $1 == "server" { print "  " $2 " x" }'
    } >"$example"
    cat >"$scratch/ask.vim" <<'END'
echo 'filetype ' . &filetype
for number in range(1, line('$'))
  let column = match(getline(number), '\S') + 1
  echo getline(number) . ' is ' . synIDattr(synID(number, column, 1), 'name')
endfor
END
    vim_groups "$example" "$scratch/out" "$scratch/ask.vim" || true
    says 'filetype lastbyte'
    says 'case   1 is lastbyteHeader'
    says '  half-close x is lastbyteStatement'
    says '  | x is lastbyteHead'
    [ "$(grep -c ' is lastbyte\(Statement\|Head\)$' "$scratch/out")" -eq "$(($(wc -l <"$example") - 1))" ] ||
        fail "Vim does not know every verb: $(cat "$scratch/out")"
else
    echo "editors: no vim with syntax, so its file was not tried" >&2
fi
finish
