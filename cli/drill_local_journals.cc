// What a fleet of the drill's own leaves on disk.
#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/drill_local_fleet.h"
#include "services/common/payload_batch.h"
#include "services/worker/journal/tools.h"

namespace center::cli {
namespace {

// The control: the oldest segment of a journal, gone.
absl::Status LoseSegment(const std::string& dir) {
  std::error_code error;
  std::vector<std::filesystem::path> segments;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".seg") segments.push_back(it->path());
  }
  const auto oldest = std::min_element(segments.begin(), segments.end());
  if (oldest != segments.end() && std::filesystem::remove(*oldest, error)) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("no segment could be removed from ", dir));
}

// Checks a journal of which nobody is the writer, and adds what it holds to *stored.
DrillJournal ReadJournal(const std::string& server, const std::string& dir, DrillTally* stored) {
  DrillJournal journal{
      .worker = absl::StrCat(server, "/", std::filesystem::path(dir).filename().string())};
  const auto verified = journal::Verify(dir);
  journal.status = verified.status();
  if (verified.ok()) {
    journal.payloads = verified->payloads;
    if (!verified->damages.empty() || verified->corrupt_files > 0) {
      journal.status = absl::DataLossError(
          absl::StrCat("the journal of ", journal.worker, " has ", verified->damages.size(),
                       " damaged places, and ", verified->corrupt_files, " were kept aside"));
    }
  }
  absl::Status parsed;
  journal.status.Update(journal::Dump(dir, 0, [&](const journal::DumpRecord& record) {
    const auto batch = BatchView::Parse(record.bytes);
    parsed.Update(batch.status());
    if (!batch.ok()) return false;
    batch->ForEach(
        [&](uint32_t, absl::string_view payload) { stored->Add(journal.worker, payload); });
    return true;
  }));
  journal.status.Update(parsed);
  return journal;
}

}  // namespace

std::vector<std::string> LocalFleet::JournalDirs() const {
  std::vector<std::string> dirs;
  std::error_code error;
  for (std::filesystem::directory_iterator
           it(absl::StrCat(data_dir(), "/servers/", server()), error),
       end;
       !error && it != end; it.increment(error)) {
    uint32_t slot = 0;
    if (absl::SimpleAtoi(it->path().filename().string(), &slot))
      dirs.push_back(it->path().string());
  }
  std::sort(dirs.begin(), dirs.end());
  return dirs;
}

absl::Status LocalFleet::ReadAtRest(DrillTally* stored, std::vector<DrillJournal>* journals) {
  absl::Status status = Stop();
  const std::vector<std::string> dirs = JournalDirs();
  if (options_.lose_segment && !dirs.empty()) status.Update(LoseSegment(dirs[0]));
  for (const std::string& dir : dirs) {
    journals->push_back(ReadJournal(server(), dir, stored));
    status.Update(journals->back().status);
  }
  return status;
}

}  // namespace center::cli
