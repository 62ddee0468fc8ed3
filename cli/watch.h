// What a command shows of the fleet, once or again and again (`-w`).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/context.h"
#include "cli/output.h"
#include "google/protobuf/message.h"

namespace center::cli {

// An answer in all the forms that -o may ask for.
struct View {
  std::shared_ptr<const google::protobuf::Message> message;  // json and yaml
  std::vector<std::string> names;                            // name
  // All others. `now`: for ages.
  std::function<std::string(absl::Time now, const Style& style)> text;
  std::string nothing;  // said to people instead of an empty table
  absl::Status result;  // what the command ends with, when it shows this once
};
// Asks the coordinator, for no longer than the context's timeout each time.
using Ask = std::function<absl::StatusOr<View>(Context& context)>;

struct WatchFlags {
  bool on = false;
  absl::Duration interval = absl::Seconds(1);
};
// -w and --interval.
std::shared_ptr<WatchFlags> AddWatchFlags(CLI::App* command);

// Shows what `ask` answers. With -w until Ctrl-C, which is no failure: on a terminal drawn over
// itself; elsewhere printed once more whenever anything but an age has changed, JSON one object a
// line. A coordinator that is away meanwhile is waited for.
absl::Status ShowView(Context& context, const WatchFlags& flags, const Ask& ask);

}  // namespace center::cli
