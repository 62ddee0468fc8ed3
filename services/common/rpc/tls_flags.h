// The flags with which every process is told its TLS files.
#pragma once

#include <CLI/CLI.hpp>

#include "services/common/rpc/tls_files.h"

namespace center::rpc {

inline void AddTlsFlags(CLI::App& app, TlsFiles* files) {
  app.add_option("--tls-cert", files->cert,
                 "Our certificate, PEM, read again when it changes. With --tls-key and --tls-ca, "
                 "connections over TCP are mutual TLS");
  app.add_option("--tls-key", files->key, "The key of --tls-cert, PEM, without a passphrase");
  app.add_option("--tls-ca", files->ca, "Who signs the certificates that are accepted, PEM");
}

}  // namespace center::rpc
