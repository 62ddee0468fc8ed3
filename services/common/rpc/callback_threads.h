// The threads on which gRPC runs callbacks.
#pragma once

#include "absl/time/time.h"

namespace center::rpc {

// A callback thread that has had nothing to do for a second does not look for 100 ms (gRPC 1.51,
// src/cpp/common/completion_queue_cc.cc), and a call that comes then waits: of the calls to an idle
// coordinator, each about a second after the one before, every fifth took over 10 ms. So there is
// always something to do: a call of our own that ends after this time.
inline constexpr absl::Duration kCallbackBeat = absl::Milliseconds(500);

// Makes gRPC's callback threads as this process needs them; StartServer does it, and so does a
// client that drops channels on such threads. May be called again.
//
// They are there for good. gRPC ends them when the last channel or server that used them goes, and
// aborts the process when that happens on one of these very threads (a call that is over held the
// last channel).
//
// There is one for every two cores. gRPC makes two where there is but one core to spare, and then
// each event wakes both: one to handle it, and the other to watch the sockets meanwhile. With one,
// a job of one input is back a tenth sooner (tests/bench/compute_compare.py --part overhead).
//
// A callback must not wait for another callback, ever: there may be no other thread to run it.
void PrepareCallbackThreads();

}  // namespace center::rpc
