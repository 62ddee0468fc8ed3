#!/usr/bin/env bash
# Builds the image of deploy/docker/Dockerfile from programs that are built already, over a Debian 12
# made by debootstrap, and looks at what came out: size, user, that it runs with a read-only root
# file system. Needs root, buildah and debootstrap.
#
#   tests/kubernetes/image.sh SOURCE PROGRAMS FOLDER
set -euo pipefail
source=$(realpath "$1") programs=$(realpath "$2") folder=$3
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
size_max_mib=100

mkdir -p "$folder"
folder=$(realpath "$folder")
buildah() { command buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }

base=$folder/base.tar
if [ ! -s "$base" ]; then
  echo "image: making a base by debootstrap"
  rm -rf "$folder/rootfs"
  debootstrap --variant=minbase bookworm "$folder/rootfs" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
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
  [ -x "$programs/$program" ] || continue
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

container=$(buildah from localhost/center)
mount=$(buildah mount "$container")
trap 'buildah rm "$container" >/dev/null' EXIT
base_kib=$(du -sk --apparent-size "$folder/rootfs" 2>/dev/null | cut -f1)
image_kib=$(du -sk --apparent-size "$mount" | cut -f1)
echo "image: $(((image_kib - base_kib) / 1024)) MiB on top of its base of $((base_kib / 1024)) MiB"
[ $(((image_kib - base_kib) / 1024)) -le "$size_max_mib" ] || fail "more than $size_max_mib MiB"
for tool in gcc g++ cc cmake; do
  [ ! -e "$mount/usr/bin/$tool" ] || fail "it has a compiler: $tool"
done
# As the user, over a root that cannot be written.
mount --bind "$mount" "$mount" && mount -o remount,bind,ro "$mount"
trap 'umount "$mount"; buildah rm "$container" >/dev/null' EXIT
for program in center-coordinator center-worker centerctl; do
  chroot --userspec=65532:65532 "$mount" "/usr/local/bin/$program" --help >/dev/null ||
    fail "$program does not run"
done
if chroot --userspec=65532:65532 "$mount" /usr/bin/touch /x 2>/dev/null; then
  fail "its root can be written"
fi
echo "image: runs as 65532 with a read-only root"
