// What a worker keeps for its coordinator, and how it gives it to the coordinator's successor: the
// listening socket, the scoreboard and the read ends of its own output, as descriptors in one
// message (SCM_RIGHTS) on a SOCK_SEQPACKET unix socket. The message is text:
//
//   center-handover 1\n<worker>\n<token>\n<names of the descriptors, in order, joined by ':'>
//
// e.g. "center-handover 1\nweb/0\n6f2a…\nlisten:scoreboard:stdout:stderr". There is no answer: the
// worker keeps its own copies whatever becomes of these.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/fd.h"

namespace center {

inline constexpr size_t kHandoverBytesMax = 1024;
inline constexpr int kHandoverFdsMax = 16;

// The names, as in LISTEN_FDNAMES.
inline constexpr char kListenFdName[] = "listen";
inline constexpr char kScoreboardFdName[] = "scoreboard";
inline constexpr char kStdoutFdName[] = "stdout";
inline constexpr char kStderrFdName[] = "stderr";

struct Handover {
  std::string worker;  // "<server>/<slot>"
  std::string token;   // that it was launched with
  // Those that are not valid are not there.
  ScopedFd listener;
  ScopedFd scoreboard;
  ScopedFd stdout_pipe;  // read ends
  ScopedFd stderr_pipe;
};

// Who is at the other end of a unix socket: its process and user when it connected.
struct SocketPeer {
  int64_t pid = 0;
  uint32_t uid = 0;
};

// A listening socket at `path`, mode 0600, non-blocking; what was there before is replaced.
// REQUIRES: no other thread creates files meanwhile (the umask is changed for a moment).
absl::StatusOr<ScopedFd> ListenHandover(const std::string& path);

// Connects and sends copies of what there is. Never waits. Unavailable when nobody listens there,
// or too many wait: may be repeated.
absl::Status SendHandover(const std::string& path, const Handover& handover);

absl::StatusOr<SocketPeer> PeerOf(int socket);

// Takes the one message that is there. Unavailable: none is there yet. InvalidArgument: it is no
// handover (too long, other words, descriptors that do not fit their names); what came with it is
// closed. Descriptors with names that are not known are closed.
absl::StatusOr<Handover> ReceiveHandover(int socket);

// Whether the descriptor is a listening socket.
absl::StatusOr<bool> IsListeningSocket(int fd);
// Whether it is the read end of a pipe.
bool IsPipeReadEnd(int fd);

}  // namespace center
