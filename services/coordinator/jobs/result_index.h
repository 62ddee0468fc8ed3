// Where the results of a job are: in the order in which they were finished, and in that of its
// inputs.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/types/optional.h"
#include "services/coordinator/jobs/job_store.h"

namespace center::jobs {

// A place of a stream of results: how many results stand before it, or (ordered) the index of the
// next input; and the number that stands for it in the API, which shows of which order it is.
struct Position {
  bool ordered = false;
  uint64_t at = 0;

  uint64_t Encode() const { return at << 1 | (ordered ? 1 : 0); }
  // 0 is the beginning in either order.
  static Position Decode(uint64_t encoded) {
    return {.ordered = (encoded & 1) != 0, .at = encoded >> 1};
  }
};

// Grows with the parts, not with the results: a job that runs for long has few and large ones.
class ResultIndex {
 public:
  struct Entry {
    StoredPart part;
    uint64_t before = 0;                      // results before it, in the order of finishing
    std::shared_ptr<const std::string> body;  // while somebody is about to read it
  };

  void Add(const StoredPart& part, std::shared_ptr<const std::string> body);

  uint64_t results() const { return results_; }
  uint64_t bytes() const { return bytes_; }

  // The part at this place, or, ordered, the next one after it: nullptr when it is not finished
  // yet. With `skip_holes` (the job has ended) parts that will never come are passed over.
  Entry* Find(const Position& position, bool skip_holes);
  // Where to go on after a part.
  Position After(const Entry& entry, bool ordered) const;
  // Whether a stream may start there.
  bool IsBoundary(const Position& position) const;

  // Drops parts that nobody will read again (results that are not kept).
  void ForgetBefore(const Position& position);

 private:
  Entry* FindOrdered(uint64_t index, bool skip_holes);
  void BuildOrder();

  std::deque<Entry> entries_;
  uint64_t dropped_ = 0;  // entries
  uint64_t results_ = 0;
  uint64_t bytes_ = 0;
  // First index to the number of the entry; made when the first ordered reader comes.
  absl::optional<std::map<uint64_t, uint64_t>> order_;
};

}  // namespace center::jobs
