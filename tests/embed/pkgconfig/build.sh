#!/bin/sh
# build.sh PACKAGE SOURCE PROGRAM [--static]: the last argument is for pkg-config, and asks for what a static library
# needs too.
set -e
# The answer of pkg-config is a list of words.
# shellcheck disable=SC2046
${CXX:-g++} -std=c++20 -O1 "$2" -o "$3" $(pkg-config ${4:-} --cflags --libs "$1")
