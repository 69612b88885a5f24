#!/usr/bin/env bash
# The library as its consumers get it: the consumer part alone is configured, built and installed into a
# folder of its own; a program in C and the same in C++ find it there, build without warnings and run.
# Nothing but the public headers is installed, and nothing there points back to these sources.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
prefix=$scratch/prefix
unset CFLAGS CXXFLAGS LDFLAGS CMAKE_PREFIX_PATH
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)

expect 0 cmake "${generator[@]}" -S "$source_dir" -B "$scratch/library" -DLASTBYTE_DEVELOPER=OFF \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix"
expect 0 cmake --build "$scratch/library"
expect 0 cmake --install "$scratch/library"

# What is there: the public headers, all of them, archives, the package; no header needs another one.
(cd "$source_dir/transport/include" && find . -type f | sort) >"$scratch/public"
(cd "$prefix/include" && find . -type f | sort) >"$scratch/installed"
cmp -s "$scratch/public" "$scratch/installed" ||
    fail "not just the public headers are installed: $(diff "$scratch/public" "$scratch/installed")"
stray=$(find "$prefix" -type f ! -path "$prefix/include/lastbyte/*.h" ! -name '*.a' ! -name '*.cmake')
[ -z "$stray" ] || fail "installed, and neither header, archive nor package: $stray"
for header in $(grep -rhoE '^#include "[^"]*"' "$prefix/include" | sort -u | cut -d'"' -f2); do
    [ -f "$prefix/include/$header" ] || fail "a public header needs $header"
done
system='assert|limits|stdbool|stddef|stdint'
if grep -rnE '^#include <' "$prefix/include" | grep -vE "<($system)\.h>"; then
    fail "a public header needs a header of the system that C11 alone does not have"
fi
if grep -rlF -e "$source_dir" -e "$scratch/library" "$prefix" --include='*.cmake'; then
    fail "the package points back to where it was built"
fi

# consume LANGUAGE COMPILER: builds the program against the installed copy, and runs it: on threads, and
# on the loop where Boost.Context has let the library be built.
consume() {
    local is_on_loop
    for is_on_loop in OFF ON; do
        [ $is_on_loop = OFF ] || [ -f "$(find "$prefix" -name liblastbyte_loop.a)" ] || continue
        expect 0 cmake "${generator[@]}" -S "$source_dir/tools/tests/consumer" -B "$scratch/$1-$is_on_loop" \
            -DCONSUMER_LANGUAGE="$1" -DCMAKE_"$1"_COMPILER="$2" -DCMAKE_PREFIX_PATH="$prefix" \
            -DCONSUMER_ON_LOOP=$is_on_loop
        expect 0 cmake --build "$scratch/$1-$is_on_loop"
        expect 0 timeout 60 "$scratch/$1-$is_on_loop/consumer"
        says 'consumer: end, 5 bytes'
    done
}
consume C "$(command -v cc || command -v gcc || command -v clang)"
cxx=$(command -v c++ || command -v g++ || command -v clang++ || true)
[ -n "$cxx" ] || { echo "no C++ compiler" >&2; [ "$failures" -gt 0 ] || exit 77; }
[ -z "$cxx" ] || consume CXX "$cxx"

# Another version is not found by mistake.
sed 's/lastbyte 0\.1/lastbyte 7.0/' "$source_dir/tools/tests/consumer/CMakeLists.txt" >"$scratch/CMakeLists.txt"
cp "$source_dir/tools/tests/consumer/consumer.c" "$scratch/"
expect 1 cmake "${generator[@]}" -S "$scratch" -B "$scratch/other" -DCMAKE_PREFIX_PATH="$prefix"
finish
