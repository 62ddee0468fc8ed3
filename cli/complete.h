// What may stand at the cursor of a command line: read from the same tree of commands that parses
// it. Serves the shell's tab key and the completion scripts of bash, zsh and fish.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/words.h"

namespace center::cli {

// Names that only the coordinator knows.
enum class LiveName { kServer, kWorker, kClient, kJob, kSubscription, kContext };
// Empty when they cannot be found out now. Never waits long.
using LiveNames = std::function<std::vector<std::string>(LiveName)>;

struct Candidate {
  std::string text;
  std::string description;  // one line, may be empty
};
struct Completion {
  std::vector<Candidate> candidates;  // all begin with the current word, sorted
  bool files = false;                 // a file's name may stand here, too
};

Completion Complete(const CLI::App& root, const Typed& typed, const LiveNames& live);

}  // namespace center::cli
