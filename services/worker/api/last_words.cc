#include "services/worker/api/last_words.h"

#include <cxxabi.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>
#include <utility>

#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"

namespace center::worker {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnHandlers = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kOwnHandlers = false;
#else
constexpr bool kOwnHandlers = true;
#endif
#else
constexpr bool kOwnHandlers = true;
#endif

constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

// For the signal handler.
std::atomic<FlightRecorder*> recorder{nullptr};
struct sigaction stack_dumpers[std::size(kFatalSignals)];

void OnFatalSignal(int signal, siginfo_t* info, void* context) {
  if (FlightRecorder* mine = recorder.load(std::memory_order_acquire)) {
    const SignalSender sender = SenderOf(*info);
    // abort() and raise() are signals of one's own.
    if (sender.pid != ::getpid()) mine->SetSender(sender);
    mine->Finish(FlightRecorder::End::kSignal, signal);
  }
  for (size_t i = 0; i < std::size(kFatalSignals); ++i) {
    if (kFatalSignals[i] == signal) stack_dumpers[i].sa_sigaction(signal, info, context);
  }
}

uintptr_t ProgramCounter(const void* context) {
  if (context == nullptr) return 0;
  const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(machine.pc);
#else
  return 0;
#endif
}

// What Unwind has found so far.
struct Unwound {
  void** pcs;
  int* sizes;
  int max;
  int skip;      // frames to leave out
  uintptr_t pc;  // 0, or where the frames begin that are wanted
  int count = 0;
};

_Unwind_Reason_Code OnFrame(_Unwind_Context* frame, void* argument) {
  auto* unwound = static_cast<Unwound*>(argument);
  const uintptr_t pc = _Unwind_GetIP(frame);
  if (pc == 0) return _URC_END_OF_STACK;
  if (unwound->pc != 0) {
    if (pc != unwound->pc) return _URC_NO_REASON;  // still in the handler
    unwound->pc = 0;
  }
  if (unwound->skip > 0) {
    --unwound->skip;
    return _URC_NO_REASON;
  }
  if (unwound->count == unwound->max) return _URC_END_OF_STACK;
  // absl::debugging_internal wants addresses as they are.
  unwound->pcs[unwound->count] = reinterpret_cast<void*>(pc);  // NOLINT(performance-no-int-to-ptr)
  if (unwound->sizes != nullptr) unwound->sizes[unwound->count] = 0;
  ++unwound->count;
  return _URC_NO_REASON;
}

// Abseil follows frame pointers, which the C library has none of: it would see nothing of a thread
// that dies in a call of it. The compiler's own unwinder takes no lock (glibc 2.35 and later).
int Unwind(void** pcs, int* sizes, int max, int skip, const void* context, int* dropped) {
  if (dropped != nullptr) *dropped = 0;
  const uintptr_t pc = ProgramCounter(context);
  // Without a context, the frames begin at our caller's caller's.
  Unwound unwound{.pcs = pcs, .sizes = sizes, .max = max, .skip = pc == 0 ? skip + 1 : 0, .pc = pc};
  _Unwind_Backtrace(OnFrame, &unwound);
  return unwound.count;
}

// Abseil's handler writes the stack and dies of the same signal; ours comes before it.
void InstallFailureHandler() {
  absl::FailureSignalHandlerOptions options;
  options.use_alternate_stack = true;  // a stack overflow is one of the failures
  absl::SetStackUnwinder(Unwind);
  absl::InstallFailureSignalHandler(options);
  // That has taken SIGTERM, too, which is no failure here.
  ::signal(SIGTERM, SIG_DFL);
  for (size_t i = 0; i < std::size(kFatalSignals); ++i) {
    if (::sigaction(kFatalSignals[i], nullptr, &stack_dumpers[i]) != 0) continue;
    if ((stack_dumpers[i].sa_flags & SA_SIGINFO) == 0) continue;  // not taken by Abseil
    struct sigaction action = stack_dumpers[i];
    action.sa_sigaction = OnFatalSignal;
    ::sigaction(kFatalSignals[i], &action, nullptr);
  }
}

// Who terminates because of an exception that nobody has caught says which.
[[noreturn]] void OnTerminate() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) {
    std::fputs("terminated without an exception\n", stderr);
    std::abort();
  }
  int status = 0;
  char* name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  const char* readable = status == 0 ? name : type->name();
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "uncaught exception %s: %s\n", readable, exception.what());
  } catch (...) {
    std::fprintf(stderr, "uncaught exception %s\n", readable);
  }
  std::abort();
}

}  // namespace

void AllowStacksTo(int32_t pid) {
  // Without Yama it is an error, and not needed.
  static_cast<void>(::prctl(PR_SET_PTRACER, static_cast<unsigned long>(pid), 0, 0, 0));
}

LastWords::LastWords(const char* program) {
  absl::InitializeSymbolizer(program);
  std::set_terminate(OnTerminate);
  if (kOwnHandlers) InstallFailureHandler();
}

LastWords::~LastWords() { recorder.store(nullptr); }

absl::Status LastWords::Record(int scoreboard_fd, uint32_t slot) {
  auto scoreboard = Scoreboard::Map(scoreboard_fd);
  if (!scoreboard.ok()) return scoreboard.status();
  scoreboard_ = *std::move(scoreboard);
  FlightRecorder& mine = scoreboard_->recorder(slot);
  mine.Begin(::getpid());
  recorder.store(&mine, std::memory_order_release);
  return absl::OkStatus();
}

void LastWords::AskedBy(const SignalSender& sender) {
  if (FlightRecorder* mine = recorder.load()) mine->SetSender(sender);
}

int LastWords::Exit(int code) {
  if (FlightRecorder* mine = recorder.load()) mine->Finish(FlightRecorder::End::kExit, code);
  return code;
}

}  // namespace center::worker
