#include "services/client/load/payloads.h"

#include "absl/strings/str_cat.h"

namespace center::client {

void Payloads::AppendNext(std::string* out) {
  const uint64_t place = count_ % (uint64_t{options_.json} + options_.text);
  ++count_;
  payload_.clear();
  if (place < options_.json) {
    absl::StrAppend(&payload_, "JSON|{\"proto_cnt\": ", count_, "}");
  } else {
    absl::StrAppend(&payload_, "STRING|", count_);
  }
  if (payload_.size() < options_.payload_bytes) payload_.resize(options_.payload_bytes, ' ');
  AppendFrame(options_.framing, payload_, out);
}

}  // namespace center::client
