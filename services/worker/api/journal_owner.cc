#include "services/worker/api/journal_owner.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/worker/journal/layout.h"

namespace center::worker {
namespace {

absl::StatusOr<std::string> ReadOwner(const std::string& directory) {
  auto text = ReadSmallFile(journal::JoinPath(directory, kOwnerName));
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(*text));
}

}  // namespace

absl::Status CheckJournalOwner(const std::string& directory, const std::string& worker) {
  const auto owner = ReadOwner(directory);
  if (!owner.ok() || owner->empty() || *owner == worker) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      directory, " holds the journal of worker ", *owner, ", and this is worker ", worker,
      ": it is not touched. If it is meant, remove ", journal::JoinPath(directory, kOwnerName)));
}

void ClaimJournal(const std::string& directory, const std::string& worker) {
  const auto owner = ReadOwner(directory);
  if (owner.ok() && *owner == worker) return;
  const absl::Status written = journal::ReplaceFile(journal::PosixFileSystem(), directory,
                                                    kOwnerName, absl::StrCat(worker, "\n"));
  if (!written.ok()) {
    spdlog::warn("{} is not marked as this worker's: {}", directory, written.message());
  }
}

}  // namespace center::worker
