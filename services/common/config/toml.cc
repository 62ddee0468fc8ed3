#include "services/common/config/toml.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

// The library that distributions build of it throws.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// The generated tables of 3.3.0 reach what they call unreachable for code points from U+FB26 to
// U+FEFE, which may stand in any file; they are no white space.
// clang-format off
#include "toml++/impl/forward_declarations.h"
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include "toml++/impl/unicode.h"
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE __builtin_unreachable()
#include "toml++/toml.h"
// clang-format on

namespace center {
namespace {

TomlPlace PlaceOf(const toml::source_region& region) {
  return {.line = region.begin.line, .column = region.begin.column};
}

TomlValue ValueOf(const toml::node& node);

TomlValue TableOf(const toml::table& table) {
  TomlValue value{.kind = TomlValue::Kind::kTable};
  for (const auto& [key, node] : table) {
    value.entries.push_back(
        {.key = std::string(key.str()), .place = PlaceOf(key.source()), .value = ValueOf(node)});
  }
  // The library sorts by name.
  std::sort(value.entries.begin(), value.entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
    return std::tie(a.place.line, a.place.column, a.key) <
           std::tie(b.place.line, b.place.column, b.key);
  });
  return value;
}

// The depth is bounded: the library refuses more than 256 levels.
TomlValue ValueOf(const toml::node& node) {
  using Kind = TomlValue::Kind;
  TomlValue value;
  if (const auto* table = node.as_table()) {
    value = TableOf(*table);
  } else if (const auto* array = node.as_array()) {
    value.kind = Kind::kArray;
    for (const toml::node& item : *array) value.items.push_back(ValueOf(item));
  } else if (const auto* text = node.as_string()) {
    value.kind = Kind::kString;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Kind::kInteger;
    value.integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.kind = Kind::kFloat;
    value.number = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    value.kind = Kind::kBool;
    value.flag = flag->get();
  } else {
    value.kind = Kind::kTime;
  }
  value.place = PlaceOf(node.source());
  return value;
}

}  // namespace

const TomlEntry* TomlValue::Find(absl::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [key](const TomlEntry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

absl::string_view TomlKindName(TomlValue::Kind kind) {
  switch (kind) {
    case TomlValue::Kind::kString:
      return "a string";
    case TomlValue::Kind::kInteger:
      return "a whole number";
    case TomlValue::Kind::kFloat:
      return "a number";
    case TomlValue::Kind::kBool:
      return "true or false";
    case TomlValue::Kind::kTime:
      return "a date or time";
    case TomlValue::Kind::kArray:
      return "an array";
    case TomlValue::Kind::kTable:
      return "a table";
  }
  return "";
}

std::string TomlPlaceText(absl::string_view file, TomlPlace place) {
  return absl::StrCat(file, ":", place.line, ":", place.column);
}

absl::StatusOr<TomlValue> ParseToml(absl::string_view text, absl::string_view file) {
  if (text.size() > kTomlBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(file, " has ", text.size(), " bytes; at most ", kTomlBytesMax));
  }
  const toml::parse_result result = toml::parse(std::string_view(text.data(), text.size()));
  if (!result) {
    const toml::parse_error& error = result.error();
    return absl::InvalidArgumentError(
        absl::StrCat(TomlPlaceText(file, PlaceOf(error.source())), ": ",
                     absl::string_view(error.description().data(), error.description().size())));
  }
  return TableOf(result.table());
}

std::string TomlString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      out += absl::StrFormat("\\u%04X", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string TomlKey(absl::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_';
  });
  return bare ? std::string(key) : TomlString(key);
}

}  // namespace center
