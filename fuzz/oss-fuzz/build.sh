#!/bin/bash -eu
exec "$SRC/lastbyte/fuzz/oss-fuzz-build.sh"
