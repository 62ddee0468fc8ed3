#include "cli/top_view.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/text_width.h"

namespace center::cli {
namespace {

constexpr size_t kFilterBytesMax = 63;

struct SortKey {
  TopSort sort;
  absl::string_view name;
  char key;  // chooses it
};
constexpr SortKey kSorts[] = {
    {TopSort::kName, "name", 'n'},         {TopSort::kState, "state", 't'},
    {TopSort::kCpu, "cpu", 'c'},           {TopSort::kMemory, "memory", 'm'},
    {TopSort::kConnections, "conns", 'o'}, {TopSort::kPayloads, "payloads", 'p'},
    {TopSort::kBytes, "bytes", 'b'},       {TopSort::kLag, "lag", 'l'},
    {TopSort::kJournal, "journal", 'j'},
};

void ChooseSort(TopSort sort, TopView* view) {
  // A second time turns it round.
  view->reverse = view->sort == sort && !view->reverse;
  view->sort = sort;
}

void DropLastCharacter(std::string* text) {
  size_t last = 0;
  for (absl::string_view rest = *text; !rest.empty();) {
    const size_t bytes = FirstGlyph(rest).text.size();
    last = text->size() - rest.size();
    rest.remove_prefix(bytes);
  }
  text->resize(last);
}

void OnFilterKey(const Key& key, TopView* view) {
  switch (key.code) {
    case Key::Code::kText:
      if (view->filter.size() + key.text.size() <= kFilterBytesMax) view->filter += key.text;
      break;
    case Key::Code::kBackspace:
      DropLastCharacter(&view->filter);
      break;
    case Key::Code::kEnter:
      view->typing = false;
      break;
    case Key::Code::kEscape:
      view->filter = view->filter_before;
      view->typing = false;
      break;
    default:
      break;
  }
  view->scroll = 0;
}

// The next one that has something to show.
void ChooseNextSection(const TopExtent& extent, TopView* view) {
  const size_t count = extent.has_rows.size();
  for (size_t step = 1; step < count; ++step) {
    const size_t next = (static_cast<size_t>(view->section) + step) % count;
    if (!extent.has_rows[next]) continue;
    view->section = static_cast<TopSection>(next);
    view->scroll = 0;
    return;
  }
}

void OnLetter(char letter, TopView* view) {
  for (const SortKey& entry : kSorts) {
    if (entry.key == letter) return ChooseSort(entry.sort, view);
  }
  constexpr int kSortCount = static_cast<int>(std::size(kSorts));
  const int sort = static_cast<int>(view->sort);
  switch (letter) {
    case 'q':
      view->quit = true;
      break;
    case 's':
    case '>':
      ChooseSort(static_cast<TopSort>((sort + 1) % kSortCount), view);
      break;
    case '<':
      ChooseSort(static_cast<TopSort>((sort + kSortCount - 1) % kSortCount), view);
      break;
    case 'r':
      view->reverse = !view->reverse;
      break;
    case '/':
    case 'f':
      view->typing = true;
      view->filter_before = view->filter;
      break;
    case ' ':
      view->paused = !view->paused;
      break;
    case '?':
    case 'h':
      view->help = true;
      break;
    default:
      break;
  }
}

bool Passes(const std::string& filter, std::initializer_list<absl::string_view> names) {
  if (filter.empty()) return true;
  const std::string wanted = absl::AsciiStrToLower(filter);
  return std::any_of(names.begin(), names.end(), [&wanted](absl::string_view name) {
    return absl::StrContains(absl::AsciiStrToLower(name), wanted);
  });
}

std::string StateName(const TopServer& row) { return v1::ServerState_Name(row.server.state()); }
std::string StateName(const TopClient& row) {
  return row.process.has_value() ? v1::WorkerState_Name(row.process->state())
                                 : v1::ClientState_Name(row.client.state());
}
std::string StateName(const TopWorker& row) { return v1::WorkerState_Name(row.worker.state()); }

// A number to sort by: what is not known comes after everything else.
double Magnitude(TopSort sort, const TopFigures& figures) {
  switch (sort) {
    case TopSort::kCpu:
      return figures.cpu.value_or(-1);
    case TopSort::kMemory:
      return static_cast<double>(figures.resident_bytes);
    case TopSort::kConnections:
      return static_cast<double>(figures.connections);
    case TopSort::kPayloads:
      return figures.payloads_per_s.value_or(-1);
    case TopSort::kBytes:
      return figures.bytes_per_s.value_or(-1);
    case TopSort::kLag:
      return figures.lag.has_value() ? static_cast<double>(*figures.lag) : -1;
    case TopSort::kJournal:
      return static_cast<double>(figures.journal_bytes);
    case TopSort::kName:
    case TopSort::kState:
      return 0;
  }
  return 0;
}

// The coordinator lists by name, and slots by number: that order stays where nothing else decides.
template <typename Row>
void SortRows(const TopView& view, std::vector<Row>* rows) {
  const bool descending = SortsDescending(view.sort, view.reverse);
  if (view.sort == TopSort::kName) {
    if (descending) std::reverse(rows->begin(), rows->end());
    return;
  }
  std::stable_sort(rows->begin(), rows->end(), [&](const Row& left, const Row& right) {
    const Row& first = descending ? right : left;
    const Row& second = descending ? left : right;
    if (view.sort == TopSort::kState) return StateName(first) < StateName(second);
    return Magnitude(view.sort, first.figures) < Magnitude(view.sort, second.figures);
  });
}

template <typename Row, typename Keep>
void KeepIf(std::vector<Row>* rows, Keep&& keep) {
  rows->erase(
      std::remove_if(rows->begin(), rows->end(), [&keep](const Row& row) { return !keep(row); }),
      rows->end());
}

}  // namespace

std::vector<std::string> TopSortNames() {
  std::vector<std::string> names;
  for (const SortKey& entry : kSorts) names.emplace_back(entry.name);
  return names;
}

absl::optional<TopSort> ParseTopSort(absl::string_view name) {
  for (const SortKey& entry : kSorts) {
    if (entry.name == name) return entry.sort;
  }
  return absl::nullopt;
}

absl::string_view TopSortName(TopSort sort) { return kSorts[static_cast<size_t>(sort)].name; }

bool SortsDescending(TopSort sort, bool reverse) {
  return (sort != TopSort::kName && sort != TopSort::kState) != reverse;
}

void OnTopKey(const Key& key, const TopExtent& extent, TopView* view) {
  if (view->help) {
    // Any key closes it; q does nothing more than that.
    view->help = false;
    return;
  }
  if (view->typing) return OnFilterKey(key, view);
  const size_t page = std::max<size_t>(1, extent.page);
  view->scroll = std::min(view->scroll, extent.scroll_max);
  switch (key.code) {
    case Key::Code::kText:
      return OnLetter(key.text.size() == 1 ? key.text[0] : '\0', view);
    case Key::Code::kTab:
      return ChooseNextSection(extent, view);
    case Key::Code::kEscape:
      view->filter.clear();
      view->scroll = 0;
      break;
    case Key::Code::kUp:
      view->scroll -= std::min<size_t>(view->scroll, 1);
      break;
    case Key::Code::kDown:
      view->scroll = std::min(view->scroll + 1, extent.scroll_max);
      break;
    case Key::Code::kPageUp:
      view->scroll -= std::min(view->scroll, page);
      break;
    case Key::Code::kPageDown:
      view->scroll = std::min(view->scroll + page, extent.scroll_max);
      break;
    case Key::Code::kHome:
      view->scroll = 0;
      break;
    case Key::Code::kEnd:
      view->scroll = extent.scroll_max;
      break;
    default:
      break;
  }
}

TopData Arranged(TopData data, const TopView& view) {
  const std::string& filter = view.filter;
  KeepIf(&data.servers, [&](const TopServer& row) { return Passes(filter, {row.server.name()}); });
  KeepIf(&data.workers, [&](const TopWorker& row) { return Passes(filter, {row.worker.name()}); });
  KeepIf(&data.clients, [&](const TopClient& row) {
    return Passes(filter, {row.name(), row.client.spec().server()});
  });
  KeepIf(&data.jobs, [&](const TopJob& row) {
    return Passes(filter, {row.job.id(), row.job.spec().task(), row.job.spec().server()});
  });
  KeepIf(&data.events, [&](const v1::Event& event) { return Passes(filter, {event.subject()}); });
  SortRows(view, &data.servers);
  SortRows(view, &data.workers);
  SortRows(view, &data.clients);
  return data;
}

std::vector<std::string> TopHelpLines() {
  std::vector<std::string> lines = {
      "q, Ctrl-C     leave",
      "?             this help; any key closes it",
      "s, >  and  <  sort by the next column, by the one before",
  };
  for (const SortKey& entry : kSorts) {
    lines.push_back(absl::StrCat(std::string(1, entry.key), "             sort by ", entry.name));
  }
  const std::vector<std::string> more = {
      "r             turn the order round",
      "/             show only what has this text in its name; Escape ends that",
      "space         stop the picture, and go on",
      "tab           choose what gets the room: servers, workers, clients, jobs or events",
      "arrows, page up and down, home, end   scroll that",
      "",
      "CPU: 100% is one core. LAG: payloads that the slowest named subscription",
      "has not committed yet. Rates are means over 5 seconds.",
  };
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

}  // namespace center::cli
