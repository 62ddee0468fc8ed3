// Text from outside, made safe to show on a terminal.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center::cli {

// UTF-8 text in which nothing can move the cursor, change colours or hide: control characters
// become \x1b, \u0085 and the like, as do marks that reverse the direction of writing. Tabs and
// line feeds stay; what is no UTF-8 becomes \xff.
std::string VisibleText(absl::string_view text);
// The same on one line: tabs and line feeds become \t and \n.
std::string VisibleLine(absl::string_view text);

}  // namespace center::cli
