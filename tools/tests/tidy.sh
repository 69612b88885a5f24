#!/usr/bin/env bash
# The rules of the house that a script can check: sizes, banned calls, who may include whom, headers that
# compile alone. CONTRIBUTING.md says why.
set -euo pipefail
export LC_ALL=C

source_dir=$(cd "${1:-$(dirname "$0")/../..}" && pwd)
cd "$source_dir"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

function_lines_max=70
file_lines_max=1000
columns_max=100

find transport conformance fuzz tools -name '*.[ch]' | sort >"$scratch/sources"
[ -s "$scratch/sources" ] || { echo "no sources found in $source_dir" >&2; exit 3; }

# complain RULE: copies the lines of standard input to the list of complaints.
complain() {
    awk -v rule="$1" '{ print $0 " (" rule ")" }' >>"$scratch/complaints"
}
: >"$scratch/complaints"

# Sizes. A function begins in the first column, with a name and a bracket, and ends at a `}` there.
while read -r file; do
    awk -v file="$file" -v function_max=$function_lines_max -v file_max=$file_lines_max '
        /\t/ { print file ":" NR ": a tab" }
        /[ \t]$/ { print file ":" NR ": a space at the end" }
        /^[a-zA-Z_].*\(/ && !/;$/ && !/^(#|typedef)/ { signature = NR }
        /;$/ && !start { signature = 0 }
        /\{$/ && signature && !start { start = signature; signature = 0 }
        /^\}/ {
            if (start && NR - start + 1 > function_max)
                print file ":" start ": a function of " NR - start + 1 " lines"
            start = signature = 0
        }
        END { if (NR > file_max) print file ": " NR " lines" }
    ' "$file"
    head -n 1 "$file" | grep -q '^/\*' || echo "$file:1: does not open with its purpose"
done <"$scratch/sources" | complain "size and form"

# Comments hold words that are banned as calls: look at the code alone, its lines kept in place.
code_of() {
    "${CC:-cc}" -fpreprocessed -dD -E -P -x c "$1" 2>/dev/null
}

while read -r file; do
    code_of "$file" | awk -v file="$file" -v columns_max=$columns_max \
        'length($0) > columns_max { print file ": " length($0) " columns: " $0 }'
done <"$scratch/sources" | complain "size and form"

# banned PATTERN WHY FILES...
banned() {
    local pattern=$1 why=$2 file
    shift 2
    for file in "$@"; do
        code_of "$file" | grep -nE "$pattern" | sed "s|^[0-9]*:|$file: |" | complain "$why" || true
    done
}

# Tests and tools may look at files and children; nothing that a trace depends on may. The rig's servers
# are real ones (conformance/rig_net.c).
outside='(^|[^A-Za-z0-9_.>])(time|clock|clock_gettime|gettimeofday|rand|srand|rand_r|random|srandom|drand48|getrandom|arc4random|getenv|secure_getenv|sleep|usleep|nanosleep|alloca|strtok|gets|sprintf|strcpy|strcat)[ ]*\('
threads='pthread_|<threads\.h>|<sys/socket\.h>|thrd_|mtx_'
mapfile -t all <"$scratch/sources"
mapfile -t pure < <(grep -vE '^(transport/(runtime|socket)|tools|conformance/subjects)/|^conformance/rig_net\.c$|/tests?/' \
    "$scratch/sources")
mapfile -t not_outside < <(grep -vE '^transport/(runtime|socket)/|^conformance/subjects/|/tests?/' \
    "$scratch/sources")
banned "$outside" "banned call" "${not_outside[@]}"
banned "$threads" "threads and sockets belong to transport/runtime and transport/socket" "${pure[@]}"
banned '^typedef (struct|enum|union)[^(]*;|^typedef (struct|enum|union)[^(]*\{' "structs and enums are never typedef'd" "${all[@]}"

# Who may include whom.
# direction FOLDER PATTERN WHY: no file of the folder includes a header that matches.
direction() {
    [ -d "$1" ] || return 0
    { grep -rnE --include='*.[ch]' "^ *# *include *[<\"]($2)" "$1" || true; } |
        { grep -v '/test/' || true; } | complain "$3"
}
direction transport/include 'core/|wire/|life/|sim/|runtime/|socket/' 'public headers stand alone'
direction transport/core 'llhttp|wire/|life/|sim/|runtime/|socket/' 'core knows no HTTP'
direction transport/wire 'life/|sim/|runtime/|socket/|lastbyte/(socket|runtime)\.h|sys/socket' \
    'wire knows no socket'
direction transport/life 'sim/|runtime/|socket/' 'life knows neither simulation nor threads'
direction transport/sim 'life/|wire/' 'the simulation knows only the public headers and core'
direction transport 'case\.h|run\.h|codec\.h|rules\.h' 'the transport knows nothing of tests'
direction conformance 'codec\.h|life/|wire/' 'conformance sees the transport from outside'
direction fuzz 'life/|wire/|options\.h|command\.h' 'fuzz sees the transport from outside'
direction tools 'life/|wire/' 'tools see the transport from outside'

# Public declarations are documented: a function, and a member function of a table, is preceded by a comment
# that begins with its name and a colon, or with several names; an enumerator has a comment above or beside it.
find transport/include -name '*.h' | sort | while read -r header; do
    awk -v file="$header" '
        # said: whether the comment just above begins with the name, alone or in a list of names.
        function said(name) { return comment_end == NR - 1 && index(", " names ", ", ", " name ", ") }
        function begin(text) {
            sub(/^[ ]*\/\*[ ]?/, "", text)
            names = text ~ /^[a-z0-9_]+(, [a-z0-9_]+)*:/ ? substr(text, 1, index(text, ":") - 1) : ""
            is_empty = text == ""
        }
        in_comment {
            if (is_empty) { sub(/^[ ]*\*[ ]?/, ""); begin($0) }
            if (/\*\//) { in_comment = 0; comment_end = NR }
            next
        }
        /^[ ]*\/\*/ { begin($0); if (/\*\//) comment_end = NR; else in_comment = 1; next }
        /^enum [a-z_]+ \{/ { in_enum = 1 }
        /^}/ { in_enum = 0 }
        in_enum && /^    LB_[A-Z0-9_]+( = [^,]*)?,?$/ && comment_end != NR - 1 {
            print file ":" NR ": " $1 " has no comment"
        }
        /\/\*/ && !/\*\// { in_comment = 1; is_empty = 0; next } # beside a declaration
        /^[a-z].*[a-z_]+\(/ && !/^(typedef|extern)/ || /^LB_MUST_USE/ {
            name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
            if (!said(name)) print file ":" NR ": " name " has no comment that begins \"" name ":\""
        }
        /^    [a-z].*\(\*[a-z_]+\)\(/ {
            name = $0; sub(/.*\(\*/, "", name); sub(/\).*/, "", name)
            if (!said(name)) print file ":" NR ": " name " has no comment that begins \"" name ":\""
        }
    ' "$header"
done | complain "public declarations are documented"

# Headers compile alone: the public ones in three languages, the others as C11.
include=(-Itransport/include -Itransport -Iconformance -Ifuzz -Itools
    -isystem /usr/share/include/llhttp -isystem /usr/share/include)
compilers=()
for compiler in clang gcc; do
    command -v "$compiler" >/dev/null && compilers+=("$compiler")
done
[ ${#compilers[@]} -gt 0 ] || compilers=("${CC:-cc}")
# alone HEADER LANGUAGE STANDARD [OPTION...]: with each compiler.
alone() {
    local header=$1 language=$2 standard=$3 compiler
    shift 3
    for compiler in "${compilers[@]}"; do
        "$compiler" -x "$language" -std="$standard" -Wall -Wextra -Werror -Wno-unused-function \
            -Wno-unused-const-variable "$@" -fsyntax-only "${include[@]}" "$header" >"$scratch/log" 2>&1 ||
            echo "$header: does not compile alone as $standard with $compiler: $(grep -m 1 error "$scratch/log")"
    done
}
while read -r header; do
    case $header in
    transport/include/*)
        alone "$header" c c11 -Wpedantic
        alone "$header" c c17 -Wpedantic
        alone "$header" c++ c++17 -Wpedantic
        ;;
    *.h) alone "$header" c c11 -D_GNU_SOURCE ;;
    esac
done <"$scratch/sources" | complain "headers compile alone"

if [ -s "$scratch/complaints" ]; then
    cat "$scratch/complaints" >&2
    echo "tidy: $(wc -l <"$scratch/complaints") complaints" >&2
    exit 1
fi
echo "tidy: $(wc -l <"$scratch/sources") files"
