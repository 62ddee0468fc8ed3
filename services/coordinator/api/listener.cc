#include "services/coordinator/api/listener.h"

#include <arpa/inet.h>

#include <memory>
#include <utility>

#include "services/common/net_address.h"

namespace center::coordinator {
namespace {

bool NeedsLookup(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  return host != "localhost" && ::inet_pton(AF_INET, host.c_str(), address) != 1 &&
         ::inet_pton(AF_INET6, host.c_str(), address) != 1;
}

}  // namespace

void Listener::Listen(const std::string& host, uint16_t port,
                      const std::function<void(absl::StatusOr<ScopedFd>)>& done) {
  if (!NeedsLookup(host)) return done(ListenTcp(host, port, kListenBacklog));
  const bool accepted = lookups_.Post([this, host, port, done] {
    // Shared because std::function must be copyable and a descriptor is not.
    auto result = std::make_shared<absl::StatusOr<ScopedFd>>(ListenTcp(host, port, kListenBacklog));
    post_([done, result] { done(std::move(*result)); });
  });
  if (!accepted) done(absl::ResourceExhaustedError("too many host names wait to be looked up"));
}

}  // namespace center::coordinator
