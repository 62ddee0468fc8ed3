// wc(1) for each input.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

// Bytes between two looks at the stop token.
constexpr size_t kWordsSliceBytes = 1 << 20;

int CountWords(void* /*state*/, center_call* call) {
  const absl::string_view text = ToView(call->input);
  uint64_t lines = 0;
  uint64_t words = 0;
  bool in_word = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool space = absl::ascii_isspace(static_cast<unsigned char>(text[i]));
    lines += text[i] == '\n' ? 1 : 0;
    words += !space && !in_word ? 1 : 0;
    in_word = !space;
    if (i % kWordsSliceBytes == kWordsSliceBytes - 1 && call->stopping(call) != 0) {
      return FailInput(call, "stopped");
    }
  }
  return Append(call, absl::StrCat(lines, " ", words, " ", text.size()));
}

}  // namespace

const center_task kWordcountTask = {
    "wordcount",
    "counts line feeds, words and bytes, as wc does",
    "Input:  text. Words are separated by white space of ASCII.\n"
    "Result: \"LINES WORDS BYTES\". A line of a file has no line feed of its own.\n",
    nullptr,
    nullptr,
    &CountWords,
    nullptr};

}  // namespace center::compute
