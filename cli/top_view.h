// What the person in front of `top` has chosen to see, and the keys that choose.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "cli/keys.h"
#include "cli/top_data.h"

namespace center::cli {

enum class TopSort {
  kName,
  kState,
  kCpu,
  kMemory,
  kConnections,
  kPayloads,
  kBytes,
  kLag,
  kJournal,
};
enum class TopSection { kServers, kWorkers, kClients, kJobs, kEvents };
inline constexpr size_t kTopSections = 5;

// The words of --sort, in the order of TopSort: "name", "state", "cpu" …
std::vector<std::string> TopSortNames();
absl::optional<TopSort> ParseTopSort(absl::string_view name);
absl::string_view TopSortName(TopSort sort);
// What has grown most stands first, names and states by the alphabet; `reverse` turns that round.
bool SortsDescending(TopSort sort, bool reverse);

struct TopView {
  TopSort sort = TopSort::kName;
  bool reverse = false;
  std::string filter;         // shown is only what has it in a name, whatever the case
  bool typing = false;        // the filter is being typed
  std::string filter_before;  // what Escape goes back to while it is typed
  bool help = false;
  bool paused = false;
  TopSection section = TopSection::kWorkers;  // the one that gets the room and is scrolled
  size_t scroll = 0;                          // lines of it that are hidden above
  bool live = true;                           // false: nobody is there to scroll
  bool quit = false;
};

// What is on the screen now.
struct TopExtent {
  size_t page = 10;                              // lines of a page
  size_t scroll_max = 0;                         // as far as the section can be scrolled
  std::array<bool, kTopSections> has_rows = {};  // which sections have something to show
};
void OnTopKey(const Key& key, const TopExtent& extent, TopView* view);

// Leaves what the filter lets through, in the order that is wished.
TopData Arranged(TopData data, const TopView& view);

// The keys and what they do, a line each.
std::vector<std::string> TopHelpLines();

}  // namespace center::cli
