#include "cli/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::cli {
namespace {

// Set by the handler of SIGINT while a line is read.
volatile std::sig_atomic_t interrupted = 0;

void OnInterrupt(int /*signal*/) { interrupted = 1; }

// SIGINT only sets a flag while this lives.
class InterruptFlag {
 public:
  InterruptFlag() {
    interrupted = 0;
    struct sigaction action{};
    action.sa_handler = OnInterrupt;  // no SA_RESTART: the wait for a key ends
    ::sigaction(SIGINT, &action, &before_);
  }
  ~InterruptFlag() { ::sigaction(SIGINT, &before_, nullptr); }
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;

 private:
  struct sigaction before_{};
};

size_t TerminalWidth() {
  winsize size{};
  constexpr size_t kDefault = 80;
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kDefault;
}

void Print(absl::string_view text) {
  // What cannot be shown to a person at a terminal cannot be told to them either.
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
  std::fflush(stdout);
}

}  // namespace

struct LineEditor::Impl {
  explicit Impl(Options its_options) : options(std::move(its_options)) {}
  ~Impl() {
    if (edit != nullptr) ::el_end(edit);
    if (history != nullptr) ::history_end(history);
  }

  static Impl& Of(EditLine* edit) {
    void* data = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &data);
    return *static_cast<Impl*>(data);
  }
  static char* Prompt(EditLine* edit) { return Of(edit).prompt.data(); }
  static int ReadChar(EditLine* edit, wchar_t* character) { return Of(edit).NextChar(character); }
  static unsigned char Tab(EditLine* edit, int /*key*/) { return Of(edit).OnTab(); }

  int NextChar(wchar_t* character);
  unsigned char OnTab();
  void ShowWatched();

  const Options options;
  std::string prompt;
  bool asking = false;
  EditLine* edit = nullptr;
  History* history = nullptr;
};

// Waits for a key; meanwhile shows what comes from elsewhere above the line.
int LineEditor::Impl::NextChar(wchar_t* character) {
  std::mbstate_t state{};
  for (;;) {
    if (interrupted != 0) {
      errno = EINTR;
      return -1;
    }
    const int watched = options.watched_fd ? options.watched_fd() : -1;
    pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {watched, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;  // a signal: looked at above
    if (fds[1].revents != 0) ShowWatched();
    if (fds[0].revents == 0) continue;
    char byte = 0;
    const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return static_cast<int>(got);
    const size_t size = std::mbrtowc(character, &byte, 1, &state);
    if (size == static_cast<size_t>(-2)) continue;  // the beginning of a character
    if (size == static_cast<size_t>(-1)) {
      state = std::mbstate_t{};
      continue;  // no character in this locale
    }
    return 1;
  }
}

void LineEditor::Impl::ShowWatched() {
  const std::string text = options.read_watched();
  if (text.empty()) return;
  Print(absl::StrCat("\r\033[K", text));
  ::el_set(edit, EL_REFRESH);
}

unsigned char LineEditor::Impl::OnTab() {
  if (asking) return CC_REFRESH_BEEP;
  const LineInfo* info = ::el_line(edit);
  const std::string before(info->buffer, info->cursor);
  const Typed typed = SplitTyped(before);
  const Completion completion = options.complete(typed);
  if (completion.candidates.empty()) return CC_REFRESH_BEEP;
  const std::string common = CommonPrefix(completion.candidates);
  const bool single = completion.candidates.size() == 1;
  std::string insert = single ? QuoteWord(common) : common;
  if (single && insert.back() != '=') insert += ' ';
  const std::string replaced = before.substr(typed.current_start);
  if (insert != replaced && (single || common.size() > typed.current.size())) {
    ::el_deletestr(edit, static_cast<int>(replaced.size()));
    if (::el_insertstr(edit, insert.c_str()) != 0) return CC_REFRESH_BEEP;
    return CC_REFRESH;
  }
  Print(absl::StrCat("\n", CandidateTable(completion.candidates, TerminalWidth())));
  return CC_REDISPLAY;
}

LineEditor::LineEditor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LineEditor::~LineEditor() = default;

absl::StatusOr<std::unique_ptr<LineEditor>> LineEditor::Create(Options options) {
  if (::isatty(STDIN_FILENO) == 0) return absl::FailedPreconditionError("stdin is no terminal");
  std::setlocale(LC_CTYPE, "");
  auto impl = std::make_unique<Impl>(std::move(options));
  impl->prompt = impl->options.prompt;
  impl->edit = ::el_init("centerctl", stdin, stdout, stderr);
  impl->history = ::history_init();
  if (impl->edit == nullptr || impl->history == nullptr) {
    return absl::FailedPreconditionError("the terminal cannot be edited on");
  }
  EditLine* edit = impl->edit;
  HistEvent event;
  ::history(impl->history, &event, H_SETSIZE, kHistoryLinesMax);
  ::history(impl->history, &event, H_SETUNIQUE, 1);
  if (!impl->options.history_file.empty()) {
    // The first time there is none.
    ::history(impl->history, &event, H_LOAD, impl->options.history_file.c_str());
  }
  ::el_set(edit, EL_CLIENTDATA, impl.get());
  ::el_set(edit, EL_PROMPT, &Impl::Prompt);
  ::el_set(edit, EL_EDITOR, "emacs");
  ::el_set(edit, EL_HIST, ::history, impl->history);
  ::el_set(edit, EL_GETCFN, &Impl::ReadChar);
  ::el_set(edit, EL_ADDFN, "center-complete", "completes a word", &Impl::Tab);
  ::el_set(edit, EL_BIND, "^I", "center-complete", nullptr);
  ::el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  ::el_source(edit, nullptr);  // ~/.editrc
  return std::unique_ptr<LineEditor>(new LineEditor(std::move(impl)));
}

LineEditor::Result LineEditor::Read(std::string* line) {
  line->clear();
  const InterruptFlag flag;
  int count = 0;
  // libedit shows the prompt first, and only then turns the terminal's echo off: what is typed in
  // between would be shown by the terminal, and libedit would not know of it.
  ::el_set(impl_->edit, EL_PREP_TERM, 1);
  const char* text = ::el_gets(impl_->edit, &count);
  if (interrupted != 0) {
    Print("^C\n");
    ::el_reset(impl_->edit);
    return Result::kInterrupted;
  }
  if (text == nullptr || count <= 0) return Result::kEnd;
  line->assign(text, static_cast<size_t>(count));
  while (!line->empty() && (line->back() == '\n' || line->back() == '\r')) line->pop_back();
  return Result::kLine;
}

LineEditor::Result LineEditor::Ask(const std::string& question, std::string* line) {
  impl_->prompt = question;
  impl_->asking = true;
  const Result result = Read(line);
  impl_->prompt = impl_->options.prompt;
  impl_->asking = false;
  return result;
}

void LineEditor::AddHistory(absl::string_view line) {
  HistEvent event;
  const std::string copy(line);
  ::history(impl_->history, &event, H_ENTER, copy.c_str());
  if (impl_->options.history_file.empty()) return;
  // A history that cannot be kept is no reason to bother anybody.
  ::history(impl_->history, &event, H_SAVE, impl_->options.history_file.c_str());
}

std::string CommonPrefix(const std::vector<Candidate>& candidates) {
  if (candidates.empty()) return "";
  std::string common = candidates.front().text;
  for (const Candidate& candidate : candidates) {
    const auto differs =
        std::mismatch(common.begin(), common.end(), candidate.text.begin(), candidate.text.end());
    common.erase(differs.first, common.end());
  }
  return common;
}

std::string CandidateTable(const std::vector<Candidate>& candidates, size_t width) {
  size_t longest = 0;
  bool described = false;
  for (const Candidate& candidate : candidates) {
    longest = std::max(longest, candidate.text.size());
    described = described || !candidate.description.empty();
  }
  const size_t column = longest + 2;
  std::string out;
  size_t at = 0;
  for (const Candidate& candidate : candidates) {
    std::string cell = candidate.text;
    cell.resize(column, ' ');
    if (described) {
      const size_t room = width > column + 1 ? width - column - 1 : 0;
      absl::StrAppend(&out, cell, candidate.description.substr(0, room), "\n");
      continue;
    }
    if (at + column > width && at > 0) {
      out += '\n';
      at = 0;
    }
    out += cell;
    at += column;
  }
  if (at > 0) out += '\n';
  return out;
}

}  // namespace center::cli
