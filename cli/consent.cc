#include "cli/consent.h"

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/line_source.h"
#include "cli/visible_text.h"
#include "google/protobuf/struct.pb.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {

std::shared_ptr<bool> AddDryRun(CLI::App* command) {
  auto dry_run = std::make_shared<bool>(false);
  command->add_flag("--dry-run", *dry_run, "Only say what would be done");
  return dry_run;
}

absl::Status PrintDryRun(Context& context, const std::vector<std::string>& actions) {
  const Format format = context.globals().format;
  if (format == Format::kJson || format == Format::kYaml) {
    google::protobuf::Struct object;
    (*object.mutable_fields())["dryRun"].set_bool_value(true);
    auto& list = *(*object.mutable_fields())["actions"].mutable_list_value();
    for (const std::string& action : actions) list.add_values()->set_string_value(action);
    ASSIGN_OR_RETURN(const std::string text, Render(object, format));
    context.out().Append(text);
  } else {
    for (const std::string& action : actions) {
      context.out().Append(absl::StrCat("would ", VisibleText(action), "\n"));
    }
  }
  return context.out().Flush();
}

absl::Status Confirm(Context& context, absl::string_view consequence) {
  const int in_fd = context.dependencies().in_fd;
  if (context.globals().yes || !context.err_is_terminal() || ::isatty(in_fd) != 1) {
    return absl::OkStatus();
  }
  context.ErrText(absl::StrCat(VisibleText(consequence), ". Go on? [y/N] "));
  LineSource source(in_fd);
  std::string line;
  ASSIGN_OR_RETURN(const bool answered, source.Next(&line));
  const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(line));
  if (answered && (word == "y" || word == "yes")) return absl::OkStatus();
  return absl::AbortedError("nothing was done; --yes does not ask");
}

std::string Counted(uint64_t count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(FormatCount(count), " ", count == 1 ? one : many);
}

}  // namespace center::cli
