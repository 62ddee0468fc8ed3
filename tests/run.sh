#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.
#
#   tests/run.sh [--unit] [--asan | --tsan] [--ci]
#
#   --unit  only the unit tests
#   --asan  build with AddressSanitizer and UndefinedBehaviorSanitizer (folder build-asan);
#           unit, fuzz and integration tests
#   --tsan  build with ThreadSanitizer (folder build-tsan); unit and integration tests
#   --ci    every tool that a test wants is required (also: CI=true in the environment)
#
# Tests are compiled in unity builds, with sanitizers the programs too: see .ci/run.
# CC and CXX choose the compiler of a new build folder. Ends with "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,14s/^# \{0,1\}//p' tests/run.sh; }

mode=release labels='' ci=false
[ "${CI:-}" != true ] || ci=true
for argument in "$@"; do
  case $argument in
    --unit) labels=unit ;;
    --asan | --tsan)
      if [ "$mode" != release ]; then
        echo "run.sh: --asan and --tsan exclude each other" >&2
        exit 2
      fi
      mode=${argument#--}
      ;;
    --ci) ci=true ;;
    -h | --help) usage && exit 0 ;;
    *) echo "run.sh: unknown option '$argument'; see --help" >&2 && exit 2 ;;
  esac
done

jobs=$(nproc)
if $ci; then deploy/install-deps.sh --ci; else deploy/install-deps.sh; fi

# What dies of a signal is to be seen dying of it, by the failure handler that is under test.
own_signals="handle_segv=0 handle_sigbus=0 handle_sigill=0 handle_sigfpe=0 handle_abort=0"
case $mode in
  release)
    build=build
    # The programs themselves are compiled as they are without this script.
    options=(-DCMAKE_BUILD_TYPE=Release -DCENTER_FAST_BUILD=tests "-DCENTER_CI=$($ci && echo ON || echo OFF)")
    ;;
  asan)
    build="build-asan"
    sanitizers=address,undefined
    case $(basename "${CXX:-c++}") in clang*) sanitizers+=,fuzzer-no-link ;; esac
    options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCENTER_FAST_BUILD=all "-DCENTER_SANITIZE=$sanitizers")
    labels=${labels:-'unit|fuzz|integration'}
    export ASAN_OPTIONS="detect_stack_use_after_return=1 strict_string_checks=1 $own_signals"
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    ;;
  tsan)
    build="build-tsan"
    options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCENTER_FAST_BUILD=all -DCENTER_SANITIZE=thread)
    labels=${labels:-'unit|integration'}
    # gcc 12's ThreadSanitizer ends at once on kernels with more than 28 random bits in addresses.
    if [ -z "${CXX:-}" ] && command -v clang++-19 >/dev/null; then
      export CC=clang-19 CXX=clang++-19
    fi
    # The distribution's libraries are not instrumented: what they do to memory says nothing without
    # the synchronisation around it. tests/tsan adds the synchronisation that they give us.
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1 second_deadlock_stack=1"
    # A worker ends on purpose while a task goes on that does not stop; and what dies of a signal is to be
    # seen dying of it.
    TSAN_OPTIONS+=" report_thread_leaks=0 $own_signals"
    ;;
esac
if [ -f tests/lsan.supp ]; then
  export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
fi

cmake -S . -B "$build" -G Ninja -DCENTER_TESTS=ON "${options[@]}"
cmake --build "$build" -j "$jobs"

select=()
[ -z "$labels" ] || select=(-L "^($labels)\$")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" "${select[@]}" |
  tee "$log" || status=$?

if [ -s "$build/left-out.txt" ] && [ -z "$labels" ]; then
  echo
  echo "Left out, because a tool is missing (deploy/install-deps.sh --ci installs them all):"
  sed 's/^/  /' "$build/left-out.txt"
fi
# ctest says "97% tests passed, 3 tests failed out of 100".
summary=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log")
read -r failed total <<<"${summary:-1 1}"
echo "$((total - failed)) passed, $failed failed"
exit "$status"
