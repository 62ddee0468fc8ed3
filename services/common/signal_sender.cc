#include "services/common/signal_sender.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"

namespace center {
namespace {

// No sprintf in a signal handler.
void WriteCommPath(int32_t pid, char* path) {
  char digits[16];
  int count = 0;
  for (; pid > 0; pid /= 10) digits[count++] = static_cast<char>('0' + pid % 10);
  constexpr char kBegin[] = "/proc/";
  constexpr char kEnd[] = "/comm";
  std::memcpy(path, kBegin, sizeof kBegin - 1);
  path += sizeof kBegin - 1;
  while (count > 0) *path++ = digits[--count];
  std::memcpy(path, kEnd, sizeof kEnd);
}

}  // namespace

SignalSender SenderOf(const siginfo_t& info) {
  SignalSender sender;
  if (info.si_code != SI_USER && info.si_code != SI_TKILL && info.si_code != SI_QUEUE) {
    return sender;
  }
  sender.pid = info.si_pid;
  sender.uid = info.si_uid;
  if (sender.pid <= 0) return sender;
  const int saved_errno = errno;
  char path[40];
  WriteCommPath(sender.pid, path);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const ssize_t size = ::read(fd, sender.command, sizeof sender.command - 1);
    for (ssize_t i = 0; i < size; ++i) {
      if (sender.command[i] == '\n') sender.command[i] = '\0';
    }
    ::close(fd);
  }
  errno = saved_errno;
  return sender;
}

std::string DescribeSender(const SignalSender& sender) {
  if (sender.pid == 0) return "";
  const std::string command(sender.command, strnlen(sender.command, sizeof sender.command));
  return absl::StrCat("process ", sender.pid,
                      command.empty() ? "" : absl::StrCat(" (", Printable(command), ")"), ", uid ",
                      sender.uid);
}

}  // namespace center
