// How a worker in a pod says which one it is: nobody launches it with a token.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center::worker {

// "UID.RANDOM": the random part tells a process from the one before it in the same pod.
std::string PodToken(absl::string_view pod_uid);

}  // namespace center::worker
