#include "cli/keys.h"

namespace center::cli {
namespace {

constexpr char kEscapeByte = '\x1b';
// Longer ones are nothing that a terminal sends for a key.
constexpr size_t kSequenceBytesMax = 16;

struct Named {
  absl::string_view sequence;
  Key::Code code;
};
constexpr Named kNamed[] = {
    {"[A", Key::Code::kUp},    {"OA", Key::Code::kUp},      {"[B", Key::Code::kDown},
    {"OB", Key::Code::kDown},  {"[5~", Key::Code::kPageUp}, {"[6~", Key::Code::kPageDown},
    {"[H", Key::Code::kHome},  {"OH", Key::Code::kHome},    {"[1~", Key::Code::kHome},
    {"[7~", Key::Code::kHome}, {"[F", Key::Code::kEnd},     {"OF", Key::Code::kEnd},
    {"[4~", Key::Code::kEnd},  {"[8~", Key::Code::kEnd},    {"[3~", Key::Code::kOther},
};

Key::Code CodeOf(absl::string_view sequence) {
  for (const Named& named : kNamed) {
    if (named.sequence == sequence) return named.code;
  }
  return Key::Code::kOther;
}

// The length of the sequence behind the escape byte; 0: it is not complete.
size_t SequenceLength(absl::string_view bytes) {
  if (bytes.empty()) return 0;
  if (bytes[0] == 'O') return bytes.size() < 2 ? 0 : 2;
  if (bytes[0] != '[') return 1;
  for (size_t i = 1; i < bytes.size() && i < kSequenceBytesMax; ++i) {
    if (bytes[i] >= 0x40 && bytes[i] <= 0x7e) return i + 1;
  }
  return bytes.size() < kSequenceBytesMax ? 0 : kSequenceBytesMax;
}

// How many bytes the character that begins so has.
size_t CharacterLength(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
}

Key ControlKey(char byte) {
  switch (byte) {
    case '\r':
    case '\n':
      return {Key::Code::kEnter, ""};
    case '\t':
      return {Key::Code::kTab, ""};
    case '\x08':
    case '\x7f':
      return {Key::Code::kBackspace, ""};
    case '\x0c':
      return {Key::Code::kRedraw, ""};
    default:
      return {Key::Code::kOther, ""};
  }
}

bool IsControl(char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == '\x7f'; }

}  // namespace

bool KeyDecoder::Next(Key* key) {
  if (partial_.empty()) return false;
  size_t length = 1;
  if (partial_[0] == kEscapeByte) {
    const absl::string_view rest = absl::string_view(partial_).substr(1);
    const size_t sequence = SequenceLength(rest);
    if (sequence == 0) return false;
    length += sequence;
    *key = {CodeOf(rest.substr(0, sequence)), ""};
  } else if (IsControl(partial_[0])) {
    *key = ControlKey(partial_[0]);
  } else {
    length = CharacterLength(partial_[0]);
    if (partial_.size() < length) return false;
    *key = {Key::Code::kText, partial_.substr(0, length)};
  }
  partial_.erase(0, length);
  return true;
}

std::vector<Key> KeyDecoder::Feed(absl::string_view bytes) {
  partial_.append(bytes.data(), bytes.size());
  std::vector<Key> keys;
  for (Key key; Next(&key);) keys.push_back(key);
  return keys;
}

std::vector<Key> KeyDecoder::Flush() {
  if (partial_.empty()) return {};
  const bool escape = partial_[0] == kEscapeByte;
  const std::string rest = escape ? partial_.substr(1) : "";
  partial_.clear();
  std::vector<Key> keys;
  if (escape) keys.push_back({Key::Code::kEscape, ""});
  for (const Key& key : Feed(rest)) keys.push_back(key);
  partial_.clear();
  return keys;
}

}  // namespace center::cli
