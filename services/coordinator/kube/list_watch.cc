#include "services/coordinator/kube/list_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::kube {
namespace {

constexpr double kJitter = 0.25;  // of a pause, to both sides
constexpr uint32_t kDoublingsMax = 16;
// A watch is given this much more time than the server is asked for.
constexpr absl::Duration kWatchGrace = absl::Seconds(15);

}  // namespace

ListWatch::ListWatch(Transport& transport, ListWatchOptions options, Handlers handlers)
    : transport_(transport), options_(std::move(options)), handlers_(std::move(handlers)) {}

absl::Duration ListWatch::Round() {
  absl::Status status;
  retry_after_ = absl::ZeroDuration();
  seen_ = false;
  if (version_.empty()) status = List();
  if (status.ok()) status = Watch();
  if (absl::IsCancelled(status)) return absl::ZeroDuration();
  // What was seen is too old to go on from: that is no trouble, but all must be listed again.
  if (absl::IsOutOfRange(status)) {
    version_.clear();
    return PauseAfter(absl::UnavailableError("the watch has expired"));
  }
  if (!status.ok()) Tell(status);
  return PauseAfter(status);
}

void ListWatch::Tell(const absl::Status& status) {
  if (status.code() == told_) return;
  told_ = status.code();
  handlers_.on_health(status);
}

absl::Duration ListWatch::PauseAfter(const absl::Status& status) {
  if (status.ok()) {
    failures_ = 0;
    // A server that ends every watch at once must not be hammered.
    return seen_ ? absl::ZeroDuration() : options_.pause_min;
  }
  const uint32_t doublings = std::min(failures_++, kDoublingsMax);
  const absl::Duration pause =
      std::min(options_.pause_min * (int64_t{1} << doublings), options_.pause_max);
  const double jitter = 1.0 + kJitter * (2.0 * options_.random() - 1.0);
  return std::max(pause * jitter, retry_after_);
}

absl::Status ListWatch::List() {
  std::vector<Json> all;
  std::string more;
  std::string version;
  do {
    std::string target = absl::StrCat(options_.collection, "?limit=", options_.page_size);
    if (!options_.selector.empty()) {
      absl::StrAppend(&target, "&labelSelector=", UrlEscape(options_.selector));
    }
    if (!more.empty()) absl::StrAppend(&target, "&continue=", UrlEscape(more));
    ASSIGN_OR_RETURN(HttpAnswer answer, transport_.Call({.target = target}));
    retry_after_ = answer.retry_after;
    RETURN_IF_ERROR(StatusOfAnswer(answer, absl::StrCat("listing ", options_.collection)));
    ASSIGN_OR_RETURN(Json page, ParseJson(answer.body));
    if (!page.is_object()) page = Json::object();
    version = TextAt(page, {"metadata", "resourceVersion"});
    more = TextAt(page, {"metadata", "continue"});
    if (Json& items = page["items"]; items.is_array()) {
      for (Json& item : items) all.push_back(std::move(item));
    }
    if (all.size() > options_.objects_max) {
      return absl::ResourceExhaustedError(absl::StrCat(options_.collection, " has more than ",
                                                       options_.objects_max, " objects of Center"));
    }
  } while (!more.empty());
  if (version.empty()) {
    return absl::UnavailableError(
        absl::StrCat("listing ", options_.collection, ": the answer is no list"));
  }
  version_ = std::move(version);
  handlers_.on_list(std::move(all));
  return absl::OkStatus();
}

absl::Status ListWatch::Watch() {
  // Not all watches of all coordinators end together.
  const absl::Duration time = options_.watch_time * (1.0 + 0.5 * options_.random());
  std::string target =
      absl::StrCat(options_.collection,
                   "?watch=true&allowWatchBookmarks=true&resourceVersion=", UrlEscape(version_),
                   "&timeoutSeconds=", absl::ToInt64Seconds(time));
  if (!options_.selector.empty()) {
    absl::StrAppend(&target, "&labelSelector=", UrlEscape(options_.selector));
  }
  std::string line;
  absl::Status broken;
  const auto take = [&](absl::string_view piece) {
    if (piece.empty()) Tell(absl::OkStatus());  // it has begun
    while (broken.ok() && !piece.empty()) {
      const size_t end = piece.find('\n');
      absl::StrAppend(&line, piece.substr(0, end));
      piece.remove_prefix(end == absl::string_view::npos ? piece.size() : end + 1);
      if (line.size() > options_.event_bytes_max) {
        broken = absl::OutOfRangeError("an event is too long");
      } else if (end != absl::string_view::npos) {
        if (!line.empty()) broken = TakeEvent(line);
        line.clear();
      }
    }
    return broken.ok();
  };
  ASSIGN_OR_RETURN(const HttpAnswer answer,
                   transport_.Stream({.target = target, .timeout = time + kWatchGrace}, take));
  retry_after_ = answer.retry_after;
  RETURN_IF_ERROR(broken);
  return StatusOfAnswer(answer, absl::StrCat("watching ", options_.collection));
}

absl::Status ListWatch::TakeEvent(absl::string_view line) {
  auto event = ParseJson(line);
  if (!event.ok() || !event->is_object()) {
    return absl::OutOfRangeError("an event of the watch is no JSON object");
  }
  const std::string type = TextAt(*event, {"type"});
  Json& object = (*event)["object"];
  if (type == "ERROR") {
    return StatusOfAnswer({.code = static_cast<int>(NumberAt(object, {"code"}, 500)),
                           .body = object.dump(-1, ' ', true, Json::error_handler_t::replace)},
                          absl::StrCat("watching ", options_.collection));
  }
  const std::string version = TextAt(object, {"metadata", "resourceVersion"});
  if (version.empty()) return absl::OutOfRangeError("an event without a resourceVersion");
  failures_ = 0;
  seen_ = true;
  if (type == "ADDED" || type == "MODIFIED") {
    handlers_.on_change(Change::kPut, std::move(object));
  } else if (type == "DELETED") {
    handlers_.on_change(Change::kGone, std::move(object));
  }
  version_ = version;
  return absl::OkStatus();
}

}  // namespace center::kube
