#include "cli/yaml.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/visible_text.h"
#include "simdjson.h"

namespace center::cli {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// True for text that every YAML reader takes as this very string without quotes.
bool IsPlain(absl::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && c != '_' && c != '-' && c != '.' && c != '/') return false;
  }
  if (!absl::ascii_isalpha(text[0]) && text[0] != '/') return false;
  for (const absl::string_view word :
       {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}) {
    if (absl::EqualsIgnoreCase(text, word)) return false;
  }
  return true;
}

// A double-quoted scalar. The escapes of VisibleLine are YAML's own.
std::string Quoted(absl::string_view text) {
  const std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}});
  return absl::StrCat("\"", VisibleLine(escaped), "\"");
}

std::string Scalar(absl::string_view text) {
  return IsPlain(text) ? std::string(text) : Quoted(text);
}

void Append(const element& value, int indent, bool after_key, std::string* out);

void AppendObject(const simdjson::dom::object& object, int indent, bool first_inline,
                  std::string* out) {
  bool first = true;
  for (const auto& field : object) {
    if (!(first && first_inline)) out->append(static_cast<size_t>(indent), ' ');
    absl::StrAppend(out, Scalar({field.key.data(), field.key.size()}), ":");
    Append(field.value, indent, true, out);
    first = false;
  }
}

// Writes a value and the line feed that ends it. `after_key`: "key:" stands before it, otherwise
// "- " or nothing.
void Append(const element& value, int indent, bool after_key, std::string* out) {
  const absl::string_view space = after_key ? " " : "";
  switch (value.type()) {
    case element_type::OBJECT: {
      const simdjson::dom::object object = value.get_object().value_unsafe();
      if (object.size() == 0) {
        absl::StrAppend(out, space, "{}\n");
      } else if (after_key) {
        out->append("\n");
        AppendObject(object, indent + 2, false, out);
      } else {
        AppendObject(object, indent, true, out);
      }
      return;
    }
    case element_type::ARRAY: {
      const simdjson::dom::array array = value.get_array().value_unsafe();
      if (array.size() == 0) {
        absl::StrAppend(out, space, "[]\n");
        return;
      }
      if (after_key) out->append("\n");
      bool first = true;
      for (const element& item : array) {
        if (after_key || !first) out->append(static_cast<size_t>(indent), ' ');
        out->append("- ");
        Append(item, indent + 2, false, out);
        first = false;
      }
      return;
    }
    case element_type::STRING: {
      const auto text = value.get_string().value_unsafe();
      absl::StrAppend(out, space, Scalar({text.data(), text.size()}), "\n");
      return;
    }
    default:
      absl::StrAppend(out, space, simdjson::to_string(value), "\n");
  }
}

}  // namespace

absl::StatusOr<std::string> YamlFromJson(absl::string_view json) {
  simdjson::dom::parser parser;
  element root;
  const auto error = parser.parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return absl::InvalidArgumentError(absl::StrCat("not JSON: ", simdjson::error_message(error)));
  }
  std::string out;
  Append(root, 0, false, &out);
  return out;
}

}  // namespace center::cli
