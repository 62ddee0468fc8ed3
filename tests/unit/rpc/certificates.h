// Certificate authorities for tests, and what they sign.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/rpc/openssl_types.h"
#include "services/common/rpc/tls_files.h"

namespace center::rpc {

class Authority {
 public:
  struct Life {
    absl::Duration begin = -absl::Hours(1);  // from now
    absl::Duration end = absl::Hours(1000);
  };

  // Its files are made in `folder`, and carry its name: two may share a folder.
  Authority(std::string folder, std::string name);

  // A certificate with these names, hosts, addresses and URIs: "<folder>/<file>.pem", its key and
  // the authority itself. Replaces what is there in one step each.
  TlsFiles Issue(const std::string& file, const std::vector<std::string>& names, Life life) const;
  TlsFiles Issue(const std::string& file, const std::vector<std::string>& names) const {
    return Issue(file, names, Life{});
  }
  const std::string& path() const { return path_; }

 private:
  const std::string folder_;
  const std::string name_;
  const std::string path_;
  KeyPtr key_;
  X509Ptr certificate_;
};

}  // namespace center::rpc
