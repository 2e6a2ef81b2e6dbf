# shellcheck shell=bash
# Sourced by the scripts beside it: --help, moves to the top folder; messages, timing, number of jobs.
set -euo pipefail
case "${1-}" in
  -h | --help)  # what a script says of itself at its top
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*"; }
fail() {  # fail CODE MESSAGE...
  local code=$1
  shift
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit "$code"
}

# part NAME COMMAND...: runs the command under a heading and remembers its wall-clock time for print_parts.
parts=""
part() {
  local name=$1 start=$SECONDS
  shift
  say "== $name"
  "$@"
  parts+="$(printf '%-28s %5d s' "$name" $((SECONDS - start)))"$'\n'
}
print_parts() { printf '%s%-28s %5d s\n' "$parts" "all" "$SECONDS"; }

# One compiler job per core and per 2 GB of memory (a LibTorch source takes about 1 GB); BT_JOBS overrides.
jobs() {
  local cores memory_kb by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  by_memory=$((memory_kb / 2000000))
  [ "$by_memory" -ge 1 ] || by_memory=1
  say "${BT_JOBS:-$((cores < by_memory ? cores : by_memory))}"
}
