// A TCP producer under full control of the test.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/fd.h"

namespace center::itest {

// One connection to 127.0.0.1:port, made in the constructor (the test fails when that fails).
class Producer {
 public:
  explicit Producer(uint16_t port);

  bool connected() const { return fd_.valid(); }
  // "127.0.0.1:40000", as the worker names this peer.
  const std::string& name() const { return name_; }
  // One write(2) after the other until all is sent; false when the peer is gone.
  bool Send(absl::string_view bytes);
  // Sends what fits without waiting; the bytes taken.
  size_t TrySend(absl::string_view bytes);
  // No more will come (FIN); the connection stays readable.
  void Finish();
  // RST.
  void Reset();
  // Reads until the peer closes; false when it has not within the timeout. What was read is in
  // received().
  bool WaitClosed(absl::Duration timeout);
  // Reads until `bytes` bytes are there.
  bool WaitReceived(size_t bytes, absl::Duration timeout);
  const std::string& received() const { return received_; }

 private:
  // Reads what is there; false at the end of the stream.
  bool ReadSome();

  ScopedFd fd_;
  std::string name_;
  std::string received_;
};

// The wire form of one payload.
std::string LengthFrame(absl::string_view payload);
std::string OctetFrame(absl::string_view payload);

}  // namespace center::itest
