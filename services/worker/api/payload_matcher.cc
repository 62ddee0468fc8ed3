#include "services/worker/api/payload_matcher.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/kind.h"

namespace center::worker {
namespace {

// Memory for one expression's automata. An expression that needs more runs slower, not wrong.
constexpr int64_t kRegexMemoryBytesMax = 4 << 20;

// The tag of StreamPayloadsResponse.batches.
constexpr char kMatchedBatchesTag = 1 << 3 | 2;

}  // namespace

std::unique_ptr<const PayloadMatcher> PayloadMatcher::Create(
    const v1::PayloadFilter& filter, std::vector<rpc::FieldViolation>* violations) {
  const size_t violations_before = violations->size();
  std::unique_ptr<PayloadMatcher> matcher(new PayloadMatcher);
  if (filter.kinds_size() > 0) {
    matcher->all_kinds_ = false;
    for (bool& wanted : matcher->kind_wanted_) wanted = false;
    for (const int kind : filter.kinds()) {
      if (kind == v1::PAYLOAD_KIND_TEXT) {
        matcher->kind_wanted_[static_cast<int>(PayloadKind::kText)] = true;
      } else if (kind == v1::PAYLOAD_KIND_JSON) {
        matcher->kind_wanted_[static_cast<int>(PayloadKind::kJson)] = true;
      } else if (kind == v1::PAYLOAD_KIND_BINARY) {
        matcher->kind_wanted_[static_cast<int>(PayloadKind::kBinary)] = true;
      } else {
        violations->push_back(
            {"filter.kinds", absl::StrCat(kind, " is no kind: use TEXT, JSON or BINARY")});
      }
    }
  }
  if (filter.contains().size() > kFilterBytesMax) {
    violations->push_back({"filter.contains", absl::StrCat("has ", filter.contains().size(),
                                                           " bytes; at most ", kFilterBytesMax)});
  }
  matcher->contains_ = filter.contains();
  if (filter.regex().size() > kFilterBytesMax) {
    violations->push_back({"filter.regex", absl::StrCat("has ", filter.regex().size(),
                                                        " bytes; at most ", kFilterBytesMax)});
  } else if (!filter.regex().empty()) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kRegexMemoryBytesMax);
    auto regex = std::make_unique<const RE2>(filter.regex(), options);
    if (!regex->ok()) violations->push_back({"filter.regex", regex->error()});
    matcher->regex_ = std::move(regex);
  }
  const bool wrong = violations->size() > violations_before;
  const bool all = matcher->all_kinds_ && matcher->contains_.empty() && matcher->regex_ == nullptr;
  if (wrong || all) return nullptr;
  return matcher;
}

bool PayloadMatcher::Matches(absl::string_view payload) const {
  // The cheap tests first: telling a payload's kind may mean to parse it.
  if (!contains_.empty() &&
      ::memmem(payload.data(), payload.size(), contains_.data(), contains_.size()) == nullptr) {
    return false;
  }
  if (regex_ != nullptr &&
      !RE2::PartialMatch(re2::StringPiece(payload.data(), payload.size()), *regex_)) {
    return false;
  }
  return all_kinds_ || kind_wanted_[static_cast<int>(ClassifyPayload(payload))];
}

MatchResult AppendMatching(const BatchView& batch, uint64_t base_offset, uint64_t from,
                           const PayloadMatcher* matcher, std::string* out) {
  struct Run {
    uint32_t first = 0;  // index of its first payload
    std::vector<uint32_t> sizes;
    const char* data = nullptr;
    size_t bytes = 0;
  };
  std::vector<Run> runs;
  bool open = false;  // the last payload belongs to runs.back()
  batch.ForEach([&](uint32_t index, absl::string_view payload) {
    const bool wanted =
        base_offset + index >= from && (matcher == nullptr || matcher->Matches(payload));
    if (wanted) {
      if (!open) runs.push_back({.first = index, .data = payload.data()});
      runs.back().sizes.push_back(static_cast<uint32_t>(payload.size()));
      runs.back().bytes += payload.size();
    }
    open = wanted;
  });
  if (runs.empty()) return batch.count() == 0 ? MatchResult::kAll : MatchResult::kNone;
  if (runs.front().sizes.size() == batch.count()) return MatchResult::kAll;

  std::string prefix;
  for (const Run& run : runs) {
    BatchHeader header = batch.header();
    header.first_offset = base_offset + run.first;
    prefix.clear();
    AppendBatchPrefix(header, run.sizes, run.bytes, &prefix);
    out->push_back(kMatchedBatchesTag);
    AppendVarint(prefix.size() + run.bytes, out);
    out->append(prefix);
    out->append(run.data, run.bytes);
  }
  return MatchResult::kSome;
}

}  // namespace center::worker
