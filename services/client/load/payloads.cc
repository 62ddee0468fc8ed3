#include "services/client/load/payloads.h"

#include "absl/strings/string_view.h"

namespace center::client {

void Payloads::CountUp() {
  ++count_;
  for (size_t i = digits_.size(); i > 0; --i) {
    if (digits_[i - 1] != '9') {
      ++digits_[i - 1];
      return;
    }
    digits_[i - 1] = '0';
  }
  digits_.insert(digits_.begin(), '1');
}

void Payloads::AppendPayload(std::string* out) {
  const bool is_json = place_ < options_.json;
  if (++place_ == uint64_t{options_.json} + options_.text) place_ = 0;
  const absl::string_view before = is_json ? "JSON|{\"proto_cnt\": " : "STRING|";
  const absl::string_view after = is_json ? "}" : "";
  const size_t size = before.size() + digits_.size() + after.size();
  out->append(before.data(), before.size()).append(digits_).append(after.data(), after.size());
  if (size < options_.payload_bytes) out->append(options_.payload_bytes - size, ' ');
}

void Payloads::AppendNext(Framing framing, std::string* out) {
  CountUp();
  // What needs no header is put together where it is to be.
  if (framing == Framing::kLine || framing == Framing::kChunk) {
    AppendPayload(out);
    if (framing == Framing::kLine) out->push_back('\n');
    return;
  }
  payload_.clear();
  AppendPayload(&payload_);
  AppendFrame(framing, payload_, out);
}

}  // namespace center::client
