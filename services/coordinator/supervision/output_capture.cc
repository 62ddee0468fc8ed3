#include "services/coordinator/supervision/output_capture.h"

#include <chrono>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace center::supervision {
namespace {

// The length of the UTF-8 character at the front of `text`; 0 when there is none (overlong forms,
// surrogates and cut sequences are none).
size_t CharacterLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

// What is no text becomes '?', so that a protobuf string takes the result.
std::string ToText(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    const auto lead = static_cast<uint8_t>(bytes.front());
    const bool control = (lead < 0x20 && lead != '\n' && lead != '\t') || lead == 0x7F;
    if (length == 0 || control) {
      text.push_back('?');
      bytes.remove_prefix(1);
    } else {
      text.append(bytes.data(), length);
      bytes.remove_prefix(length);
    }
  }
  return text;
}

}  // namespace

void OutputCapture::Feed(Stream stream, absl::string_view bytes, SteadyTime now) {
  if (stream == Stream::kStderr) {
    stderr_tail_.append(bytes.data(), bytes.size());
    if (stderr_tail_.size() > 2 * kStderrTailBytesMax) {
      stderr_tail_.erase(0, stderr_tail_.size() - kStderrTailBytesMax);
    }
  }
  std::string& partial = partial_[static_cast<size_t>(stream)];
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t room = kOutputLineBytesMax - partial.size();
    const size_t length = end == absl::string_view::npos ? bytes.size() : end;
    if (length > room) {
      partial.append(bytes.data(), room);
      bytes.remove_prefix(room);
    } else {
      partial.append(bytes.data(), length);
      bytes.remove_prefix(length);
      if (bytes.empty()) return;
      bytes.remove_prefix(1);
    }
    Emit(partial, now);
    partial.clear();
  }
}

void OutputCapture::Finish(SteadyTime now) {
  for (std::string& partial : partial_) {
    if (!partial.empty()) Emit(partial, now);
    partial.clear();
  }
  ReportDropped();
}

std::string OutputCapture::StderrTail() const {
  if (stderr_tail_.size() <= kStderrTailBytesMax) return ToText(stderr_tail_);
  const size_t begin = stderr_tail_.size() - kStderrTailBytesMax;
  const size_t line_end = stderr_tail_.find('\n', begin - 1);
  // A cut line at the front says little; a tail that is one long line says more than nothing.
  const bool lines_follow = line_end != std::string::npos && line_end + 1 < stderr_tail_.size();
  const absl::string_view tail = stderr_tail_;
  return ToText(tail.substr(lines_follow ? line_end + 1 : begin));
}

void OutputCapture::Emit(absl::string_view line, SteadyTime now) {
  if (lines_in_window_ == 0 || now - window_start_ >= std::chrono::seconds(1)) {
    window_start_ = now;
    lines_in_window_ = 0;
  }
  if (lines_in_window_ >= kOutputLinesPerSecondMax) {
    ++dropped_;
    return;
  }
  ++lines_in_window_;
  ReportDropped();
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  sink_(line);
}

void OutputCapture::ReportDropped() {
  if (dropped_ == 0) return;
  sink_(absl::StrCat("(", dropped_, dropped_ == 1 ? " line" : " lines", " dropped: more than ",
                     kOutputLinesPerSecondMax, " per second)"));
  dropped_ = 0;
}

}  // namespace center::supervision
