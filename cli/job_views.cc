#include "cli/job_views.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cli/text_width.h"
#include "cli/views.h"
#include "cli/visible_text.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr Table::Align kRight = Table::Align::kRight;

constexpr size_t kInputColumns = 40;

uint64_t Done(const v1::Job& job) { return job.inputs_succeeded() + job.inputs_failed(); }

absl::Duration Elapsed(const v1::Job& job, absl::Time now) {
  const absl::Time end = job.has_end_time() ? ToTime(job.end_time()) : now;
  return std::max(absl::ZeroDuration(), end - ToTime(job.create_time()));
}

std::string Percent(const v1::Job& job) {
  if (!job.inputs_complete()) return "-";
  if (job.inputs() == 0) return "100%";
  // Rounded down: 100% is only what is complete.
  return absl::StrCat(static_cast<uint64_t>(static_cast<double>(Done(job)) * 100.0 /
                                            static_cast<double>(job.inputs())),
                      "%");
}

std::string Labels(const v1::Job& job) {
  std::vector<std::string> labels;
  for (const auto& [key, value] : job.spec().labels()) {
    labels.push_back(absl::StrCat(key, "=", value));
  }
  std::sort(labels.begin(), labels.end());
  return labels.empty() ? "-" : absl::StrJoin(labels, ",");
}

std::string SourceText(const v1::JobSpec& spec) {
  switch (spec.source_case()) {
    case v1::JobSpec::kRange:
      return absl::StrCat("the numbers from ", spec.range().first(), " on, ",
                          FormatCount(spec.range().count()));
    case v1::JobSpec::kPayloads:
      return absl::StrCat("payloads of ", spec.payloads().server().empty()
                                              ? spec.server()
                                              : spec.payloads().server());
    default:
      return "sent by its client";
  }
}

std::string Expiry(const v1::Job& job, absl::Time now) {
  if (!job.has_expire_time()) return "-";
  const absl::Duration left = ToTime(job.expire_time()) - now;
  return left <= absl::ZeroDuration() ? "deleted" : absl::StrCat("in ", FormatAge(left));
}

}  // namespace

bool HasEnded(const v1::Job& job) {
  return job.state() != v1::JOB_STATE_UNSPECIFIED && job.state() != v1::JOB_STATE_RUNNING;
}

std::string StateText(v1::JobState state) {
  return absl::StrReplaceAll(
      absl::AsciiStrToLower(EnumText(v1::JobState_Name(state), "JOB_STATE_")), {{"_", " "}});
}

Table::Cell StateCell(v1::JobState state) {
  const std::string text = EnumText(v1::JobState_Name(state), "JOB_STATE_");
  switch (state) {
    case v1::JOB_STATE_SUCCEEDED:
      return {text, Color::kGreen};
    case v1::JOB_STATE_FAILED:
    case v1::JOB_STATE_DEADLINE_EXCEEDED:
      return {text, Color::kRed};
    case v1::JOB_STATE_CANCELLED:
      return {text, Color::kDim};
    default:
      return {text, Color::kYellow};
  }
}

std::string DoneText(const v1::Job& job) {
  if (!job.inputs_complete()) {
    return absl::StrCat(FormatCount(Done(job)), " of ", FormatCount(job.inputs()),
                        " inputs so far");
  }
  return absl::StrCat(FormatCount(Done(job)), " of ", FormatCount(job.inputs()),
                      job.inputs() == 1 ? " input" : " inputs");
}

std::string EndText(const v1::Job& job) {
  const absl::Duration elapsed = Elapsed(job, absl::InfinitePast());
  const double seconds = std::max(1e-9, absl::ToDoubleSeconds(elapsed));
  return absl::StrCat(FormatCount(Done(job)), Done(job) == 1 ? " input in " : " inputs in ",
                      FormatShortDuration(elapsed), " (",
                      FormatSi(static_cast<double>(Done(job)) / seconds), "/s)");
}

Table JobTable(const google::protobuf::RepeatedPtrField<v1::Job>& jobs, bool wide, absl::Time now) {
  std::vector<Table::Column> columns = {{"ID"},
                                        {"TASK", Table::Align::kLeft, 0, 8},
                                        {"SERVER", Table::Align::kLeft, 5},
                                        {"STATE"},
                                        {"DONE", kRight},
                                        {"INPUTS", kRight, 3},
                                        {"FAILED", kRight, 1},
                                        {"TIME", kRight, 2},
                                        {"AGE", kRight, 4}};
  if (wide) {
    columns.insert(columns.end(), {{"RUNNING", kRight, 10},
                                   {"RETRIES", kRight, 12},
                                   {"WORKERS", kRight, 13},
                                   {"TASK TIME", kRight, 11},
                                   {"RESULTS", kRight, 15},
                                   {"PRIORITY", kRight, 17},
                                   {"EXPIRES", Table::Align::kLeft, 16},
                                   {"LABELS", Table::Align::kLeft, 14, 12},
                                   {"DETAIL", Table::Align::kLeft, 9, 20}});
  }
  Table table(std::move(columns));
  for (const v1::Job& job : jobs) {
    std::vector<Table::Cell> row = {
        job.id(),
        job.spec().task(),
        job.spec().server(),
        StateCell(job.state()),
        Percent(job),
        absl::StrCat(FormatCount(job.inputs()), job.inputs_complete() ? "" : "+"),
        {FormatCount(job.inputs_failed()), job.inputs_failed() > 0 ? Color::kRed : Color::kNone},
        FormatShortDuration(absl::Trunc(Elapsed(job, now), absl::Milliseconds(1))),
        FormatAge(now - ToTime(job.create_time()))};
    if (wide) {
      row.insert(row.end(),
                 {FormatCount(job.inputs_running()), FormatCount(job.retries()),
                  absl::StrCat(job.workers()), FormatShortDuration(ToDuration(job.task_time())),
                  FormatBytes(job.result_bytes()), absl::StrCat(job.spec().priority()),
                  Expiry(job, now), Labels(job), job.detail().empty() ? "-" : job.detail()});
    }
    table.AddRow(std::move(row));
  }
  return table;
}

std::string FailureText(const google::protobuf::RepeatedPtrField<v1::InputFailure>& failures,
                        uint64_t more, const Style& style) {
  Table table({{"INDEX", kRight},
               {"INPUT", Table::Align::kLeft, 1, 12},
               {"CAUSE"},
               {"TRIES", kRight, 3},
               {"WORKER", Table::Align::kLeft, 2},
               {"WHY", Table::Align::kLeft, 0, 24, /*wraps=*/true}});
  for (const v1::InputFailure& failure : failures) {
    table.AddRow({absl::StrCat(failure.index()),
                  Shortened(VisibleLine(failure.input()), kInputColumns),
                  {EnumFlag(v1::InputFailure::Cause_Name(failure.cause()), "CAUSE_"), Color::kRed},
                  absl::StrCat(failure.attempts()),
                  failure.worker().empty() ? "-" : failure.worker(),
                  std::string(absl::StripTrailingAsciiWhitespace(failure.message()))});
  }
  std::string text = table.Render(style);
  if (more > 0) absl::StrAppend(&text, "and ", FormatCount(more), " more\n");
  return text;
}

std::string JobText(const v1::Job& job, absl::Time now, const Style& style) {
  const v1::JobSpec& spec = job.spec();
  Table table = Sheet();
  table.AddRow({"Job", {job.id(), Color::kBold}});
  table.AddRow({"State", StateCell(job.state())});
  if (!job.detail().empty()) table.AddRow({"Detail", job.detail()});
  table.AddRow({"Task", absl::StrCat(spec.task(), " on ", spec.server())});
  if (spec.args_size() > 0) table.AddRow({"Arguments", absl::StrJoin(spec.args(), " ")});
  table.AddRow({"Inputs", absl::StrCat(SourceText(spec), spec.ordered() ? ", in order" : "")});
  table.AddRow({"Done", DoneText(job)});
  if (job.inputs_failed() > 0) {
    table.AddRow({"Failed", {FormatCount(job.inputs_failed()), Color::kRed}});
  }
  if (!HasEnded(job)) table.AddRow({"Running", FormatCount(job.inputs_running())});
  if (job.retries() > 0) table.AddRow({"Retries", FormatCount(job.retries())});
  table.AddRow(
      {"Time", absl::StrCat(FormatShortDuration(Elapsed(job, now)), ", ",
                            FormatShortDuration(ToDuration(job.task_time())), " in tasks on ",
                            job.workers(), job.workers() == 1 ? " worker" : " workers")});
  table.AddRow({"Results", absl::StrCat(FormatBytes(job.result_bytes()),
                                        job.has_expire_time() ? ", deleted " : "",
                                        job.has_expire_time() ? Expiry(job, now) : "")});
  if (spec.priority() != 0) table.AddRow({"Priority", absl::StrCat(spec.priority())});
  if (spec.labels_size() > 0) table.AddRow({"Labels", Labels(job)});
  const absl::Time created = ToTime(job.create_time());
  table.AddRow(
      {"Created", absl::StrCat(LocalTime(created), " (", FormatAge(now - created), " ago)")});
  std::string text = table.Render(style, false);
  if (job.failures_size() > 0) {
    const auto shown = static_cast<uint64_t>(job.failures_size());
    absl::StrAppend(
        &text, "\n",
        FailureText(job.failures(), job.inputs_failed() > shown ? job.inputs_failed() - shown : 0,
                    style));
  }
  return text;
}

Table TaskTable(const google::protobuf::RepeatedPtrField<v1::TaskInfo>& tasks, bool wide) {
  std::vector<Table::Column> columns = {
      {"TASK"}, {"WHAT IT DOES", Table::Align::kLeft, 0, 20, /*wraps=*/!wide}};
  if (wide) columns.push_back({"MODULE", Table::Align::kLeft, 1, 12});
  Table table(std::move(columns));
  for (const v1::TaskInfo& task : tasks) {
    std::vector<Table::Cell> row = {task.name(), task.summary()};
    if (wide) row.emplace_back(task.module().empty() ? std::string("built in") : task.module());
    table.AddRow(std::move(row));
  }
  return table;
}

}  // namespace center::cli
