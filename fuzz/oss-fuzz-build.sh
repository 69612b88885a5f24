#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite want them. All that it knows of engine and
# sanitizer comes from the environment:
#
#   CC CXX CFLAGS CXXFLAGS LIB_FUZZING_ENGINE   how to compile, and how to link a target
#   FUZZING_ENGINE                              libfuzzer: it has a place for our mutator and feedback
#   SRC                                         lastbyte/, zlib/ and llhttp/, the sources
#   OUT                                         where targets, dictionaries, options and seeds go
#   WORK                                        a folder for what is built on the way
#
# zlib and llhttp are built from source, so that sanitizers see them (MemorySanitizer has to).
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${CC:?}" "${CXX:?}" "${LIB_FUZZING_ENGINE:?}" "${SRC:?}" "${OUT:?}" "${WORK:?}"
export CFLAGS=${CFLAGS:-} CXXFLAGS=${CXXFLAGS:-}
jobs=$(nproc)

# Tools that were built with a sanitizer run while CMake looks at the compiler.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

mkdir -p "$WORK/zlib"
(
    cd "$WORK/zlib"
    CHOST='' "$SRC/zlib/configure" --static --prefix="$WORK/installed"
    make -j"$jobs" libz.a
    make install
)

# http.c and api.c stand beside llhttp.c in some packages of llhttp and in src/native in others.
llhttp_c=$(find "$SRC/llhttp" -name llhttp.c | head -n 1)
llhttp_h=$(find "$SRC/llhttp" -name llhttp.h | head -n 1)

hooks=OFF
[ "${FUZZING_ENGINE:-libfuzzer}" != libfuzzer ] || hooks=ON

cmake -S "$source_dir" -B "$WORK/lastbyte" \
    -DCMAKE_BUILD_TYPE=None \
    -DLASTBYTE_DEVELOPER=ON \
    -DLASTBYTE_TLS=OFF \
    -DLASTBYTE_ENGINE=other \
    -DLASTBYTE_MUTATOR=$hooks \
    -DLASTBYTE_FEEDBACK=$hooks \
    -DLASTBYTE_ENGINE_LINK="$LIB_FUZZING_ENGINE" \
    -DLLHTTP_INCLUDE_DIR="$(dirname "$llhttp_h")" \
    -DLLHTTP_SOURCE_DIR="$(dirname "$llhttp_c")" \
    -DZLIB_INCLUDE_DIR="$WORK/installed/include" \
    -DZLIB_LIBRARY="$WORK/installed/lib/libz.a"
cmake --build "$WORK/lastbyte" -j"$jobs"

# The registry: a header line, then a row for each target.
tail -n +2 "$source_dir/fuzz/targets.tsv" |
    while IFS=$'\t' read -r name max_len _ dictionary _ seeds _; do
        [ "$name" != canary ] || continue # it fails by design
        cp "$WORK/lastbyte/fuzz_$name" "$OUT/"
        cp "$source_dir/fuzz/$dictionary" "$OUT/fuzz_$name.dict"
        printf '[libfuzzer]\nmax_len = %s\ntimeout = 10\n' "$max_len" >"$OUT/fuzz_$name.options"
        rm -f "$OUT/fuzz_${name}_seed_corpus.zip"
        (cd "$source_dir/corpus/$seeds" && zip -q -r "$OUT/fuzz_${name}_seed_corpus.zip" .)
    done
