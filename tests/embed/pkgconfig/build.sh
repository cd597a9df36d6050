#!/bin/sh
# build.sh PROGRAM [--static]: the last argument is for pkg-config, and asks for what a static library needs too.
set -e
# The answer of pkg-config is a list of words.
# shellcheck disable=SC2046
${CXX:-g++} -std=c++20 -O1 main.cpp -o "$1" $(pkg-config ${2:-} --cflags --libs sennit)
