// A plain TCP server that takes what producers send.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "cli/tcp.h"
#include "services/common/fd.h"

namespace center::cli {

class TcpSink {
 public:
  enum class Manner {
    kReadAll,      // until the producer has ended, then close
    kReadNothing,  // and keep the connection open
    kReset,        // as soon as something was read
    kNeverClose,   // read everything, but never answer the producer's end
  };
  // `on_bytes` (may be null) is called on the sink's thread with what a connection has sent.
  using OnBytes = std::function<void(absl::string_view bytes)>;
  explicit TcpSink(Manner manner = Manner::kReadAll, std::string banner = "",
                   OnBytes on_bytes = nullptr);
  ~TcpSink();

  Target target() const;
  std::string address() const { return target().ToString(); }
  // What each connection has sent so far, in the order in which they were accepted.
  std::vector<std::string> received() const;
  std::string all_received() const;
  size_t bytes() const { return all_received().size(); }

 private:
  void Run();
  void Accept();
  // False when the connection is to be closed.
  bool Receive(int fd);

  const Manner manner_;
  const std::string banner_;
  const OnBytes on_bytes_;
  ScopedFd listener_;
  ScopedFd stop_;
  std::map<int, ScopedFd> connections_;  // of the thread
  std::vector<ScopedFd> kept_;           // of the thread: ended by the producer, not by us
  std::map<int, size_t> index_;          // of the thread: fd to place in received_
  mutable absl::Mutex mutex_;
  std::vector<std::string> received_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace center::cli
