#include "tests/support/screen.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace center::testing_support {
namespace {

// How many columns a character takes, as the C library of a UTF-8 system has it.
int WidthOf(const std::string& character) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = uselocale(utf8);
  mbstate_t state{};
  wchar_t wide = 0;
  const size_t size = mbrtowc(&wide, character.data(), character.size(), &state);
  const int width = size == character.size() ? wcwidth(wide) : 1;
  uselocale(before);
  return width < 0 ? 1 : width;
}

size_t Utf8Length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
}

constexpr char kEscape = '\x1b';

}  // namespace

Screen::Screen(size_t columns, size_t rows)
    : columns_(columns), rows_(rows), lines_(rows, Line(columns)) {}

void Screen::Resize(size_t columns, size_t rows) {
  columns_ = columns;
  rows_ = rows;
  for (std::vector<Line>* lines : {&lines_, &first_lines_}) {
    if (lines == &first_lines_ && !second_) continue;
    lines->resize(rows);
    for (Line& line : *lines) line.resize(columns);
  }
  row_ = std::min(row_, rows - 1);
  column_ = std::min(column_, columns - 1);
  wrap_pending_ = false;
}

void Screen::Feed(absl::string_view bytes) {
  for (const char c : bytes) Byte(c);
}

void Screen::Byte(char c) {
  if (partial_.empty()) {
    if (c == kEscape || Utf8Length(c) > 1) {
      partial_ = c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
      Control(c);
    } else {
      Put(std::string(1, c));
    }
    return;
  }
  partial_ += c;
  if (partial_[0] != kEscape) {
    if (partial_.size() == Utf8Length(partial_[0])) {
      Put(partial_);
      partial_.clear();
    }
    return;
  }
  const bool introduces = partial_.size() == 2 && (c == '[' || c == '(' || c == ']');
  const bool ends_osc = partial_[1] == ']' && (c == '\a' || absl::EndsWith(partial_, "\x1b\\"));
  const bool ends = partial_[1] == '[' ? c >= '@' : partial_[1] == ']' ? ends_osc : true;
  if (introduces || !ends) return;
  sequence_ = partial_.substr(1);
  partial_.clear();
  Sequence();
}

void Screen::Control(char c) {
  switch (c) {
    case '\r':
      column_ = 0;
      wrap_pending_ = false;
      break;
    case '\n':
      LineFeed();
      break;
    case '\b':
      if (column_ > 0) --column_;
      wrap_pending_ = false;
      break;
    case '\t':
      column_ = std::min(columns_ - 1, (column_ / 8 + 1) * 8);
      break;
    default:
      break;  // a bell and the like
  }
}

void Screen::LineFeed() {
  wrap_pending_ = false;
  if (row_ + 1 < rows_) {
    ++row_;
    return;
  }
  if (!second_) absl::StrAppend(&scrolled_, Row(0), "\n");
  lines_.erase(lines_.begin());
  lines_.emplace_back(columns_);
}

void Screen::Put(const std::string& character) {
  const int width = WidthOf(character);
  if (width == 0) {  // combines with what stands before it
    size_t at = wrap_pending_ ? columns_ - 1 : column_ > 0 ? column_ - 1 : 0;
    if (lines_[row_][at].text.empty() && at > 0) --at;
    lines_[row_][at].text += character;
    return;
  }
  if (wrap_pending_ || column_ + static_cast<size_t>(width) > columns_) {
    ++wraps_;
    column_ = 0;
    LineFeed();
  }
  lines_[row_][column_] = {character, attributes_};
  if (width == 2 && column_ + 1 < columns_) lines_[row_][column_ + 1] = {"", attributes_};
  column_ += static_cast<size_t>(width);
  wrap_pending_ = column_ >= columns_;
  if (wrap_pending_) column_ = columns_ - 1;
}

size_t Screen::Parameter(size_t index, size_t otherwise) const {
  const std::vector<absl::string_view> all = absl::StrSplit(
      absl::string_view(sequence_).substr(1, sequence_.size() - 2), absl::ByAnyChar(";:"));
  size_t value = 0;
  if (index >= all.size() || !absl::SimpleAtoi(all[index], &value)) return otherwise;
  return value == 0 && otherwise == 1 ? 1 : value;
}

void Screen::Erase(size_t row, size_t from, size_t to) {
  for (size_t i = from; i < std::min(to, columns_); ++i) lines_[row][i] = {" ", attributes_};
}

void Screen::EraseDisplay(size_t how) {
  if (how == 0) {
    Erase(row_, column_, columns_);
    for (size_t i = row_ + 1; i < rows_; ++i) Erase(i, 0, columns_);
  } else {
    for (size_t i = 0; i < (how == 1 ? row_ : rows_); ++i) Erase(i, 0, columns_);
    if (how == 1) Erase(row_, 0, column_ + 1);
  }
}

void Screen::Mode(bool on) {
  if (sequence_ == (on ? "[?25h" : "[?25l")) {
    cursor_visible_ = on;
  } else if (absl::StartsWith(sequence_, "[?1049") && on != second_) {
    second_ = on;
    if (on) {
      first_lines_ = lines_;
      first_row_ = row_;
      first_column_ = column_;
      lines_.assign(rows_, Line(columns_));
    } else {
      lines_ = std::move(first_lines_);
      row_ = std::min(first_row_, rows_ - 1);
      column_ = std::min(first_column_, columns_ - 1);
    }
  } else if (!absl::StartsWith(sequence_, "[?")) {
    unknown_.push_back(sequence_);
  }
}

void Screen::Colours() {
  const std::string parameters = sequence_.substr(1, sequence_.size() - 2);
  for (const std::string& one : std::vector<std::string>(absl::StrSplit(parameters, ';'))) {
    if (one.empty() || one == "0") {
      attributes_.clear();
    } else {
      absl::StrAppend(&attributes_, attributes_.empty() ? "" : ";", one);
    }
  }
}

void Screen::Sequence() {
  if (sequence_[0] != '[') {
    // Character sets, titles and keypad modes change nothing that is looked at here.
    return;
  }
  const size_t count = Parameter(0, 1);
  Line& line = lines_[row_];
  const auto at = line.begin() + static_cast<std::ptrdiff_t>(column_);
  const size_t room = columns_ - column_;
  wrap_pending_ = wrap_pending_ && sequence_.back() == 'm';
  switch (sequence_.back()) {
    case 'A':
      row_ -= std::min(row_, count);
      break;
    case 'B':
      row_ = std::min(rows_ - 1, row_ + count);
      break;
    case 'C':
      column_ = std::min(columns_ - 1, column_ + count);
      break;
    case 'D':
      column_ -= std::min(column_, count);
      break;
    case 'G':
      column_ = std::min(columns_, count) - 1;
      break;
    case 'H':
      row_ = std::min(rows_, count) - 1;
      column_ = std::min(columns_, Parameter(1, 1)) - 1;
      break;
    case 'J':
      EraseDisplay(Parameter(0, 0));
      break;
    case 'K': {
      const size_t how = Parameter(0, 0);
      Erase(row_, how == 0 ? column_ : 0, how == 1 ? column_ + 1 : columns_);
      break;
    }
    case 'P':
      line.erase(at, at + static_cast<std::ptrdiff_t>(std::min(count, room)));
      line.resize(columns_);
      break;
    case '@':
      line.insert(at, std::min(count, room), Cell());
      line.resize(columns_);
      break;
    case 'm':
      Colours();
      break;
    case 'h':
    case 'l':
      Mode(sequence_.back() == 'h');
      break;
    default:
      unknown_.push_back(sequence_);
  }
}

std::string Screen::Row(size_t row) const {
  std::string text;
  for (const Cell& cell : lines_[row]) text += cell.text;
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::string Screen::Text() const {
  std::string text;
  size_t empty = 0;
  for (size_t row = 0; row < rows_; ++row) {
    const std::string line = Row(row);
    if (line.empty()) {
      ++empty;
      continue;
    }
    absl::StrAppend(&text, std::string(empty, '\n'), line, "\n");
    empty = 0;
  }
  return text;
}

const std::string& Screen::Attributes(size_t row, size_t column) const {
  return lines_[row][column].attributes;
}

}  // namespace center::testing_support
