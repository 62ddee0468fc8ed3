#include "cli/tail_print.h"

#include "center/v1/payload.pb.h"
#include "cli/pretty.h"
#include "cli/views.h"
#include "services/common/kind.h"

namespace center::cli {

uint64_t PayloadPrinter::Print(const BatchView& batch, uint64_t from, uint64_t limit) {
  const BatchHeader& header = batch.header();
  uint64_t printed = 0;
  batch.ForEach([&](uint32_t index, absl::string_view payload) {
    const uint64_t offset = header.first_offset + index;
    if (offset < from || printed == limit) return;
    ++printed;
    if (format_ == Format::kRaw) {
      out_.Append(payload);
      out_.Append("\n");
    } else if (format_ == Format::kJson) {
      PrintJson(header, offset, payload);
    } else {
      out_.Append(PrettyPayload(header, offset, payload, style_));
    }
  });
  return printed;
}

void PayloadPrinter::PrintJson(const BatchHeader& header, uint64_t offset,
                               absl::string_view payload) {
  v1::Payload message;
  message.set_worker(header.worker.data(), header.worker.size());
  message.set_offset(offset);
  *message.mutable_receive_time() = ToProto(absl::FromUnixNanos(header.receive_time_ns));
  message.set_peer(header.peer.data(), header.peer.size());
  switch (ClassifyPayload(payload)) {
    case PayloadKind::kJson: {
      const absl::string_view json = JsonText(payload);
      message.set_kind(v1::PAYLOAD_KIND_JSON);
      message.set_json(json.data(), json.size());
      break;
    }
    case PayloadKind::kText:
      message.set_kind(v1::PAYLOAD_KIND_TEXT);
      message.set_text(payload.data(), payload.size());
      break;
    case PayloadKind::kBinary:
      message.set_kind(v1::PAYLOAD_KIND_BINARY);
      message.set_data(payload.data(), payload.size());
      break;
  }
  const auto json = ToJson(message, JsonLayout::kOneLine);
  if (json.ok()) {
    out_.Append(*json);
  } else {
    status_.Update(json.status());
  }
}

absl::Status PayloadPrinter::Flush() {
  absl::Status status = out_.Flush();
  status.Update(status_);
  return status;
}

}  // namespace center::cli
