// The nouns of centerctl: each adds its commands to the tree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "cli/context.h"

namespace center::cli {

// What the parsed command line asks for.
struct Selection {
  std::function<absl::Status(Context&)> run;
  // Commands that take any words behind "--", and those that stood there.
  std::vector<const CLI::App*> word_commands;
  std::vector<std::string> words;
};

// Runs `run` when the command line names `app`.
inline void OnSelected(CLI::App* app, Selection& selection,
                       std::function<absl::Status(Context&)> run) {
  app->callback([&selection, run = std::move(run)] { selection.run = run; });
}

void AddCoordinatorCommands(CLI::App& root, Selection& selection);
void AddServerCommands(CLI::App& root, Selection& selection);
void AddClientCommands(CLI::App& root, Selection& selection);
void AddWorkerCommands(CLI::App& root, Selection& selection);
void AddWorkerStacksCommand(CLI::App& noun, Selection& selection);
void AddTailCommand(CLI::App& root, Selection& selection);
void AddSendCommand(CLI::App& root, Selection& selection);
void AddEventsCommand(CLI::App& root, Selection& selection);
void AddJournalCommands(CLI::App& root, Selection& selection);
void AddJobCommands(CLI::App& root, Selection& selection);
void AddBenchCommands(CLI::App& root, Selection& selection);
void AddExperimentCommand(CLI::App& root, Selection& selection);
void AddDrillCommand(CLI::App& root, Selection& selection);
void AddApplyCommand(CLI::App& root, Selection& selection);
void AddExportCommand(CLI::App& root, Selection& selection);
void AddContextCommands(CLI::App& root, Selection& selection);
void AddCompletionCommand(CLI::App& root, Selection& selection);
void AddVersionCommand(CLI::App& root, Selection& selection);

// Usage error when -o asks for what the command does not print.
absl::Status RequireFormat(const Context& context, std::initializer_list<Format> allowed);

}  // namespace center::cli
