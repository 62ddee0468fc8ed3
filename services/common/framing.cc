#include "services/common/framing.h"

#include "absl/strings/str_cat.h"

namespace center {

absl::string_view FramingName(Framing framing) {
  switch (framing) {
    case Framing::kLine:
      return "line";
    case Framing::kLength:
      return "length";
    case Framing::kOctet:
      return "octet";
    case Framing::kChunk:
      return "chunk";
  }
  return "";
}

absl::StatusOr<Framing> ParseFraming(absl::string_view text) {
  for (const Framing framing :
       {Framing::kLine, Framing::kLength, Framing::kOctet, Framing::kChunk}) {
    if (text == FramingName(framing)) return framing;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown framing '", text, "': use line, length, octet or chunk"));
}

void AppendFrame(Framing framing, absl::string_view payload, std::string* out) {
  switch (framing) {
    case Framing::kLine:
      absl::StrAppend(out, payload, "\n");
      return;
    case Framing::kLength: {
      const auto size = static_cast<uint32_t>(payload.size());
      const char header[] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                             static_cast<char>(size >> 8), static_cast<char>(size)};
      out->append(header, sizeof header);
      absl::StrAppend(out, payload);
      return;
    }
    case Framing::kOctet:
      absl::StrAppend(out, payload.size(), " ", payload);
      return;
    case Framing::kChunk:
      absl::StrAppend(out, payload);
      return;
  }
}

}  // namespace center
