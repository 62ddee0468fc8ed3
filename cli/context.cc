#include "cli/context.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/progress.h"
#include "cli/text_width.h"
#include "cli/tls.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

Style StyleFor(ColorMode mode, const Writer& writer) {
  const size_t columns = writer.is_terminal() ? TerminalWidth(writer.fd()) : 0;
  if (mode == ColorMode::kAlways) return Style(true, columns);
  if (mode == ColorMode::kNever) return Style(false, columns);
  // https://no-color.org: any value that is not empty.
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && absl::string_view(term) == "dumb";
  const bool wanted = writer.is_terminal() && !dumb && (no_color == nullptr || *no_color == '\0');
  return Style(wanted, columns);
}

}  // namespace

Context::Context(Globals globals, Dependencies dependencies)
    : globals_(std::move(globals)),
      dependencies_(std::move(dependencies)),
      out_(dependencies_.out_fd),
      err_(dependencies_.err_fd),
      err_is_terminal_(err_.is_terminal()),
      out_style_(StyleFor(globals_.color, out_)),
      err_style_(StyleFor(globals_.color, err_)) {}

void Context::Say(absl::string_view line) {
  if (!globals_.quiet) Warn(line);
}

void Context::Warn(absl::string_view line) {
  // What has colours was laid out by who coloured it.
  const size_t columns = absl::StrContains(line, "\x1b") ? 0 : err_style_.columns();
  ErrText(absl::StrCat(WrapLines(line, columns), "\n"));
}

void Context::ErrText(absl::string_view text) {
  const absl::MutexLock lock(&err_mutex_);
  err_.Append(text);
  // There is nowhere to report that stderr cannot be written.
  (void)err_.Flush();
}

std::string Context::address() const {
  if (!globals_.address.empty()) return globals_.address;
  return absl::StrCat("unix:", DefaultRuntimeDir(), "/center.sock");
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Context::Channel() {
  if (channel_ == nullptr) {
    RETURN_IF_ERROR(globals_.context_error);
    const auto parsed = ParseNetAddress(address());
    if (!parsed.ok()) return UsageError(absl::StrCat("--address: ", parsed.status().message()));
    ASSIGN_OR_RETURN(channel_, ConnectTo(globals_, dependencies_, *parsed));
  }
  return channel_;
}

void Context::SetDeadline(grpc::ClientContext& call, absl::Duration timeout) {
  // Beyond this a deadline does not fit into nanoseconds, and nobody waits for it.
  constexpr absl::Duration kForever = absl::Hours(1'000'000);
  if (timeout >= kForever) return;
  call.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(timeout));
}

}  // namespace center::cli
