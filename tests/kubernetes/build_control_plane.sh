#!/usr/bin/env bash
# Builds the control plane of the tests, once: kube-apiserver, kube-controller-manager and kubectl in
# one program. Needs Go; about 6 minutes on 2 cores. Prints where it is.
set -euo pipefail
here=$(dirname "$(realpath "$0")")/controlplane
cache=${XDG_CACHE_HOME:-$HOME/.cache}/center-test
version=$(sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\)$|\1|p' "$here/go.mod")
program=$cache/controlplane-$version
if [ ! -x "$program" ]; then
  command -v go >/dev/null || { echo "build_control_plane: Go is not installed" >&2; exit 1; }
  mkdir -p "$cache"
  minor=${version#v1.} minor=${minor%%.*} path=k8s.io/component-base/version
  (cd "$here" && CGO_ENABLED=0 go build -buildvcs=false -p "${JOBS:-2}" -o "$program.new" -ldflags \
    "-s -w -X $path.gitVersion=$version -X $path.gitMajor=1 -X $path.gitMinor=$minor -X $path.gitTreeState=clean" .)
  mv "$program.new" "$program"
fi
ln -sfn "$program" "$cache/controlplane"
echo "$cache/controlplane"
