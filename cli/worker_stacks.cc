// `worker stacks`: what the threads of a worker are doing.
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/views.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr size_t kFunctionBytesMax = 500;

std::string FrameLine(int number, const v1::StackFrame& frame, bool wide) {
  std::string line = absl::StrFormat("  #%-2d ", number);
  if (wide || frame.function().empty()) absl::StrAppendFormat(&line, "0x%x ", frame.address());
  absl::StrAppend(&line, Printable(frame.function(), kFunctionBytesMax));
  if (!frame.location().empty()) {
    absl::StrAppend(&line, frame.function().empty() ? "in " : " at ",
                    Printable(frame.location(), kFunctionBytesMax));
  }
  absl::StripTrailingAsciiWhitespace(&line);
  return line;
}

void PrintStacks(Context& context, const v1::GetWorkerStacksResponse& stacks) {
  const Style& style = context.out_style();
  const bool wide = context.globals().format == Format::kWide;
  context.out().Append(absl::StrCat(
      stacks.name(), ", process ", stacks.pid(), ", stood still for ",
      absl::StrFormat("%.1f ms", absl::ToDoubleMilliseconds(ToDuration(stacks.stopped_for()))),
      "\n"));
  for (const v1::ThreadStack& thread : stacks.threads()) {
    context.out().Append(style(
        Color::kBold, absl::StrCat("thread ", thread.tid(), " ", Printable(thread.name(), 64))));
    context.out().Append(thread.frames().empty() ? "\n  (it did not stop, nothing is known)\n"
                                                 : "\n");
    for (int i = 0; i < thread.frames_size(); ++i) {
      context.out().Append(FrameLine(i, thread.frames(i), wide) + "\n");
    }
  }
}

absl::Status Stacks(Context& context, const std::string& worker) {
  RETURN_IF_ERROR(
      RequireFormat(context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml}));
  v1::GetWorkerStacksRequest request;
  request.set_name(worker);
  ASSIGN_OR_RETURN(const auto stacks, context.Call<v1::ServerService>(
                                          &v1::ServerService::Stub::GetWorkerStacks, request));
  const Format format = context.globals().format;
  if (format == Format::kJson || format == Format::kYaml) {
    ASSIGN_OR_RETURN(const std::string text, Render(stacks, format));
    context.out().Append(text);
  } else {
    PrintStacks(context, stacks);
  }
  return absl::OkStatus();
}

}  // namespace

void AddWorkerStacksCommand(CLI::App& noun, Selection& selection) {
  CLI::App* stacks =
      noun.add_subcommand("stacks", "Show what each thread of a worker is doing now");
  auto worker = std::make_shared<std::string>();
  stacks->add_option("WORKER", *worker, "Which one: default/0")->type_name("WORKER")->required();
  stacks->footer(
      "The worker stands still for a few milliseconds.\n"
      "\n"
      "Examples:\n"
      "  centerctl worker stacks default/0\n"
      "  centerctl worker stacks games/3 -o json");
  OnSelected(stacks, selection, [worker](Context& context) { return Stacks(context, *worker); });
}

}  // namespace center::cli
