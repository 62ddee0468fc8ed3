// A line of the shell as words: blanks part them, quotes and backslashes keep them together, as in
// the shells that people know. Nothing is expanded.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center::cli {

// InvalidArgument when a quote is not closed, or the line ends with a backslash. A # at the
// beginning of a word begins a comment.
absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line);

// A line that is being typed, up to the cursor.
struct Typed {
  std::vector<std::string> words;  // complete ones
  std::string current;             // the one at the cursor, may be empty
  size_t current_start = 0;        // where it begins in the line
};
Typed SplitTyped(absl::string_view line);

// The word as it must be typed: in quotes where it needs them.
std::string QuoteWord(absl::string_view word);

}  // namespace center::cli
