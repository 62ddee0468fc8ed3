#include "cli/complete.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "cli/args.h"
#include "cli/output.h"

namespace center::cli {
namespace {

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// Where the complete words lead.
struct Place {
  const CLI::App* app = nullptr;
  const CLI::Option* pending = nullptr;  // wants a value, which is at the cursor
  size_t positionals = 0;                // given to `app` so far
  bool only_positionals = false;         // after "--"
  bool nowhere = false;                  // after a word where a command should be
};

const CLI::Option* FindFlag(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->nonpositional() && option->check_name(name)) return option;
    }
  }
  return nullptr;
}

// Other words than names of commands may follow, be it one too many.
bool TakesWords(const CLI::App& app) {
  if (VisibleCommands(app).empty()) return true;
  const std::vector<const CLI::Option*> options = app.get_options();
  return std::any_of(options.begin(), options.end(),
                     [](const CLI::Option* option) { return option->get_positional(); });
}

Place FindPlace(const CLI::App& root, const std::vector<std::string>& words) {
  Place place{.app = &root};
  for (const std::string& word : words) {
    if (place.pending != nullptr) {
      place.pending = nullptr;
    } else if (word == "--") {
      place.only_positionals = true;
    } else if (!place.only_positionals && word.size() > 1 && word[0] == '-') {
      const CLI::Option* flag = FindFlag(place.app, word.substr(0, word.find('=')));
      const bool wants_value = flag != nullptr && flag->get_items_expected_min() > 0;
      if (wants_value && !absl::StrContains(word, '=')) place.pending = flag;
    } else {
      const CLI::App* next = nullptr;
      for (const CLI::App* command : VisibleCommands(*place.app)) {
        if (command->check_name(word)) next = command;
      }
      if (next != nullptr) {
        place.app = next;
        place.positionals = 0;
      } else {
        place.nowhere = place.nowhere || !TakesWords(*place.app);
        ++place.positionals;
      }
    }
  }
  return place;
}

// What a value of this type is the name of, if of anything: `noun` decides what a NAME is.
absl::optional<LiveName> LiveNameOf(const std::string& type, const std::string& noun) {
  if (type == "SERVER" || type == "TARGET") return LiveName::kServer;
  if (type == "WORKER") return LiveName::kWorker;
  if (type == "CLIENT") return LiveName::kClient;
  if (type == "JOB") return LiveName::kJob;
  if (type == "CONTEXT") return LiveName::kContext;
  if (type != "NAME") return absl::nullopt;
  if (noun == "worker") return LiveName::kWorker;
  if (noun == "client") return LiveName::kClient;
  if (noun == "job") return LiveName::kJob;
  if (noun == "tail") return LiveName::kSubscription;
  return LiveName::kServer;
}

std::string NounOf(const CLI::App& app) {
  const CLI::App* at = &app;
  while (at->get_parent() != nullptr && at->get_parent()->get_parent() != nullptr) {
    at = at->get_parent();
  }
  return at->get_name();
}

class Completer {
 public:
  Completer(const Typed& typed, const LiveNames& live) : typed_(typed), live_(live) {}

  Completion Run(const CLI::App& root) {
    const Place place = FindPlace(root, typed_.words);
    if (place.nowhere) return std::move(result_);
    const size_t equals = typed_.current.find('=');
    if (place.pending != nullptr) {
      AddValues(*place.pending, *place.app, "");
    } else if (!place.only_positionals && absl::StartsWith(typed_.current, "--") &&
               equals != std::string::npos) {
      const std::string flag = typed_.current.substr(0, equals);
      if (const CLI::Option* option = FindFlag(place.app, flag)) {
        AddValues(*option, *place.app, flag + "=");
      }
    } else if (!place.only_positionals && absl::StartsWith(typed_.current, "-")) {
      AddFlags(place.app);
    } else {
      AddWords(place, root);
    }
    std::sort(result_.candidates.begin(), result_.candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.text < b.text; });
    return std::move(result_);
  }

 private:
  void Add(const std::string& text, const std::string& description) {
    if (absl::StartsWith(text, typed_.current)) result_.candidates.push_back({text, description});
  }

  void AddFlags(const CLI::App* app) {
    for (; app != nullptr; app = app->get_parent()) {
      for (const CLI::Option* option : app->get_options()) {
        if (!option->nonpositional() || option->get_group().empty()) continue;
        for (const std::string& name : option->get_lnames()) {
          Add(absl::StrCat("--", name), FirstLine(option->get_description()));
        }
      }
    }
  }

  void AddValues(const CLI::Option& option, const CLI::App& app, const std::string& prefix) {
    const std::string type = option.get_type_name();
    if (absl::StrContains(type, '|')) {
      for (const absl::string_view choice : absl::StrSplit(type, '|')) {
        Add(absl::StrCat(prefix, choice), "");
      }
    } else if (type == "FORMAT") {
      for (const absl::string_view choice : FormatNames()) Add(absl::StrCat(prefix, choice), "");
    } else if (type == "FILE" || type == "DIR") {
      result_.files = true;
    } else if (const auto name = LiveNameOf(type, NounOf(app)); name.has_value() && live_) {
      for (const std::string& live : live_(*name)) Add(absl::StrCat(prefix, live), "");
    }
  }

  void AddWords(const Place& place, const CLI::App& root) {
    const CLI::App* parent = place.app;
    if (place.app->get_name() == "help") {
      // Its words are a command of the tree.
      Place named{.app = &root};
      std::vector<std::string> words = typed_.words;
      words.erase(words.begin(), std::find(words.begin(), words.end(), "help") + 1);
      named = FindPlace(root, words);
      if (named.nowhere) return;
      parent = named.app;
    }
    for (const CLI::App* command : VisibleCommands(*parent)) {
      Add(command->get_name(), FirstLine(command->get_description()));
    }
    size_t index = 0;
    for (const CLI::Option* option : place.app->get_options()) {
      if (!option->get_positional() || option->nonpositional()) continue;
      const bool repeats = option->get_items_expected_max() > 1;
      if (index == place.positionals || (repeats && index < place.positionals)) {
        return AddValues(*option, *place.app, "");
      }
      ++index;
    }
  }

  const Typed& typed_;
  const LiveNames& live_;
  Completion result_;
};

}  // namespace

Completion Complete(const CLI::App& root, const Typed& typed, const LiveNames& live) {
  return Completer(typed, live).Run(root);
}

}  // namespace center::cli
