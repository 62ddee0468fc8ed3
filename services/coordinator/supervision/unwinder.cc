#include "services/coordinator/supervision/unwinder.h"

#include <cxxabi.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace center::supervision {
namespace {

#if defined(__x86_64__)
// As DWARF numbers them.
std::vector<Dwarf_Word> DwarfRegisters(const Registers& r) {
  return {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
          r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
}
#else
std::vector<Dwarf_Word> DwarfRegisters(const Registers& r) {
  std::vector<Dwarf_Word> registers(std::begin(r.regs), std::end(r.regs));
  registers.push_back(r.sp);
  return registers;
}
#endif

absl::Status DwflError(absl::string_view what) {
  const char* message = ::dwfl_errmsg(-1);
  return absl::InternalError(
      absl::StrCat(what, ": ", message == nullptr ? "unknown error" : message));
}

// A program that was replaced while it runs ("… (deleted)") is still to be had from /proc.
int FindElf(Dwfl_Module* module, void** userdata, const char* name, Dwarf_Addr base,
            char** file_name, Elf** elf) {
  const int fd = ::dwfl_linux_proc_find_elf(module, userdata, name, base, file_name, elf);
  if (fd >= 0 || *elf != nullptr || !absl::EndsWith(name, " (deleted)")) return fd;
  const char* exe = static_cast<const char*>(*userdata);
  if (exe == nullptr) return -1;
  char target[PATH_MAX];
  const ssize_t length = ::readlink(exe, target, sizeof target);
  if (length < 0 || absl::string_view(target, static_cast<size_t>(length)) != name) return -1;
  const int opened = ::open(exe, O_RDONLY | O_CLOEXEC);
  if (opened >= 0) *file_name = ::strdup(exe);
  return opened;
}

// What the callbacks of one Unwind share.
struct Walk {
  const ProcessSnapshot* snapshot = nullptr;
  size_t next = 0;                               // thread that is asked for next
  std::map<uint64_t, absl::string_view> stacks;  // by the address of their first byte
  std::vector<ThreadStack> threads;
};

pid_t NextThread(Dwfl* /*dwfl*/, void* argument, void** thread) {
  auto* walk = static_cast<Walk*>(argument);
  const std::vector<ThreadSnapshot>& all = walk->snapshot->threads;
  while (walk->next < all.size() && !all[walk->next].stopped) ++walk->next;
  if (walk->next == all.size()) return 0;
  // The library gives it back to SetRegisters, which does not change it.
  *thread = const_cast<ThreadSnapshot*>(&all[walk->next]);  // NOLINT
  return static_cast<pid_t>(all[walk->next++].tid);
}

bool ReadMemory(Dwfl* /*dwfl*/, Dwarf_Addr address, Dwarf_Word* word, void* argument) {
  const auto* walk = static_cast<Walk*>(argument);
  auto after = walk->stacks.upper_bound(address);
  if (after == walk->stacks.begin()) return false;
  const auto& [base, bytes] = *--after;
  const uint64_t offset = address - base;
  if (bytes.size() < sizeof *word || offset > bytes.size() - sizeof *word) return false;
  std::memcpy(word, bytes.data() + offset, sizeof *word);
  return true;
}

bool SetRegisters(Dwfl_Thread* thread, void* argument) {
  const auto& snapshot = *static_cast<const ThreadSnapshot*>(argument);
  const std::vector<Dwarf_Word> registers = DwarfRegisters(snapshot.registers);
#if defined(__aarch64__)
  ::dwfl_thread_state_register_pc(thread, snapshot.registers.pc);
#endif
  return ::dwfl_thread_state_registers(thread, 0, static_cast<unsigned>(registers.size()),
                                       registers.data());
}

int OnFrame(Dwfl_Frame* state, void* argument) {
  auto* thread = static_cast<ThreadStack*>(argument);
  Dwarf_Addr pc = 0;
  bool is_activation = false;
  if (!::dwfl_frame_pc(state, &pc, &is_activation)) return DWARF_CB_ABORT;
  if (pc == 0) return DWARF_CB_ABORT;
  // A return address may be the first instruction after its function.
  thread->frames.push_back({.address = is_activation || thread->frames.empty() ? pc : pc - 1});
  return thread->frames.size() < kFramesMax ? DWARF_CB_OK : DWARF_CB_ABORT;
}

int OnThread(Dwfl_Thread* state, void* argument) {
  auto* walk = static_cast<Walk*>(argument);
  ThreadStack thread{.tid = ::dwfl_thread_tid(state)};
  // Where it ends, by an error or at the outermost frame: what was found until then counts.
  static_cast<void>(::dwfl_thread_getframes(state, OnFrame, &thread));
  walk->threads.push_back(std::move(thread));
  return DWARF_CB_OK;
}

absl::string_view Basename(absl::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string Demangle(const char* name) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  const std::string result = status == 0 ? demangled : name;
  std::free(demangled);
  return ShortFunction(result);
}

void Symbolise(Dwfl* dwfl, StackFrame* frame) {
  Dwfl_Module* module = ::dwfl_addrmodule(dwfl, frame->address);
  if (module == nullptr) return;
  if (const char* name = ::dwfl_module_addrname(module, frame->address)) {
    frame->function = Demangle(name);
  }
  int line_number = 0;
  Dwfl_Line* line = ::dwfl_module_getsrc(module, frame->address);
  const char* source =
      line == nullptr ? nullptr
                      : ::dwfl_lineinfo(line, nullptr, &line_number, nullptr, nullptr, nullptr);
  if (source != nullptr) {
    frame->location = absl::StrCat(Basename(source), ":", line_number);
    return;
  }
  const char* file =
      ::dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  if (file != nullptr) frame->location = std::string(Basename(file));
}

}  // namespace

struct Unwinder::State {
  std::string exe;  // /proc/<pid>/exe
  char* debuginfo_path = nullptr;
  Dwfl_Callbacks callbacks{};
  Dwfl_Thread_Callbacks thread_callbacks{};
  Dwfl* dwfl = nullptr;
  int64_t pid = 0;
};

Unwinder::Unwinder(std::unique_ptr<State> state) : state_(std::move(state)) {}

Unwinder::~Unwinder() {
  if (state_->dwfl != nullptr) ::dwfl_end(state_->dwfl);
}

absl::StatusOr<std::unique_ptr<Unwinder>> Unwinder::Open(int64_t pid) {
  auto state = std::make_unique<State>();
  state->pid = pid;
  state->exe = absl::StrCat("/proc/", pid, "/exe");
  state->callbacks.find_elf = FindElf;
  state->callbacks.find_debuginfo = ::dwfl_standard_find_debuginfo;
  state->callbacks.debuginfo_path = &state->debuginfo_path;
  state->dwfl = ::dwfl_begin(&state->callbacks);
  if (state->dwfl == nullptr) return DwflError("dwfl_begin");
  Dwfl* dwfl = state->dwfl;
  State* borrowed = state.get();
  // Not make_unique: the constructor is private. It ends the Dwfl.
  std::unique_ptr<Unwinder> unwinder(new Unwinder(std::move(state)));
  if (const int error = ::dwfl_linux_proc_report(dwfl, static_cast<pid_t>(pid)); error != 0) {
    return error > 0 ? absl::NotFoundError(absl::StrCat("process ", pid, ": ", strerror(error)))
                     : DwflError("the files that the process has mapped");
  }
  ::dwfl_report_end(dwfl, nullptr, nullptr);
  ::dwfl_getmodules(
      dwfl,
      [](Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, void* argument) {
        *userdata = argument;
        return static_cast<int>(DWARF_CB_OK);
      },
      borrowed->exe.data(), 0);
  return unwinder;
}

absl::Status Unwinder::Unwind(const ProcessSnapshot& snapshot,
                              const std::function<void(const ThreadStack&)>& sink) {
  Walk walk{.snapshot = &snapshot};
  for (const ThreadSnapshot& thread : snapshot.threads) {
    if (thread.stopped) walk.stacks[thread.stack_begin] = thread.stack;
  }
  state_->thread_callbacks.next_thread = NextThread;
  state_->thread_callbacks.memory_read = ReadMemory;
  state_->thread_callbacks.set_initial_registers = SetRegisters;
  if (!::dwfl_attach_state(state_->dwfl, nullptr, static_cast<pid_t>(state_->pid),
                           &state_->thread_callbacks, &walk)) {
    return DwflError("dwfl_attach_state");
  }
  if (::dwfl_getthreads(state_->dwfl, OnThread, &walk) != 0) return DwflError("dwfl_getthreads");
  size_t unwound = 0;
  for (const ThreadSnapshot& thread : snapshot.threads) {
    ThreadStack stack{.tid = thread.tid};
    if (thread.stopped) {
      if (unwound < walk.threads.size()) stack = std::move(walk.threads[unwound++]);
    } else {
      stack.note = "it did not stop: in a system call that cannot be interrupted";
    }
    if (snapshot.was_stopped && thread.tid == state_->pid) {
      stack.note = "the process was stopped, as by SIGSTOP";
    }
    stack.name = thread.name;
    for (StackFrame& frame : stack.frames) Symbolise(state_->dwfl, &frame);
    sink(stack);
  }
  return absl::OkStatus();
}

void DumpStacks(int64_t pid, const std::function<void(absl::string_view)>& write) {
  // Nothing is downloaded.
  ::unsetenv("DEBUGINFOD_URLS");
  auto unwinder = Unwinder::Open(pid);
  if (!unwinder.ok()) return write(EncodeError(unwinder.status()));
  const auto snapshot = TakeSnapshot(pid);
  if (!snapshot.ok()) return write(EncodeError(snapshot.status()));
  write(EncodeHeader(snapshot->stopped_for));
  const absl::Status status = (*unwinder)->Unwind(
      *snapshot, [&write](const ThreadStack& thread) { write(EncodeThread(thread)); });
  if (status.ok()) return write(EncodeEnd());
  write(EncodeThread({.note = std::string(status.message())}));
}

}  // namespace center::supervision
