// Tasks that do what tasks of users do: fail, throw, crash, loop, wait for ever, say too much.
#include <center/task.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

std::string_view InputOf(const center_call* call) { return {call->input.data, call->input.size}; }
int Append(center_call* call, std::string_view text) {
  return call->append(call, text.data(), text.size());
}

// The input says what happens; anything else is echoed.
int Misbehave(void* /*state*/, center_call* call) {
  const std::string_view input = InputOf(call);
  if (input == "fail") return call->fail(call, "as you wish", 11);
  if (input == "code") return 7;
  if (input == "throw") throw std::runtime_error("thrown as asked");
  if (input == "throw-int") throw 42;
  if (input == "crash") std::raise(SIGSEGV);
  if (input == "abort") std::abort();
  if (input == "exit") std::_Exit(9);
  if (input == "large") {
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 17; ++i) Append(call, piece);
    return 0;
  }
  if (input == "poll") {
    while (call->stopping(call) == 0) {
    }
    return 1;
  }
  if (input == "loop") {
    for (volatile bool forever = true; forever;) {
    }
  }
  return Append(call, input);
}

int CreateRefusing(center_setup* setup) { return setup->fail(setup, "never good enough", 17); }
int CreateThrowing(center_setup* /*setup*/) { throw std::logic_error("no state"); }
int Nothing(void* /*state*/, center_call* /*call*/) { return 0; }
int ThrowAfterOne(void* /*state*/, center_call* call) {
  if (call->next(call) != 0) Append(call, "one");
  if (InputOf(call) == "1") throw std::runtime_error("after one");
  return 0;
}

constexpr center_task kTasks[] = {
    {"misbehave", "does what the input says", "", nullptr, nullptr, &Misbehave, nullptr},
    {"refuse", "takes no arguments, and says so badly", "", &CreateRefusing, nullptr, &Misbehave,
     nullptr},
    {"throw-in-create", "throws", "", &CreateThrowing, nullptr, &Misbehave, nullptr},
    {"lazy", "does not look at its inputs", "", nullptr, nullptr, nullptr, &Nothing},
    {"one-at-a-time", "comes back after each, input 1 by an exception", "", nullptr, nullptr,
     nullptr, &ThrowAfterOne},
};
constexpr center_task_module kModule = {CENTER_TASK_ABI_VERSION, sizeof(center_task),
                                        sizeof kTasks / sizeof kTasks[0], &kTasks[0]};

}  // namespace

CENTER_TASK_EXPORT const center_task_module* center_task_module_get() { return &kModule; }
