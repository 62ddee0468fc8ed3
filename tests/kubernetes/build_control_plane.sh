#!/usr/bin/env bash
# Builds the control plane of the tests, once: kube-apiserver, kube-controller-manager and kubectl in
# one program. Needs Go; about 6 minutes on 2 cores. Prints where it is. And what cert-manager adds to
# the API, for the example of deploy/kustomize.
set -euo pipefail
here=$(dirname "$(realpath "$0")")/controlplane
cert_manager_version=v1.18.2
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

definitions=$cache/cert-manager-$cert_manager_version
if [ ! -d "$definitions" ]; then
  module=github.com/cert-manager/cert-manager@$cert_manager_version
  folder=$(cd / && go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  rm -rf "$definitions.new"
  mkdir "$definitions.new"
  for kind in certificates issuers; do
    # Without what Helm fills in: labels.
    sed '/{{/d' "$folder/deploy/crds/crd-$kind.yaml" >"$definitions.new/$kind.yaml"
  done
  mv "$definitions.new" "$definitions"
fi
ln -sfn "$definitions" "$cache/cert-manager"
echo "$cache/controlplane"
