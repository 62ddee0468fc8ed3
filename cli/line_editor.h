// Lines from a person at a terminal: editing, history, completion, and output that comes while a
// line is typed. Built on libedit.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/complete.h"

namespace center::cli {

inline constexpr int kHistoryLinesMax = 1000;

// One at a time in a process, on main's thread. It changes the process' locale for characters
// (LC_CTYPE) to the environment's.
class LineEditor {
 public:
  struct Options {
    std::string prompt = "$ ";
    std::string history_file;  // empty: none
    std::function<Completion(const Typed& typed)> complete;
    // A descriptor that may become readable while a line is typed, and what is to be shown then
    // (whole lines). -1: none. Asked before each wait.
    std::function<int()> watched_fd;
    std::function<std::string()> read_watched;
  };
  enum class Result { kLine, kInterrupted, kEnd };

  // FailedPrecondition when stdin is no terminal that can be edited on.
  static absl::StatusOr<std::unique_ptr<LineEditor>> Create(Options options);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The next line, without its line feed. kInterrupted after Ctrl-C: what was typed is gone. kEnd
  // after Ctrl-D on an empty line, or when the terminal is gone.
  Result Read(std::string* line);
  // The same for the answer to a question, which stands in the prompt's place. Nothing is
  // completed.
  Result Ask(const std::string& question, std::string* line);
  // Remembers it, here and in the file.
  void AddHistory(absl::string_view line);

 private:
  struct Impl;
  explicit LineEditor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What all candidates have in common, and begins with `current`: what a tab may add.
std::string CommonPrefix(const std::vector<Candidate>& candidates);
// The candidates as a person picks one: in columns, or one a line with descriptions.
std::string CandidateTable(const std::vector<Candidate>& candidates, size_t width);

}  // namespace center::cli
