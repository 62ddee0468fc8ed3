// What a mistyped word was probably meant to be.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace center {

// Edits (insert, delete, replace, swap neighbours) that turn one word into the other.
size_t EditDistance(absl::string_view a, absl::string_view b);

// The candidate that `word` was probably meant to be, or "" when none is near.
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace center
