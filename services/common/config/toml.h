// TOML as a tree of plain values that know where they stand, so that whoever does not like one can
// say so with line and column. The library that reads it is seen by toml.cc alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center {

// Files are small; a larger one is a mistake.
inline constexpr size_t kTomlBytesMax = 1 << 20;

struct TomlPlace {
  uint32_t line = 0;    // from 1; 0: nowhere
  uint32_t column = 0;  // from 1, in characters
};

struct TomlEntry;

struct TomlValue {
  enum class Kind { kString, kInteger, kFloat, kBool, kTime, kArray, kTable };
  Kind kind = Kind::kTable;
  TomlPlace place;
  std::string text;  // kString
  int64_t integer = 0;
  double number = 0;  // kFloat
  bool flag = false;  // kBool
  std::vector<TomlValue> items;
  std::vector<TomlEntry> entries;  // kTable: in the order of the file

  // Null when the table has no such key.
  const TomlEntry* Find(absl::string_view key) const;
};

struct TomlEntry {
  std::string key;
  TomlPlace place;  // of the key
  TomlValue value;
};

// "a string", "a whole number" …
absl::string_view TomlKindName(TomlValue::Kind kind);

// "fleet.toml:3:7"
std::string TomlPlaceText(absl::string_view file, TomlPlace place);

// The table that is the whole file. InvalidArgument, beginning with the place in `file`, for what
// is no TOML; ResourceExhausted over kTomlBytesMax.
absl::StatusOr<TomlValue> ParseToml(absl::string_view text, absl::string_view file);

// A string as TOML has it, in quotes; a key, bare where that is allowed.
std::string TomlString(absl::string_view text);
std::string TomlKey(absl::string_view key);

}  // namespace center
