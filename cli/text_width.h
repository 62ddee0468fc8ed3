// How much room text takes on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace center::cli {

// One character of UTF-8 text: a letter with what combines with it.
struct Glyph {
  absl::string_view text;
  size_t columns = 0;  // 1, or 2 for a wide one
};
// The first one of a text that is not empty. What is no UTF-8 takes a column a byte, and so does
// what begins with a combining mark.
Glyph FirstGlyph(absl::string_view text);

// Columns on the terminal: two for wide characters (East Asian ones, emoji), none for combining
// marks.
size_t DisplayWidth(absl::string_view text);

// The text, or as much of its beginning as fits before an ellipsis: at most `columns` columns.
std::string Shortened(absl::string_view text, size_t columns);

// The text in lines of at most `columns` columns (at least 1), broken at blanks where there are
// some, else inside words. Never empty.
std::vector<std::string> WrapWords(absl::string_view text, size_t columns);

// Text of several lines, those that are longer than `columns` broken between words and going on
// below, indented as they are (`hanging` more where they are indented at all). 0: no limit.
std::string WrapLines(absl::string_view text, size_t columns, size_t hanging = 0);

}  // namespace center::cli
