#include "cli/completion.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/flags.h"
#include "cli/live_names.h"

namespace center::cli {
namespace {

// Bash parts words at = and :, which our words may hold: the line is given whole, and what Bash
// takes for the beginning of the word is cut off what comes back.
constexpr char kBash[] = R"sh(# bash completion for centerctl. In ~/.bashrc:
#   source <(centerctl completion bash)
_centerctl() {
  local typed=${COMP_LINE:0:COMP_POINT} line text cur=${COMP_WORDS[COMP_CWORD]}
  local word=${typed##*[[:space:]]} files=
  case $cur in '=' | ':') cur= ;; esac
  local before=${word%"$cur"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ':files' ]; then
      files=1
      continue
    fi
    text=${line%%$'\t'*}
    COMPREPLY+=("${text#"$before"}")
  done < <(centerctl __complete --line "$typed" 2>/dev/null)
  if [ -n "$files" ]; then
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
    compopt -o filenames 2>/dev/null
  fi
  case ${COMPREPLY[*]} in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _centerctl centerctl
)sh";

constexpr char kZsh[] = R"sh(#compdef centerctl
# zsh completion for centerctl. In ~/.zshrc, after compinit:
#   source <(centerctl completion zsh)
_centerctl() {
  local -a items
  local text about files=
  while IFS=$'\t' read -r text about; do
    if [[ $text == ':files' ]]; then
      files=1
    else
      items+=("${text//:/\\:}${about:+:$about}")
    fi
  done < <(centerctl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#items )) && _describe 'centerctl' items
  [[ -n $files ]] && _files
}
compdef _centerctl centerctl
)sh";

constexpr char kFish[] = R"sh(# fish completion for centerctl. In ~/.config/fish/config.fish:
#   centerctl completion fish | source
function __centerctl_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (centerctl __complete $words[2..-1] 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c centerctl -f -a '(__centerctl_complete)'
)sh";

Typed TypedFrom(const std::vector<std::string>& args) {
  Typed typed;
  if (args.size() == 2 && args[0] == "--line") {
    typed = SplitTyped(args[1]);
    // The line begins with the program's name.
    if (!typed.words.empty()) typed.words.erase(typed.words.begin());
  } else if (!args.empty()) {
    typed.words.assign(args.begin(), args.end() - 1);
    typed.current = args.back();
  }
  return typed;
}

// The coordinator that the typed line names, or the environment, which is not read with flags here.
std::string AddressIn(const std::vector<std::string>& words, const std::string& otherwise) {
  constexpr absl::string_view kFlag = "--address=";
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--address" && i + 1 < words.size()) return words[i + 1];
    if (absl::StartsWith(words[i], kFlag)) return words[i].substr(kFlag.size());
  }
  const char* address = std::getenv("CENTER_ADDRESS");
  return address != nullptr && *address != '\0' ? address : otherwise;
}

}  // namespace

absl::string_view CompletionScript(absl::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

absl::Status PrintCompletion(Context& context, const CLI::App& root,
                             const std::vector<std::string>& args) {
  const Typed typed = TypedFrom(args);
  Globals globals = context.globals();
  globals.address = AddressIn(typed.words, globals.address);
  Context asking(globals, context.dependencies());
  const Completion completion = Complete(root, typed, MakeLiveNames(asking));
  for (const Candidate& candidate : completion.candidates) {
    context.out().Append(candidate.description.empty()
                             ? absl::StrCat(candidate.text, "\n")
                             : absl::StrCat(candidate.text, "\t", candidate.description, "\n"));
  }
  if (completion.files) context.out().Append(":files\n");
  return context.out().Flush();
}

void AddCompletionCommand(CLI::App& root, Selection& selection) {
  CLI::App* completion =
      root.add_subcommand("completion", "Print a script that completes commands in your shell");
  auto shell = std::make_shared<std::string>();
  AddChoice(*completion, "SHELL", shell.get(), {"bash", "zsh", "fish"}, "Which shell")->required();
  completion->footer(
      "Examples:\n"
      "  source <(centerctl completion bash)\n"
      "  centerctl completion zsh > ~/.zsh/functions/_centerctl\n"
      "  centerctl completion fish | source");
  OnSelected(completion, selection, [shell](Context& context) {
    context.out().Append(CompletionScript(*shell));
    return absl::OkStatus();
  });
}

}  // namespace center::cli
