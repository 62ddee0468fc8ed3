// Which payloads a stream wants: center.v1.PayloadFilter, checked and compiled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "center/v1/payload.pb.h"
#include "re2/re2.h"
#include "services/common/payload_batch.h"
#include "services/common/rpc/status.h"

namespace center::worker {

// The longest `contains` and `regex`.
inline constexpr size_t kFilterBytesMax = 4096;

// Immutable after Create; any thread may use it.
class PayloadMatcher {
 public:
  // Adds to `violations` every field that is wrong: a kind that does not exist, `contains` or
  // `regex` that are too long, an expression that RE2 refuses (with what RE2 says). Null when the
  // filter lets everything through, or has a wrong field.
  static std::unique_ptr<const PayloadMatcher> Create(const v1::PayloadFilter& filter,
                                                      std::vector<rpc::FieldViolation>* violations);

  bool Matches(absl::string_view payload) const;

 private:
  PayloadMatcher() = default;

  bool kind_wanted_[3] = {true, true, true};  // by PayloadKind
  bool all_kinds_ = true;
  std::string contains_;
  std::unique_ptr<const RE2> regex_;
};

enum class MatchResult { kNone, kSome, kAll };

// Appends to `out` the payloads of `batch` that match and whose offset is at least `from`, as
// fields `batches` of a StreamPayloadsResponse: one batch for each run of neighbours, because the
// offsets of a batch are dense. kAll: the batch can be passed on as it is, and nothing was
// appended. A null matcher lets everything through.
MatchResult AppendMatching(const BatchView& batch, uint64_t base_offset, uint64_t from,
                           const PayloadMatcher* matcher, std::string* out);

}  // namespace center::worker
