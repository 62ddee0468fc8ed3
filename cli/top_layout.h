// How `top` looks: data to lines of a given width and number.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cli/output.h"
#include "cli/top_data.h"
#include "cli/top_view.h"

namespace center::cli {

// What is to be said beside the data.
struct TopNotice {
  Color color = Color::kNone;
  std::string text;
};

struct TopPicture {
  std::vector<std::string> lines;
  TopExtent extent;  // of the section that is scrolled
};

// A screen of `rows` lines (at least 1), none wider than the style's columns.
TopPicture DrawTop(const TopData& data, const TopView& view, const TopNotice& notice,
                   const std::string& address, const Style& style, size_t rows);

// The same once, for a file: all servers, workers, clients and jobs, the latest events.
std::string TopReport(const TopData& data, const TopView& view, const std::string& address,
                      const Style& style);

// Which of the sections gets how many of `rows` lines. `wanted`: header and contents, 0 for one
// that is empty. The section in front gets all that it wants as long as the others keep their
// header and a few lines; where even that does not fit, the later ones are left out.
using TopShares = std::array<size_t, kTopSections>;
TopShares ShareRows(const TopShares& wanted, TopSection front, size_t rows);

}  // namespace center::cli
