// The three forms in which `tail` prints payloads.
#pragma once

#include "absl/status/status.h"
#include "cli/output.h"
#include "cli/writer.h"
#include "services/common/payload_batch.h"

namespace center::cli {

class PayloadPrinter {
 public:
  PayloadPrinter(Format format, Writer& out, const Style& style)
      : format_(format), out_(out), style_(style) {}

  // Prints the payloads of `batch` from offset `from` on, at most `limit`; returns how many.
  uint64_t Print(const BatchView& batch, uint64_t from, uint64_t limit);
  // Why a payload could not be printed, or what the Writer says.
  absl::Status Flush();

 private:
  void PrintJson(const BatchHeader& header, uint64_t offset, absl::string_view payload);

  const Format format_;
  Writer& out_;
  const Style style_;
  absl::Status status_;
};

}  // namespace center::cli
