#include "cli/job_output.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "cli/records.h"
#include "cli/visible_text.h"
#include "services/common/kind.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::string_view kLogHeader =
    "index\tstate\tcause\tattempts\tworker\tbytes\ttime\tmessage\tinput\n";

std::string LogTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// `text` (REQUIRES: UTF-8) as a JSON string.
void AppendJsonString(absl::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (c == '\n') {
      *out += "\\n";
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppendFormat(out, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      *out += c;
    }
  }
  *out += '"';
}

}  // namespace

absl::StatusOr<JobLog> JobLog::Open(const std::string& path) {
  JobLog log;
  if (path.empty()) return log;
  log.fd_ = ScopedFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!log.fd_.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  log.writer_ = std::make_unique<Writer>(log.fd_.get());
  log.writer_->Append(kLogHeader);
  return log;
}

void JobLog::Add(uint64_t index, absl::string_view result, absl::Time time) {
  writer_->Append(
      absl::StrCat(index, "\tok\t\t\t\t", result.size(), "\t", LogTime(time), "\t\t\n"));
}

void JobLog::Add(const v1::InputFailure& failure, absl::Time time) {
  writer_->Append(absl::StrCat(failure.index(), "\tfailed\t",
                               EnumFlag(v1::InputFailure::Cause_Name(failure.cause()), "CAUSE_"),
                               "\t", failure.attempts(), "\t", failure.worker(), "\t0\t",
                               LogTime(time), "\t", VisibleLine(failure.message()), "\t",
                               VisibleLine(failure.input()), "\n"));
}

absl::Status JobLog::Flush() { return on() ? writer_->Flush() : absl::OkStatus(); }

absl::Status ResultPrinter::Print(const v1::ResultBatch& batch) {
  if (!RecordsAreSound(batch.results())) {
    return absl::DataLossError("the coordinator sent a batch whose sizes do not add up");
  }
  const absl::Time now = context_.clock().Wall();
  std::vector<const v1::InputFailure*> failures;
  for (const v1::InputFailure& failure : batch.failures()) failures.push_back(&failure);
  std::sort(failures.begin(), failures.end(),
            [](const auto* a, const auto* b) { return a->index() < b->index(); });
  auto failure = failures.begin();
  absl::Status status;
  ForEachRecord(batch.results(), [&](uint64_t i, absl::string_view bytes) {
    const uint64_t index = batch.first_index() + i;
    while (failure != failures.end() && (*failure)->index() < index) ++failure;
    if (failure != failures.end() && (*failure)->index() == index) {
      status.Update(PrintFailure(**failure));
      if (log_.on()) log_.Add(**failure, now);
    } else {
      status.Update(PrintResult(index, bytes));
      if (log_.on()) log_.Add(index, bytes, now);
    }
  });
  status.Update(log_.Flush());
  status.Update(context_.out().Flush());
  return status;
}

absl::Status ResultPrinter::PrintResult(uint64_t index, absl::string_view bytes) {
  Writer& out = context_.out();
  if (format_ == Format::kRaw) {
    out.Append(bytes);
  } else if (format_ == Format::kJson) {
    std::string line = absl::StrCat("{\"index\": \"", index, "\", \"result");
    if (ClassifyPayload(bytes) == PayloadKind::kBinary) {
      absl::StrAppend(&line, "Base64\": \"", absl::Base64Escape(bytes), "\"}");
    } else {
      absl::StrAppend(&line, "\": ");
      AppendJsonString(bytes, &line);
      line += '}';
    }
    out.Append(line);
  } else {
    const std::string text = VisibleText(absl::StripSuffix(bytes, "\n"));
    out.Append(format_ == Format::kWide ? absl::StrCat(index, "\t", text) : text);
  }
  out.Append("\n");
  return out.status();
}

absl::Status ResultPrinter::PrintFailure(const v1::InputFailure& failure) {
  if (format_ != Format::kJson) return absl::OkStatus();  // they are told on stderr, together
  ASSIGN_OR_RETURN(std::string json, ToJson(failure, JsonLayout::kOneLine));
  context_.out().Append(absl::StrCat("{\"index\": \"", failure.index(),
                                     "\", \"failure\": ", absl::StripSuffix(json, "\n"), "}\n"));
  return context_.out().status();
}

absl::Status ResultPrinter::PrintJob(const v1::Job& job) {
  if (format_ != Format::kJson) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string json, ToJson(job, JsonLayout::kOneLine));
  context_.out().Append(absl::StrCat("{\"job\": ", absl::StripSuffix(json, "\n"), "}\n"));
  return context_.out().Flush();
}

}  // namespace center::cli
