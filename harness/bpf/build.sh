#!/bin/sh
# Compiles the ledger's programs into the object that is named. Debug sections go, type information stays;
# no folder of the machine gets into it, so the same compiler makes the same object anywhere.
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")"
clang -O2 -g -Wall -Werror -Wno-unused-function -target bpf -D__TARGET_ARCH_x86 -fdebug-compilation-dir=. \
  -c ledger.bpf.c -o "$out"
llvm-strip --strip-debug "$out"
