#!/usr/bin/env bash
# Installs what Center is built from: packages of Debian 12, nothing else. With --ci also what only
# CI and the conformance tests need, with --kube what the tests on Kubernetes need. Quick, and no root
# needed, when everything is there already.
#
#   deploy/install-deps.sh [--ci] [--kube]
set -euo pipefail

build_packages=(
  build-essential ca-certificates ccache cmake git mold ninja-build pkg-config
  libabsl-dev libasio-dev libbenchmark-dev libcli11-dev libcpp-httplib-dev libcurl4-openssl-dev libdw-dev libedit-dev libfmt-dev libgmock-dev libgrpc++-dev libgrpc-dev
  libgtest-dev libisal-dev libprotobuf-dev libre2-dev libsimdjson-dev libspdlog-dev libsqlite3-dev libssl-dev libtomlplusplus-dev
  libyaml-dev nlohmann-json3-dev prometheus-cpp-dev protobuf-compiler protobuf-compiler-grpc
)
ci_packages=(
  clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev llvm-19 shellcheck
  bsdutils fish jq libtbb-dev man-db mandoc parallel procps prometheus python3 python3-grpc-tools python3-grpcio
  rsyslog socat util-linux zsh
)
kube_packages=(buildah debootstrap etcd-server iproute2 jq openssl python3)
# The last release whose modules build with Debian 12's own Go (1.19).
grpcurl_for_old_go=v1.8.7
buf_package=@bufbuild/buf

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0"; }

ci=false kube=false
for argument in "$@"; do
  case $argument in
    --ci) ci=true ;;
    --kube) kube=true ;;
    -h | --help) usage && exit 0 ;;
    *) echo "install-deps: unknown option '$argument'; there are --ci and --kube" >&2 && exit 2 ;;
  esac
done

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "install-deps: '$*' needs root: run this script as root, or install sudo" >&2
    exit 1
  fi
}

missing_of() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      printf '%s\n' "$package"
    fi
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_of "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  echo "installing: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    "${missing[@]}"
}

install_grpcurl() {
  export PATH="$PATH:/usr/local/go/bin:${GOPATH:-$HOME/go}/bin"
  if command -v grpcurl >/dev/null; then return; fi
  command -v go >/dev/null || install_packages golang-go
  echo "building grpcurl"
  local module=github.com/fullstorydev/grpcurl/cmd/grpcurl
  go install "$module@latest" || go install "$module@$grpcurl_for_old_go"
  command -v grpcurl >/dev/null
}

install_buf() {
  if command -v buf >/dev/null; then return; fi
  command -v npm >/dev/null || install_packages npm
  echo "installing buf"
  if [ -w "$(npm prefix -g)/lib" ]; then
    npm install -g --no-audit --no-fund "$buf_package"
  else
    as_root npm install -g --no-audit --no-fund "$buf_package"
  fi
}

if ! command -v apt-get >/dev/null; then
  echo "install-deps: this is not Debian. Install the equivalents of:" >&2
  printf '  %s\n' "${build_packages[@]}" >&2
  exit 1
fi
install_packages "${build_packages[@]}"
if $ci; then
  install_packages "${ci_packages[@]}"
  install_grpcurl
  install_buf
fi
if $kube; then install_packages "${kube_packages[@]}"; fi
echo "dependencies: all there"
