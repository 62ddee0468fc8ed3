#!/usr/bin/env bash
# Builds the image of deploy/docker/Dockerfile from programs that are built already, over a Debian 12
# made by debootstrap, and looks at what came out: size, user, that it runs with a read-only root
# file system. Needs root, buildah, debootstrap and jq.
#
#   tests/kubernetes/image.sh SOURCE PROGRAMS FOLDER
set -euo pipefail
source=$(realpath "$1") programs=$(realpath "$2") folder=$3
mirror=(${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}) # none: debootstrap's own
size_max_mib=100

mkdir -p "$folder"
folder=$(realpath "$folder")
buildah() { command buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }

base=$folder/base.tar
if [ ! -s "$base" ]; then
  echo "image: making a base by debootstrap"
  rm -rf "$folder/rootfs"
  debootstrap --variant=minbase bookworm "$folder/rootfs" "${mirror[@]}" >"$folder/debootstrap.log" 2>&1 ||
    { tail -5 "$folder/debootstrap.log" >&2; exit 1; }
  rm -rf "$folder"/rootfs/var/cache/apt/archives/*.deb
  tar -C "$folder/rootfs" -cf "$base.new" . && mv "$base.new" "$base"
fi
if ! buildah inspect --type image localhost/center-test-base >/dev/null 2>&1; then
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$base" / >/dev/null
  buildah commit --quiet "$container" localhost/center-test-base >/dev/null
  buildah rm "$container" >/dev/null
fi

context=$folder/context
rm -rf "$context"
mkdir -p "$context/build/bin" "$context/deploy"
for program in center-coordinator center-worker center-client centerctl; do
  strip -o "$context/build/bin/$program" "$programs/$program"
done
cp "$source/deploy/install-deps.sh" "$context/deploy/"
buildah build --isolation chroot --quiet --build-arg BASE_IMAGE=localhost/center-test-base \
  --build-arg PROGRAMS=prebuilt --build-arg REVISION=test -t localhost/center \
  -f "$source/deploy/docker/Dockerfile" "$context" >"$folder/build.log" 2>&1 ||
  { tail -30 "$folder/build.log" >&2; exit 1; }

fail() { echo "image: $*" >&2; exit 1; }
config=$(buildah inspect --type image localhost/center)
has() { grep -qF "$1" <<<"$config" || fail "the image does not say: $1"; }
has '"User": "65532:65532"'
has '"org.opencontainers.image.title": "Center"'
if grep -q '"Entrypoint": \[' <<<"$config"; then fail "it has an entry point"; fi

# What a node that has the base fetches and stores: the layers above it. (What they hide of the base
# does not make them smaller.)
rm -rf "$folder/oci"
buildah push --quiet localhost/center "oci:$folder/oci:center"
blob() { echo "$folder/oci/blobs/sha256/${1#sha256:}"; }
manifest=$(blob "$(jq -r '.manifests[0].digest' "$folder/oci/index.json")")
mapfile -t layers < <(jq -r '.layers[].digest' "$manifest")
unpacked() { for layer in "$@"; do gzip -dc "$(blob "$layer")"; done | wc -c; }
base_bytes=$(unpacked "${layers[0]}")
added_bytes=$(unpacked "${layers[@]:1}")
packed_bytes=$(jq '[.layers[1:][].size] | add' "$manifest")
rm -rf "$folder/oci"
mib() { echo "$((($1 + 524288) >> 20)) MiB"; }
echo "image: $(mib "$added_bytes") on top of its base of $(mib "$base_bytes")," \
  "$(mib "$packed_bytes") to fetch"
buildah rmi --prune >/dev/null 2>&1 || true # of earlier runs
[ "$added_bytes" -le $((size_max_mib << 20)) ] || fail "more than $size_max_mib MiB"

container=$(buildah from localhost/center)
mount=$(buildah mount "$container")
trap 'buildah rm "$container" >/dev/null' EXIT
for tool in gcc g++ cc cmake; do
  [ ! -e "$mount/usr/bin/$tool" ] || fail "it has a compiler: $tool"
done
# As the user, over a root that cannot be written.
mount --bind "$mount" "$mount" && mount -o remount,bind,ro "$mount"
trap 'umount "$mount"; buildah rm "$container" >/dev/null' EXIT
in_it() { chroot --userspec=65532:65532 "$mount" "/usr/local/bin/$1" "${@:2}"; }
for program in center-coordinator center-worker center-client; do
  in_it "$program" --version || fail "$program does not run"
done
in_it centerctl version || fail "centerctl does not run"
if chroot --userspec=65532:65532 "$mount" /usr/bin/touch /x 2>/dev/null; then
  fail "its root can be written"
fi
echo "image: runs as 65532 with a read-only root"
