#include "services/worker/ingest/connection.h"

#include <netinet/in.h>

#include <utility>

namespace center::ingest {

absl::uint128 AddressKey(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return absl::MakeUint128(0, 0xffff'0000'0000ULL | ntohl(v4.sin_addr.s_addr));
  }
  absl::uint128 key = 0;
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    for (const uint8_t byte : v6.sin6_addr.s6_addr) key = key << 8 | byte;
  }
  return key;
}

uint32_t ConnectionTable::CountOf(absl::uint128 address) const {
  const auto found = per_address_.find(address);
  return found == per_address_.end() ? 0 : found->second;
}

void ConnectionTable::Add(std::shared_ptr<Connection> connection) {
  connection->index = static_cast<uint32_t>(connections_.size());
  ++per_address_[connection->address];
  connections_.push_back(std::move(connection));
}

void ConnectionTable::Close(Connection& connection, ConnectionEnd end) {
  if (connection.closed) return;
  connection.closed = true;
  connection.carry.Clear();
  if (end == ConnectionEnd::kOrderly) {
    const linger off{};
    // Where it fails the producer sees a reset, and sends again what is stored already.
    (void)::setsockopt(connection.socket.native_handle(), SOL_SOCKET, SO_LINGER, &off, sizeof off);
  }
  asio::error_code ignored;  // a socket whose close fails is closed all the same
  connection.socket.close(ignored);
  const auto found = per_address_.find(connection.address);
  if (--found->second == 0) per_address_.erase(found);
  // The last one takes its place. `keep` because the table may hold the last reference.
  const uint32_t index = connection.index;
  const std::shared_ptr<Connection> keep = std::move(connections_[index]);
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
}

std::shared_ptr<Connection> ConnectionTable::LargestCarry() const {
  std::shared_ptr<Connection> largest;
  size_t largest_bytes = 0;
  for (const auto& connection : connections_) {
    if (connection->carry.capacity() <= largest_bytes) continue;
    largest_bytes = connection->carry.capacity();
    largest = connection;
  }
  return largest;
}

}  // namespace center::ingest
