// Text from outside as protobuf strings must be: a message that holds anything but UTF-8 cannot be
// read again.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center {

// `text` with every byte that belongs to no UTF-8 character as a C escape ("\xff").
std::string ValidUtf8(absl::string_view text);

// The same for text of several lines: what is not printable is escaped, line feeds stay.
std::string Utf8Lines(absl::string_view text);

}  // namespace center
