#!/usr/bin/env bash
# Installs what is missing, builds, and shows Center at work on real traffic: producers, workers,
# journals, readers, a worker killed with -9, a benchmark. Whatever it starts and stores is private
# to it and gone at the end. Exit code 0: everything was as it should be.
#
#   deploy/quickstart.sh [BUILD_FOLDER]
#
# BUILD_FOLDER is build unless given; one that has been configured keeps its settings.
set -euo pipefail

file_lines=20000       # payloads of `centerctl send`, over 4 connections
shell_producers=4      # bash processes that write JSON to /dev/tcp …
shell_lines=250        # … so many each
logger_lines=50        # payloads of util-linux' logger, where it is installed
bench_payloads=2000000 # 100 bytes each, twice through the page cache
patience=10            # seconds that something may take that takes milliseconds

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }
say() { printf '\n== %s\n' "$*"; }
fail() {
  echo "quickstart: $*" >&2
  exit 1
}

case ${1:-} in
  -h | --help) usage && exit 0 ;;
  -*) echo "quickstart: unknown option '$1'; see --help" >&2 && exit 2 ;;
esac
[ $# -le 1 ] || { echo "quickstart: one build folder, not $#" >&2 && exit 2; }
case ${1:-} in
  '' | /*) build=${1:-} ;;
  *) build=$PWD/$1 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${build:-$PWD/build}

# What a user has set for other coordinators is not meant for this one.
for variable in "${!CENTER_@}"; do unset "$variable"; done
# In a container HOME may be unset or not the user's; the build needs one only for its cache.
if [ ! -w "${HOME:-/nonexistent}" ]; then export HOME=/ CCACHE_DISABLE=1; fi

# ---- Narration -------------------------------------------------------------------------------

show() { printf '\n$ %s\n' "$*"; }

# run COMMAND…: shows a command as one would type it, and runs it.
run() {
  local word words=()
  for word in "$@"; do
    if [[ $word =~ ^[[:alnum:]_./:=@-]+$ ]]; then words+=("$word"); else words+=("'$word'"); fi
  done
  show "${words[*]}"
  "$@"
}

# until_true WHAT COMMAND…: waits until the command succeeds; fails with WHAT when it does not.
until_true() {
  local what=$1 end=$((SECONDS + patience))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "$what did not happen within $patience seconds"
    sleep 0.05
  done
}

# ---- What Center says ------------------------------------------------------------------------

# number FIELD, text FIELD: the first such field of the JSON on stdin. jq is no build dependency.
number() { sed -nE "s/.*\"$1\": *\"?([0-9]+).*/\1/p" | sed -n 1p; }
text() { sed -nE "s/.*\"$1\": *\"([^\"]*)\".*/\1/p" | sed -n 1p; }

# The JSON of one worker, from the list of all.
worker_json() {
  centerctl worker list demo -o json |
    sed -nE "/\"name\": *\"demo\/$1\"/,/\"startTime\"/p"
}

stored() { centerctl tail demo -o raw --no-follow "$@"; }

# has_counted N: whether the workers' counters, which come with their heartbeats, add up to N.
has_counted() {
  centerctl worker list demo -o json | sed -nE 's/.*"payloads": *"?([0-9]+).*/\1/p' |
    awk -v wanted="$1" '{ sum += $1 } END { exit sum < wanted }'
}

# came_back SLOT PID: whether the slot is ready again with another process.
came_back() {
  local now
  now=$(worker_json "$1")
  [ "$(text state <<<"$now")" = WORKER_STATE_READY ] && [ "$(number pid <<<"$now")" != "$2" ]
}

# ---- The end, however it comes ---------------------------------------------------------------

scratch=''

# The processes that were started here: their command lines name the scratch folder. It is read from
# stdin, so that grep does not find itself.
our_processes() {
  local all=(/proc/[0-9]*/cmdline)
  grep -lsFf - "${all[@]}" <<<"$scratch/" | grep -oE '[0-9]+'
}

all_ended() { [ -z "$(our_processes)" ]; }

clean_up() {
  local status=$? pids
  trap - EXIT
  if [ "$status" != 0 ] && [ -f "$scratch/data/coordinator.log" ]; then
    echo "quickstart: the last lines of the coordinator's log:" >&2
    tail -n 20 "$scratch/data/coordinator.log" >&2
  fi
  [ -n "$scratch" ] || exit "$status"
  # Only after a failure or Ctrl-C is anything left. Once more for what the coordinator restarts.
  while mapfile -t pids < <(our_processes) && [ "${#pids[@]}" != 0 ]; do
    kill -9 "${pids[@]}" 2>/dev/null || sleep 0.05  # ended by itself meanwhile
  done
  rm -rf "$scratch"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- The steps -------------------------------------------------------------------------------

install_and_build() {
  say "Install and build"
  run deploy/install-deps.sh
  if [ -f "$build/CMakeCache.txt" ]; then
    run cmake -S . -B "$build"
  else
    run cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCENTER_TESTS=OFF
  fi
  run cmake --build "$build" --target center-coordinator center-worker center-client centerctl
  show "export PATH=$build/bin:\$PATH"
  export PATH="$build/bin:$PATH"
}

start() {
  say "A private coordinator: a unix socket, no TCP port, its data in a temporary folder"
  # Not under TMPDIR: a unix socket's path has at most 107 bytes.
  scratch=$(mktemp -d /tmp/center-quickstart.XXXXXX)
  show "export CENTER_ADDRESS=unix:$scratch/center.sock"
  export CENTER_ADDRESS=unix:$scratch/center.sock
  run centerctl coordinator start --data-dir "$scratch/data" --listen "$CENTER_ADDRESS"
  run centerctl coordinator status
  say "A server: two worker processes share one port, which the kernel chooses"
  run centerctl server start demo -p 0 -n 2
  local status
  status=$(centerctl server status demo -o json)
  port=$(number port <<<"$status")
  host=$(text host <<<"$status")
}

# shell_producer N: what any program does that writes lines to a socket.
shell_producer() {
  local i
  exec 3<>"/dev/tcp/$host/$port"
  for ((i = 1; i <= shell_lines; i++)); do
    printf 'JSON|{"producer": %d, "reading": %d, "celsius": 21.5}\n' "$1" "$i"
  done | tee "$scratch/sent.json.$1" >&3
}

send_traffic() {
  local i producers=() lines
  say "Traffic from several producers at once"
  show "seq -f 'GET /item/%.0f' $file_lines > $scratch/access.log"
  seq -f 'GET /item/%.0f' "$file_lines" >"$scratch/access.log"
  run centerctl send demo "$scratch/access.log" --connections 4

  show "for i in {1..$shell_producers}; do (… printf 'JSON|{…}\n' … >/dev/tcp/$host/$port) & done"
  for ((i = 1; i <= shell_producers; i++)); do
    shell_producer "$i" &
    producers+=($!)
  done
  for i in "${producers[@]}"; do wait "$i" || fail "a producer could not write to $host:$port"; done
  echo "$shell_producers producers have sent $shell_lines payloads each"

  if command -v logger >/dev/null; then
    lines=$(seq -f 'logger says %.0f' "$logger_lines")
    show "seq -f 'logger says %.0f' $logger_lines | logger --tcp --server $host --port $port"
    logger --tcp --server "$host" --port "$port" <<<"$lines"
    echo "logger has sent $logger_lines payloads"
  else
    logger_lines=0
    echo "logger is not installed: one producer less"
  fi
  total=$((file_lines + shell_producers * shell_lines + logger_lines))
}

# reconcile STAGE: every payload that was sent is stored exactly once, and nothing else.
reconcile() {
  local received
  show "centerctl tail demo -o raw --no-follow | wc -l"
  stored >"$scratch/stored"
  received=$(wc -l <"$scratch/stored")
  echo "$received"
  [ "$received" = "$total" ] || fail "$1: $total payloads were sent, $received are stored"
  # logger adds times; of its payloads the numbers at their ends are compared.
  sed -E 's/^<[0-9]+>.*(logger says [0-9]+)$/\1/' "$scratch/stored" |
    LC_ALL=C sort >"$scratch/stored.sorted"
  cat "$scratch/access.log" "$scratch"/sent.json.* <(seq -f 'logger says %.0f' "$logger_lines") |
    LC_ALL=C sort >"$scratch/sent.sorted"
  cmp "$scratch/sent.sorted" "$scratch/stored.sorted" ||
    fail "$1: what is stored is not what was sent"
  echo "$1: $total sent, $received stored, and each is byte for byte what was sent"
}

look() {
  say "What the workers have taken in, and in which state they are"
  # A socket takes what is written before the worker has read it.
  until_true "the arrival of $total payloads" has_counted "$total"
  run centerctl worker list demo
  say "What was received, in the order of each connection"
  run centerctl tail demo --from earliest --count 3
  run centerctl tail demo --from earliest --count 2 --kind json --contains '"reading": 250,'
  say "All of it, counted and compared"
  reconcile "before the kill"
}

kill_one() {
  local slot=0 victim after
  say "kill -9: the worker is replaced on the same port, its journal goes on"
  # The one that has more to lose.
  if [ "$(stored --worker demo/0 | wc -l)" -lt "$((total / 2))" ]; then slot=1; fi
  victim=$(worker_json "$slot" | number pid)
  run kill -9 "$victim"
  until_true "the return of demo/$slot" came_back "$slot" "$victim"
  run centerctl worker list demo
  run centerctl events demo
  after=$(worker_json "$slot")
  [ "$(number restarts <<<"$after")" = 1 ] || fail "demo/$slot does not count its restart"
  case $(text reason <<<"$after") in
    *SIGKILL*) ;;
    *) fail "demo/$slot does not say that SIGKILL ended it: '$(text reason <<<"$after")'" ;;
  esac
  reconcile "after the kill"

  say "And it takes traffic as before"
  show "seq -f 'GET /again/%.0f' 1000 | centerctl send demo --connections 4"
  seq -f 'GET /again/%.0f' 1000 | tee -a "$scratch/access.log" | centerctl send demo --connections 4
  total=$((total + 1000))
  reconcile "after more traffic"
}

finish() {
  local slot
  say "How fast: producers, both workers' journals and a reader, all on this machine"
  run centerctl bench ingest --server demo --count "$bench_payloads" --subscribers 1
  say "The end: connections may finish, journals are synced"
  run centerctl server stop demo
  for slot in 0 1; do run centerctl journal verify "$scratch/data/servers/demo/$slot"; done
  run centerctl coordinator stop
  until_true "the end of all processes" all_ended
}

next_steps() {
  cat <<TEXT

Everything was right. Try next:

  export PATH=$build/bin:\$PATH
  centerctl coordinator start            # your own: it keeps its data
  centerctl server start -p 5000 -n 2
  centerctl tail &                       # shows what arrives
  echo 'JSON|{"hello": "world"}' | centerctl send default
  centerctl bench latency
  centerctl help                         # and --help for any command
  tests/run.sh                           # every test
TEXT
}

install_and_build
started=$SECONDS
start
send_traffic
look
kill_one
finish
printf '\nquickstart: %d s after the build\n' $((SECONDS - started))
next_steps
