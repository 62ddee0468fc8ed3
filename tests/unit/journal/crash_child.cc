// The process that kill_test kills: appends without end to a journal in a real folder, and says on
// stdout what is acknowledged, as 8 bytes in the machine's order for each acknowledgement.
//
//   journal_crash_child DIRECTORY written|synced|boasting
//
// `boasting` acknowledges what it has not appended: the test must find that out.
#include "tests/unit/journal/crash_child.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "services/common/clock.h"
#include "tests/unit/journal/testing.h"

namespace {

using center::journal::Journal;

constexpr uint64_t kBoast = 1'000'000;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return EXIT_FAILURE;
}

// Said before this returns: a pipe keeps what a killed process has written.
void Acknowledge(uint64_t end) {
  if (::write(STDOUT_FILENO, &end, sizeof end) != sizeof end) std::_Exit(EXIT_FAILURE);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return EXIT_FAILURE;
  const std::string mode = argv[2];
  const auto durability = mode == "synced" ? center::journal::Durability::kSynced
                                           : center::journal::Durability::kWritten;
  std::atomic<uint64_t> acknowledged{0};
  center::journal::Dependencies dependencies{&center::journal::PosixFileSystem(),
                                             &center::RealClock()};
  dependencies.on_visible = [&](uint64_t end) {
    Acknowledge(mode == "boasting" ? end + kBoast : end);
    acknowledged.store(end);
  };
  center::journal::Options options = center::journal::CrashChildOptions(argv[1], durability);
  options.committed_offset = 0;
  auto journal = Journal::Open(options, dependencies);
  if (!journal.ok()) return Fail(journal.status());
  acknowledged.store((*journal)->visible_end());
  for (uint32_t group = 0;; ++group) {
    const uint64_t end = acknowledged.load();
    (*journal)->SetCommittedOffset(end - std::min(end, center::journal::kCrashChildKeeps));
    const absl::Status status =
        center::journal::AppendGroup(**journal, {1 + group % 5, 3, 1 + group % 2});
    // Full: what was not acknowledged yet may not be deleted. Once it is, there is room.
    const absl::Status outcome = absl::IsResourceExhausted(status) ? (*journal)->Flush() : status;
    if (!outcome.ok()) return Fail(outcome);
  }
}
