// The experiment's picture: a bar for each mode, as long as it took.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/experiment.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr int kWidth = 760;
constexpr int kBars = 130;     // of the bars
constexpr int kFigures = 170;  // room for the figures
constexpr int kFirstBar = 64;
constexpr int kBarHeight = 28;
constexpr int kStep = 44;

const char* Fill(Mode mode) {
  switch (mode) {
    case Mode::kSequential:
      return "#7f8c8d";
    case Mode::kMultiProcess:
      return "#1f77b4";
    case Mode::kAsync:
      return "#e6a23c";
    case Mode::kMultiThread:
      return "#2ca02c";
  }
  return "#000";
}

}  // namespace

std::string ExperimentSvg(const Measurement& m) {
  double longest = 0;
  for (const Mode mode : kModes) longest = std::max(longest, m.Best(mode));
  const int height = kFirstBar + kStep * static_cast<int>(std::size(kModes)) + 12;
  const std::string title =
      absl::StrCat(FormatCount(m.tasks), " countdowns on ", m.cores,
                   m.cores == 1 ? " core" : " cores", ": time, less is better");
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"14\" "
      "role=\"img\">\n<title>%s</title>\n<desc>%s</desc>"
      "\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
      "<text x=\"16\" y=\"34\" font-size=\"18\" font-weight=\"bold\">%s</text>\n",
      kWidth, height, kWidth, height, title, ExperimentSentences(m), title);
  int y = kFirstBar;
  for (const Mode mode : kModes) {
    const double width = m.Best(mode) / longest * (kWidth - kBars - kFigures);
    const int baseline = y + kBarHeight / 2 + 5;
    absl::StrAppendFormat(
        &svg,
        "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n"
        "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"3\" fill=\"%s\"/>\n"
        "<text x=\"%.1f\" y=\"%d\">%s, %.2f x, %.0f %%</text>\n",
        kBars - 10, baseline, ModeName(mode), kBars, y, width, kBarHeight, Fill(mode),
        kBars + width + 8, baseline, FormatShortDuration(absl::Seconds(m.Best(mode))),
        m.SpeedUp(mode), m.Efficiency(mode) * 100);
    y += kStep;
  }
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace center::cli
