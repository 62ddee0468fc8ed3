// Whose journal a folder holds: a volume that was given to the wrong worker must not be written to.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace center::worker {

// The file in a journal's folder with the name of the worker that writes it.
inline constexpr absl::string_view kOwnerName = "owner";

// FailedPrecondition when the folder holds another worker's journal.
absl::Status CheckJournalOwner(const std::string& directory, const std::string& worker);

// Writes the name where there is none yet. A folder in which that is not possible (its disk is
// full) is used all the same. REQUIRES: the journal in it is open, so that nobody else does this.
void ClaimJournal(const std::string& directory, const std::string& worker);

}  // namespace center::worker
