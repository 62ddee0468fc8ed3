#include "cli/request_id.h"

#include <random>

#include "absl/strings/str_cat.h"

namespace center::cli {

std::string NewRequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

}  // namespace center::cli
