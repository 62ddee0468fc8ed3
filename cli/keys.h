// What a person types at a terminal that is read key by key.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace center::cli {

struct Key {
  enum class Code {
    kText,  // `text` is the character
    kEnter,
    kTab,
    kBackspace,
    kEscape,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kRedraw,  // Ctrl-L
    kOther,   // a key that nothing here knows
  };
  Code code = Code::kOther;
  std::string text;

  friend bool operator==(const Key&, const Key&) = default;
};

// Bytes to keys. What a terminal sends for one key may come in pieces.
class KeyDecoder {
 public:
  std::vector<Key> Feed(absl::string_view bytes);
  // Nothing has followed for a while: what looked like the beginning of a sequence was the key
  // Escape.
  std::vector<Key> Flush();
  // Flush would have something to say.
  bool pending() const { return !partial_.empty(); }

 private:
  // Takes one key from the beginning of `partial_`; false when it is not complete.
  bool Next(Key* key);

  std::string partial_;
};

}  // namespace center::cli
