#include "cli/words.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace center::cli {
namespace {

// Reads words one after the other.
class Splitter {
 public:
  explicit Splitter(absl::string_view line) : line_(line) {}

  // False at the end of the line. An open quote ends with the line and is told by open().
  bool Next(std::string* word) {
    while (at_ < line_.size() && absl::ascii_isspace(line_[at_])) ++at_;
    word->clear();
    start_ = at_;
    if (at_ == line_.size() || line_[at_] == '#') return false;
    while (at_ < line_.size() && (quote_ != 0 || !absl::ascii_isspace(line_[at_]))) Take(word);
    return true;
  }

  // What is not closed: a quote, a backslash, or 0.
  char open() const { return quote_; }
  size_t start() const { return start_; }
  // The last word reaches to the end of the line.
  bool at_end() const { return at_ == line_.size(); }

 private:
  void Take(std::string* word) {
    const char c = line_[at_++];
    if (quote_ == '\'') {
      if (c == '\'') {
        quote_ = 0;
      } else {
        word->push_back(c);
      }
    } else if (c == '\\') {
      if (at_ == line_.size()) {
        quote_ = '\\';
      } else {
        word->push_back(line_[at_++]);
      }
    } else if (c == '"') {
      quote_ = quote_ == '"' ? 0 : '"';
    } else if (c == '\'' && quote_ == 0) {
      quote_ = '\'';
    } else {
      word->push_back(c);
    }
  }

  const absl::string_view line_;
  size_t at_ = 0;
  size_t start_ = 0;
  char quote_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line) {
  Splitter splitter(line);
  std::vector<std::string> words;
  std::string word;
  while (splitter.Next(&word)) words.push_back(word);
  if (splitter.open() == '\\') {
    return absl::InvalidArgumentError("the line ends with a backslash");
  }
  if (splitter.open() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a quote (", std::string(1, splitter.open()), ") is not closed"));
  }
  return words;
}

Typed SplitTyped(absl::string_view line) {
  Splitter splitter(line);
  Typed typed;
  typed.current_start = line.size();
  std::string word;
  while (splitter.Next(&word)) {
    const bool ends_in_blank = !line.empty() && absl::ascii_isspace(line.back());
    if (splitter.at_end() && (!ends_in_blank || splitter.open() != 0)) {
      typed.current = word;
      typed.current_start = splitter.start();
      return typed;
    }
    typed.words.push_back(word);
  }
  return typed;
}

std::string QuoteWord(absl::string_view word) {
  const bool plain =
      !word.empty() && word[0] != '#' && std::all_of(word.begin(), word.end(), [](char c) {
        return absl::ascii_isalnum(c) || absl::StrContains("-_./:=,@%+#", absl::string_view(&c, 1));
      });
  if (plain) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "'";
}

}  // namespace center::cli
