// A program for each input.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/worker/compute/child_process.h"
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

constexpr absl::string_view kPlaceholder = "{}";

struct Program {
  std::vector<std::string> argv;
  bool takes_argument = false;  // the input replaces a placeholder
};

int CreateProgram(center_setup* setup) {
  auto program = std::make_unique<Program>();
  for (uint32_t i = 0; i < setup->arg_count; ++i) {
    program->argv.emplace_back(ToView(setup->args[i]));
    const std::string& argument = program->argv.back();
    if (argument.find('\0') != std::string::npos) {
      return FailSetup(setup, "exec: an argument of a program cannot have a zero byte");
    }
    program->takes_argument =
        program->takes_argument || argument.find(kPlaceholder.data()) != std::string::npos;
  }
  if (program->argv.empty() || program->argv.front().empty()) {
    return FailSetup(setup, "exec needs a program: exec -- PROGRAM [ARGUMENT …]");
  }
  setup->state = program.release();
  return 0;
}

void DestroyProgram(void* state) { std::unique_ptr<Program> owner(static_cast<Program*>(state)); }

// Passes the output on, but for one line feed at its end.
class Output {
 public:
  explicit Output(center_call* call) : call_(call) {}
  bool Take(absl::string_view bytes) {
    if (bytes.empty()) return true;
    if (held_ && Append(call_, "\n") != 0) return false;
    held_ = bytes.back() == '\n';
    if (held_) bytes.remove_suffix(1);
    return Append(call_, bytes) == 0;
  }

 private:
  center_call* const call_;
  bool held_ = false;
};

int FailProgram(center_call* call, const Program& program, const ChildProcess::End& end) {
  std::string message = absl::StrCat(program.argv.front(), " ", DescribeWaitStatus(end.status));
  if (!end.stderr_tail.empty()) absl::StrAppend(&message, ": ", end.stderr_tail);
  return FailInput(call, message);
}

int Execute(void* state, center_call* call) {
  const auto& program = *static_cast<const Program*>(state);
  const absl::string_view input = ToView(call->input);
  Output output(call);
  ChildProcess::Options options;
  options.argv = program.argv;
  options.env = {absl::StrCat("CENTER_INPUT_INDEX=", call->index)};
  if (program.takes_argument) {
    if (input.find('\0') != absl::string_view::npos) {
      return FailInput(call, "the input has a zero byte, and so cannot be an argument");
    }
    for (std::string& argument : options.argv) {
      argument = absl::StrReplaceAll(argument, {{kPlaceholder, input}});
    }
  } else {
    options.input = input;
    options.has_input = true;
  }
  options.on_output = [&output](absl::string_view bytes) { return output.Take(bytes); };
  options.stopping = [call] { return call->stopping(call) != 0; };
  const auto end = ChildProcess::Run(options);
  if (!end.ok()) return FailInput(call, absl::StrCat("cannot run ", end.status().message()));
  if (end->stopped) return 1;
  return end->status == 0 ? 0 : FailProgram(call, program, *end);
}

}  // namespace

const center_task kExecTask = {
    "exec",
    "runs a program for each input",
    "Arguments: the program, looked for on PATH of the worker, and its arguments; {} in them is\n"
    "           replaced by the input. Without {} the input is the program's stdin.\n"
    "Input:     any bytes; as an argument, without a zero byte and at most 128 KiB.\n"
    "Result:    what it writes to stdout, without a line feed at the end. An exit status other\n"
    "           than 0, or a signal, fails the input, with the end of what it wrote to stderr.\n"
    "Its environment says CENTER_INPUT_INDEX. It is a process group of its own, which ends as a\n"
    "whole: with the program, when it is to stop (TERM, after 200 ms KILL), and with the worker.\n",
    &CreateProgram,
    &DestroyProgram,
    &Execute,
    nullptr};

}  // namespace center::compute
