#include "cli/top_layout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/consent.h"
#include "cli/text_width.h"
#include "cli/top_tables.h"
#include "cli/views.h"
#include "cli/visible_text.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

// Header and as many lines stay of each section while another one grows.
constexpr size_t kLeastRows = 4;
// Screens with fewer lines have no empty ones.
constexpr size_t kRoomyRows = 24;
// The state of the fleet above, the keys below.
constexpr size_t kFrameRows = 3;
constexpr size_t kReportEvents = 10;

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// Pieces from the left as long as they fit.
std::string Joined(const std::vector<std::string>& pieces, const Style& style) {
  std::string line;
  for (const std::string& piece : pieces) {
    if (piece.empty()) continue;
    const std::string longer = line.empty() ? piece : absl::StrCat(line, "  ", piece);
    if (style.columns() > 0 && DisplayWidth(longer) > style.columns()) {
      return line.empty() ? Shortened(piece, style.columns()) : line;
    }
    line = longer;
  }
  return line;
}

// Nothing where there are none: most fleets have no traffic of their own.
std::string ClientsText(const TopData& data) {
  size_t running = 0;
  double per_s = 0;
  for (const TopClient& row : data.clients) {
    running += row.process.has_value() ? 1 : 0;
    per_s += row.figures.payloads_per_s.value_or(0);
  }
  if (running == 0) return "";
  return absl::StrCat(Counted(running, "client", "clients"), " sending ", RateText(per_s));
}

// Whose fleet, and how it is as a whole.
std::vector<std::string> HeadLines(const TopData& data, const std::string& address,
                                   const Style& style) {
  const absl::Time start = ToTime(data.coordinator.start_time());
  size_t ready = 0;
  for (const TopWorker& row : data.workers) {
    ready += row.worker.state() == v1::WORKER_STATE_READY ? 1 : 0;
  }
  const TopFigures& total = data.total;
  const std::string first =
      Joined({absl::StrCat("Center ", VisibleLine(data.coordinator.version())),
              absl::FormatTime("%H:%M:%S", data.time, absl::LocalTimeZone()),
              absl::StrCat("up ", FormatAge(data.time - start)), VisibleLine(address)},
             style);
  const std::string second = Joined(
      {Counted(data.servers.size(), "server", "servers"),
       absl::StrCat(ready, "/", data.workers.size(), " workers ready"),
       absl::StrCat(RateText(total.payloads_per_s), " payloads"), ByteRateText(total.bytes_per_s),
       Counted(total.connections, "connection", "connections"),
       absl::StrCat(CpuText(total.cpu), " CPU"),
       absl::StrCat(FormatBytes(total.resident_bytes), " memory"),
       absl::StrCat(FormatBytes(total.journal_bytes), " journals"), ClientsText(data)},
      style);
  return {style(Color::kBold, first), second};
}

std::string FootLine(const TopView& view, const TopNotice& notice, const Style& style) {
  if (view.typing) {
    const std::string text = absl::StrCat("filter: ", VisibleLine(view.filter), "_");
    return style(Color::kBold, Shortened(text, style.columns()));
  }
  if (!notice.text.empty()) {
    return style(notice.color, Shortened(VisibleLine(notice.text), style.columns()));
  }
  const std::string text = Joined(
      {"q quit", view.paused ? "space go on" : "space pause",
       absl::StrCat("s sort: ", TopSortName(view.sort)),
       view.filter.empty() ? "/ filter" : absl::StrCat("/ filter: ", VisibleLine(view.filter)),
       "? help", "r reverse", "tab next table"},
      style);
  return style(Color::kDim, text);
}

// Of each section its header and its rows; empty: it has none.
using Sections = std::array<std::vector<std::string>, kTopSections>;

Sections RenderSections(const TopData& data, const TopView& view, const Style& style) {
  Sections sections;
  const auto render = [&](size_t index, const Table& table) {
    if (!table.empty()) sections[index] = LinesOf(table.Render(style));
  };
  render(0, TopServerTable(data.servers, view));
  render(1, TopWorkerTable(data.workers, view));
  render(2, TopClientTable(data.clients, view));
  render(3, TopJobTable(data.jobs, view, data.time));
  render(4, TopEventTable(data.events, view, data.time));
  return sections;
}

// The header, and behind it as many lines as there is room for from `scroll` on.
void AppendCut(const std::vector<std::string>& lines, size_t room, size_t scroll,
               const Style& style, std::vector<std::string>* out) {
  if (room == 0 || lines.empty()) return;
  out->push_back(lines[0]);
  const size_t body = room - 1;
  const size_t hidden = lines.size() - 1 - std::min(lines.size() - 1, scroll + body);
  for (size_t i = 0; i < body && 1 + scroll + i < lines.size(); ++i) {
    if (hidden > 0 && i + 1 == body && body > 1) {
      out->push_back(
          style(Color::kDim, Shortened(absl::StrCat("… ", hidden + 1, " more"), style.columns())));
    } else {
      out->push_back(lines[1 + scroll + i]);
    }
  }
}

std::vector<std::string> HelpScreen(const Style& style, size_t rows) {
  std::vector<std::string> lines;
  for (const std::string& line : TopHelpLines()) lines.push_back(Shortened(line, style.columns()));
  if (lines.size() > rows) lines.resize(rows);
  return lines;
}

}  // namespace

TopShares ShareRows(const TopShares& wanted, TopSection front, size_t rows) {
  const auto chosen = static_cast<size_t>(front);
  std::vector<size_t> order = {chosen};
  for (const size_t index : {1, 0, 2, 3, 4}) {
    if (index != chosen) order.push_back(index);
  }
  TopShares shares{};
  const auto grow = [&](size_t index, size_t most) {
    const size_t goal = std::min(most, wanted[index]);
    const size_t more = std::min(rows, goal > shares[index] ? goal - shares[index] : 0);
    // A header alone says nothing.
    if (shares[index] + more == 1) return;
    shares[index] += more;
    rows -= more;
  };
  for (const size_t least : {size_t{2}, kLeastRows}) {
    for (const size_t index : order) grow(index, least);
  }
  for (const size_t index : order) grow(index, wanted[index]);
  return shares;
}

TopPicture DrawTop(const TopData& data, const TopView& view, const TopNotice& notice,
                   const std::string& address, const Style& style, size_t rows) {
  TopPicture picture;
  if (view.help) {
    picture.lines = HelpScreen(style, rows);
    return picture;
  }
  picture.lines = HeadLines(data, address, style);
  const Sections sections = RenderSections(Arranged(data, view), view, style);
  const bool roomy = rows >= kRoomyRows;
  size_t gaps = 0;
  TopShares wanted{};
  for (size_t i = 0; i < kTopSections; ++i) {
    wanted[i] = sections[i].size();
    gaps += roomy && wanted[i] > 0 ? 1 : 0;
  }
  const size_t frame = kFrameRows + gaps;
  const TopShares shares = ShareRows(wanted, view.section, rows > frame ? rows - frame : 0);
  for (size_t i = 0; i < kTopSections; ++i) {
    const bool front = i == static_cast<size_t>(view.section);
    const size_t hidden = wanted[i] - shares[i];
    picture.extent.has_rows[i] = wanted[i] > 0;
    if (front) {
      picture.extent.page = std::max<size_t>(2, shares[i]) - 1;
      picture.extent.scroll_max = hidden;
    }
    if (shares[i] == 0) continue;
    if (roomy) picture.lines.emplace_back();
    AppendCut(sections[i], shares[i], front ? std::min(view.scroll, hidden) : 0, style,
              &picture.lines);
  }
  if (sections[0].empty() && data.servers.empty() && picture.lines.size() + 1 < rows) {
    picture.lines.push_back(
        Shortened("there are no servers yet: `centerctl server start`", style.columns()));
  }
  // The keys stand on the last line; on a screen without room they go last.
  if (picture.lines.size() >= rows) picture.lines.resize(rows - 1);
  picture.lines.resize(rows - 1);
  picture.lines.push_back(FootLine(view, notice, style));
  return picture;
}

std::string TopReport(const TopData& data, const TopView& view, const std::string& address,
                      const Style& style) {
  TopData arranged = Arranged(data, view);
  if (arranged.events.size() > kReportEvents) arranged.events.resize(kReportEvents);
  std::string text;
  for (const std::string& line : HeadLines(data, address, style)) {
    absl::StrAppend(&text, line, "\n");
  }
  for (const auto& lines : RenderSections(arranged, view, style)) {
    if (lines.empty()) continue;
    absl::StrAppend(&text, "\n");
    for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace center::cli
