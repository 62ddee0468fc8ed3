// What a person sees on a terminal, made from the bytes that a program writes to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace center::testing_support {

// Knows what ECMA-48 and xterm programs of today use: moving the cursor, erasing, inserting and
// deleting, colours, wide and combining characters, the second screen. What it does not know is
// counted, so that a test can say that there was none.
class Screen {
 public:
  Screen(size_t columns, size_t rows);

  // Bytes as they come: a sequence may be cut anywhere.
  void Feed(absl::string_view bytes);
  void Resize(size_t columns, size_t rows);

  size_t columns() const { return columns_; }
  size_t rows() const { return rows_; }
  // A row from 0, without the blanks at its end.
  std::string Row(size_t row) const;
  // All rows, each ended by a line feed, without empty ones at the end.
  std::string Text() const;
  // Text that has scrolled out at the top of the first screen, and then Text().
  std::string Everything() const { return scrolled_ + Text(); }
  // The colours and attributes of a cell as its SGR parameters: "", "31", "1;7".
  const std::string& Attributes(size_t row, size_t column) const;
  size_t cursor_row() const { return row_; }
  size_t cursor_column() const { return column_; }
  // The second screen, which programs that fill the screen use, is shown.
  bool second() const { return second_; }
  bool cursor_visible() const { return cursor_visible_; }
  // Lines that did not fit and went on in the next row.
  size_t wraps() const { return wraps_; }
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  struct Cell {
    std::string text = " ";  // "" is the right half of a wide character
    std::string attributes;
  };
  using Line = std::vector<Cell>;

  void Byte(char c);
  void Control(char c);
  void Sequence();
  void Mode(bool on);
  void Erase(size_t row, size_t from, size_t to);
  void EraseDisplay(size_t how);
  void Put(const std::string& character);
  void LineFeed();
  void Colours();
  size_t Parameter(size_t index, size_t otherwise) const;

  size_t columns_;
  size_t rows_;
  std::vector<Line> lines_;
  std::vector<Line> first_lines_;  // of the first screen while the second is shown
  std::string scrolled_;
  size_t row_ = 0;
  size_t column_ = 0;
  size_t first_row_ = 0;
  size_t first_column_ = 0;
  bool wrap_pending_ = false;
  bool second_ = false;
  bool cursor_visible_ = true;
  size_t wraps_ = 0;
  std::string attributes_;
  std::string partial_;   // an unfinished sequence or character
  std::string sequence_;  // "[1;2H" once complete
  std::vector<std::string> unknown_;
};

}  // namespace center::testing_support
