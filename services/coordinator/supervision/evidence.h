// What is known about a dead process beside its wait status.
#pragma once

#include <string>
#include <vector>

#include "services/common/flight_recorder.h"
#include "services/common/signal_sender.h"

namespace center::supervision {

// Whether the kernel's out-of-memory killer was at work.
struct OomVerdict {
  enum class Kind {
    kNotAsked,    // nothing points to it
    kKilled,      // it has killed in our group of processes just now
    kNotKilled,   // it has killed nothing
    kCannotTell,  // nothing readable tells
  };
  Kind kind = Kind::kNotAsked;
  // For people: the counter that tells, or why none does.
  std::string detail;
};

struct Evidence {
  // The process's own account (flight_recorder.h). False: there is none, it did not get that far.
  bool recorded = false;
  FlightRecorder::End end = FlightRecorder::End::kNone;
  int end_value = 0;
  SignalSender sender;  // of the signal that it ended by; pid 0: nobody
  // The tasks and inputs that were running: "job j7 countdown, input 4711".
  std::vector<std::string> running;
  OomVerdict oom;  // only of a process that was killed by SIGKILL
  // What it has done, when it has ended in order because nothing was left to do: "has sent 100
  // payloads". Such a process is not started again.
  std::string finished;
};

}  // namespace center::supervision
