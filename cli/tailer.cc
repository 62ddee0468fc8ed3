#include "cli/tailer.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/signals.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

// A commit is a write to the coordinator's disk: often enough that little comes again after a
// crash.
constexpr SteadyDuration kCommitInterval = std::chrono::milliseconds(500);

}  // namespace

Tailer::Tailer(Context& context, TailOptions options)
    : context_(context),
      options_(std::move(options)),
      printer_(options_.format, context.out(), context.out_style()),
      follower_(
          context, options_.request,
          [this](const StreamMessage& message) { return Process(message); }, options_.route) {}

absl::Status Tailer::Run() {
  SignalWatcher watcher([this](int) { follower_.Interrupt(); });
  const absl::Status result = follower_.Run();
  // What was printed is committed even if the stream failed afterwards.
  const absl::Status committed = Commit(/*force=*/true);
  return result.ok() ? committed : result;
}

absl::StatusOr<bool> Tailer::Process(const StreamMessage& message) {
  const v1::Cursor flushed = cursor().cursor();
  for (const BatchView& batch : message.batches) {
    const BatchHeader& header = batch.header();
    // Normally where the batch begins; after a reconnect it may begin with what we had.
    const uint64_t from = std::max(header.first_offset, cursor().Next(header.worker));
    const uint64_t limit =
        options_.count > 0 ? options_.count - printed_ : std::numeric_limits<uint64_t>::max();
    const uint64_t printed = printer_.Print(batch, from, limit);
    printed_ += printed;
    if (printed > 0) cursor().Advance(header.worker, from + printed);
    if (finished()) break;
  }
  if (absl::Status status = printer_.Flush(); !status.ok()) {
    // What was not written must come again: it is not committed.
    cursor().Set(flushed);
    return status;
  }
  if (finished()) return false;
  if (message.gap.has_value()) TellGap(*message.gap);
  cursor().Pass(message);
  RETURN_IF_ERROR(Commit(/*force=*/false));
  return true;
}

void Tailer::TellGap(const v1::Gap& gap) {
  const std::string reason = EnumFlag(v1::Gap::Reason_Name(gap.reason()), "REASON_");
  const uint64_t missing = gap.to_offset() - gap.from_offset();
  context_.Warn(absl::StrCat(context_.err_style()(Color::kYellow, "centerctl: gap:"), " ",
                             FormatCount(missing), missing == 1 ? " payload of " : " payloads of ",
                             gap.worker(), " cannot be shown (#", gap.from_offset(), " to #",
                             gap.to_offset() - 1, ", ", reason, ")",
                             gap.detail().empty() ? "" : ": ", gap.detail()));
}

absl::Status Tailer::Commit(bool force) {
  if (options_.subscription.empty() && options_.cursor_file.empty()) return absl::OkStatus();
  const SteadyTime now = context_.clock().Steady();
  if (!force && now - commit_time_ < kCommitInterval) return absl::OkStatus();
  commit_time_ = now;
  if (cursor().empty() ||
      google::protobuf::util::MessageDifferencer::Equals(committed_, cursor().cursor())) {
    return absl::OkStatus();
  }
  if (!options_.cursor_file.empty()) {
    RETURN_IF_ERROR(SaveCursor(options_.cursor_file, cursor().cursor()));
  }
  if (!options_.subscription.empty()) {
    v1::CommitCursorRequest request;
    request.set_server(options_.request.server());
    request.set_subscription(options_.subscription);
    *request.mutable_cursor() = cursor().cursor();
    const auto answer =
        context_.Call<v1::PayloadService>(&v1::PayloadService::Stub::CommitCursor, request);
    // A coordinator that is away will get the cursor after the stream is up again.
    if (!answer.ok() && (force || ExitCodeOf(answer.status()) != kExitNotRunning)) {
      return answer.status();
    }
    if (!answer.ok()) return absl::OkStatus();
  }
  committed_ = cursor().cursor();
  return absl::OkStatus();
}

}  // namespace center::cli
