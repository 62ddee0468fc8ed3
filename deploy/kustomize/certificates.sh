#!/usr/bin/env bash
# Makes the certificates of a fleet on Kubernetes, and prints their secrets:
#
#   deploy/kustomize/certificates.sh FOLDER NAMESPACE [SERVER…] | kubectl apply -n NAMESPACE -f -
#
# FOLDER gets ca, coordinator, worker and reader, each with .pem and .key. An authority that is there
# already is used again: run it once more for another server, or before a year is over (the processes
# read the new certificates while they run). Keep ca.key in a safe place; the cluster does not need it.
# reader.pem and reader.key are for people and programs, as by
#   centerctl context set prod --address HOST:7070 --tls-cert reader.pem --tls-key reader.key --tls-ca ca.pem
#
# SERVER: the servers' names (default: "default"). CENTER_ALSO: more names of the coordinator, as openssl
# writes them ("DNS:center.example.com,IP:192.0.2.1"); CENTER_WORKER_ALSO: the same of workers.
set -euo pipefail
usage() { sed -n '4p' "$0" | cut -c5- >&2; exit 2; }
[ $# -ge 2 ] || usage
folder=$1 namespace=$2
shift 2
[ $# -gt 0 ] || set -- default
umask 077
mkdir -p "$folder"
cd "$folder"
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

if [ ! -s ca.pem ]; then
  openssl req -x509 "${key[@]}" -days 3650 -subj /CN=center -keyout ca.key -out ca.pem 2>/dev/null
fi
# issue WHO NAMES
issue() {
  openssl req -x509 -CA ca.pem -CAkey ca.key "${key[@]}" -days 365 -subj "/CN=center-$1" \
    -addext "subjectAltName=$2,URI:center://$1" -addext basicConstraints=critical,CA:FALSE \
    -keyout "$1.key" -out "$1.pem" 2>/dev/null
}
service=center-coordinator
issue coordinator "DNS:$service,DNS:$service.$namespace,DNS:$service.$namespace.svc,DNS:localhost,IP:127.0.0.1${CENTER_ALSO:+,$CENTER_ALSO}"
pods=$(printf ",DNS:*.center-%s-workers.$namespace.svc" "$@")
issue worker "${pods#,}${CENTER_WORKER_ALSO:+,$CENTER_WORKER_ALSO}"
issue reader "DNS:reader"

for who in coordinator worker; do
  cat <<YAML
---
apiVersion: v1
kind: Secret
metadata:
  name: center-$who-tls
  labels: {app.kubernetes.io/name: center, app.kubernetes.io/part-of: center}
type: kubernetes.io/tls
data:
  tls.crt: $(base64 -w0 "$who.pem")
  tls.key: $(base64 -w0 "$who.key")
  ca.crt: $(base64 -w0 ca.pem)
YAML
done
