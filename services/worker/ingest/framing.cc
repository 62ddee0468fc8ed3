#include "services/worker/ingest/framing.h"

#include "absl/strings/str_cat.h"

namespace center::ingest {

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

}  // namespace center::ingest
