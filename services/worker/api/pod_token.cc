#include "services/worker/api/pod_token.h"

#include <random>

#include "absl/strings/str_cat.h"

namespace center::worker {

std::string PodToken(absl::string_view pod_uid) {
  std::random_device random;
  return absl::StrCat(pod_uid, ".", absl::Hex(random(), absl::kZeroPad8),
                      absl::Hex(random(), absl::kZeroPad8));
}

}  // namespace center::worker
