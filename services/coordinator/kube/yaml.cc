#include "services/coordinator/kube/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::kube {
namespace {

// Both are C structs with a function to free what they hold.
class YamlText {
 public:
  explicit YamlText(absl::string_view text) {
    if (yaml_parser_initialize(&parser_) == 0) return;
    usable_ = true;
    // libyaml reads the bytes only; its type for them is unsigned char.
    yaml_parser_set_input(&parser_, &Read, &rest_);
    rest_ = text;
    has_document_ = yaml_parser_load(&parser_, &document_) != 0;
  }
  ~YamlText() {
    if (has_document_) yaml_document_delete(&document_);
    if (usable_) yaml_parser_delete(&parser_);
  }
  YamlText(const YamlText&) = delete;
  YamlText& operator=(const YamlText&) = delete;

  absl::StatusOr<Json> ToJson() {
    if (!usable_) return absl::ResourceExhaustedError("no memory for YAML");
    if (!has_document_) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", parser_.problem_mark.line + 1, ": ",
                       parser_.problem == nullptr ? "no YAML" : parser_.problem));
    }
    const yaml_node_t* root = yaml_document_get_root_node(&document_);
    if (root == nullptr) return Json(nullptr);
    return Convert(*root, 0);
  }

 private:
  static int Read(void* data, unsigned char* buffer, size_t size, size_t* read) {
    auto* rest = static_cast<absl::string_view*>(data);
    *read = std::min(size, rest->size());
    std::copy_n(rest->begin(), *read, buffer);
    rest->remove_prefix(*read);
    return 1;
  }

  absl::StatusOr<Json> Convert(const yaml_node_t& node, int depth) {
    if (depth > kJsonDepthMax || ++nodes_ > kYamlNodesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", node.start_mark.line + 1, ": nested too deep, or too large"));
    }
    switch (node.type) {
      case YAML_SEQUENCE_NODE:
        return Sequence(node, depth);
      case YAML_MAPPING_NODE:
        return Mapping(node, depth);
      case YAML_SCALAR_NODE:
        return Scalar(node);
      default:
        return Json(nullptr);
    }
  }

  absl::StatusOr<Json> Sequence(const yaml_node_t& node, int depth) {
    Json array = Json::array();
    const auto& items = node.data.sequence.items;
    for (const yaml_node_item_t* item = items.start; item != items.top; ++item) {
      ASSIGN_OR_RETURN(Json element,
                       Convert(*yaml_document_get_node(&document_, *item), depth + 1));
      array.push_back(std::move(element));
    }
    return array;
  }

  absl::StatusOr<Json> Mapping(const yaml_node_t& node, int depth) {
    Json object = Json::object();
    const auto& pairs = node.data.mapping.pairs;
    for (const yaml_node_pair_t* pair = pairs.start; pair != pairs.top; ++pair) {
      const yaml_node_t& key = *yaml_document_get_node(&document_, pair->key);
      if (key.type != YAML_SCALAR_NODE) {
        return absl::InvalidArgumentError(
            absl::StrCat("line ", key.start_mark.line + 1, ": a key that is no text"));
      }
      ASSIGN_OR_RETURN(Json value,
                       Convert(*yaml_document_get_node(&document_, pair->value), depth + 1));
      object[Text(key)] = std::move(value);
    }
    return object;
  }

  static std::string Text(const yaml_node_t& node) {
    const void* value = node.data.scalar.value;
    return {static_cast<const char*>(value), node.data.scalar.length};
  }

  static Json Scalar(const yaml_node_t& node) {
    std::string text = Text(node);
    if (node.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return text;
    if (text == "true") return true;
    if (text == "false") return false;
    if (text == "null" || text == "~" || text.empty()) return nullptr;
    int64_t number = 0;
    // "0123" and "+1" stay what they are.
    if (absl::SimpleAtoi(text, &number) && absl::StrCat(number) == text) return number;
    return text;
  }

  yaml_parser_t parser_{};
  yaml_document_t document_{};
  absl::string_view rest_;
  bool usable_ = false;
  bool has_document_ = false;
  size_t nodes_ = 0;
};

}  // namespace

absl::StatusOr<Json> ParseYaml(absl::string_view text) { return YamlText(text).ToJson(); }

}  // namespace center::kube
