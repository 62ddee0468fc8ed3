// The open connections of a worker. Ingest thread only.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/int128.h"
#include "asio/io_context.hpp"
#include "asio/posix/basic_stream_descriptor.hpp"
#include "services/worker/ingest/carry.h"
#include "services/worker/ingest/framer.h"

namespace center::ingest {

// One producer's connection. Held by shared_ptr: by the table while it is open, and by the handler
// that waits for it to become readable. There may be ten thousand of them, so it is kept small and
// has neither a buffer of its own while no frame is unfinished, nor a timer.
struct Connection {
  using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

  Connection(asio::io_context& io, BufferBudget* budget, Framing framing,
             uint32_t max_payload_bytes)
      : socket(io), framer(framing, max_payload_bytes), carry(budget) {}

  Descriptor socket;
  Framer framer;
  Carry carry;            // the unfinished frame
  std::string peer;       // "ip:port"
  absl::uint128 address;  // the peer's IP address, IPv4 as IPv4-mapped IPv6; 0 for others
  // Both on the server's reading clock, which stands still while nothing is read.
  int64_t last_read_ms = 0;
  int64_t unfinished_since_ms = -1;  // -1: no unfinished frame
  uint32_t index = 0;                // in the table
  bool ended = false;                // nothing more is read; closed when all it sent is safe
  bool closed = false;
};

// The IP address of a peer as a number.
absl::uint128 AddressKey(const sockaddr_storage& address);

// How a connection ends. A producer takes an orderly end (FIN) for the word that everything it sent
// is stored (and synced, where that is asked for), so it gets one only then, and a reset (RST)
// otherwise. The sockets are made such that the kernel resets them when the worker dies: see
// PrepareListener.
enum class ConnectionEnd { kOrderly, kReset };

class ConnectionTable {
 public:
  size_t size() const { return connections_.size(); }
  const std::vector<std::shared_ptr<Connection>>& all() const { return connections_; }
  uint32_t CountOf(absl::uint128 address) const;

  void Add(std::shared_ptr<Connection> connection);
  // Closes its socket and forgets it. Nothing happens when it is closed already.
  void Close(Connection& connection, ConnectionEnd end);
  // REQUIRES: it is open.
  const std::shared_ptr<Connection>& OwnerOf(const Connection& connection) const {
    return connections_[connection.index];
  }
  // The one whose unfinished frame holds the most memory; null when none does.
  std::shared_ptr<Connection> LargestCarry() const;

 private:
  std::vector<std::shared_ptr<Connection>> connections_;  // in no order
  absl::flat_hash_map<absl::uint128, uint32_t> per_address_;
};

}  // namespace center::ingest
