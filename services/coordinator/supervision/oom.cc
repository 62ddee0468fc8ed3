#include "services/coordinator/supervision/oom.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/status_macros.h"

namespace center::supervision {
namespace {

constexpr char kVmstat[] = "/proc/vmstat";

// "4:memory:/a/b" (version 1) or "0::/a/b" (version 2).
struct Membership {
  int version = 0;
  std::string path;
};

Membership FindMembership(absl::string_view cgroup) {
  Membership result;
  for (absl::string_view line : absl::StrSplit(cgroup, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    for (absl::string_view controller : controllers) {
      // A memory controller of version 1 is not one of version 2.
      if (controller == "memory") return {1, std::string(parts[2])};
    }
    if (parts[0] == "0" && parts[1].empty()) result = {2, std::string(parts[2])};
  }
  return result;
}

// A mount as mountinfo lists it: "31 23 0:28 ROOT POINT rw … - TYPE SOURCE OPTIONS".
struct Mount {
  absl::string_view root;  // of the file system that is seen at the mount point
  absl::string_view point;
  absl::string_view type;
  absl::string_view options;
};

bool ParseMount(absl::string_view line, Mount* mount) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(line, absl::MaxSplits(" - ", 1));
  const std::vector<absl::string_view> first = absl::StrSplit(halves.first, ' ');
  const std::vector<absl::string_view> second = absl::StrSplit(halves.second, ' ');
  if (first.size() < 5 || second.size() < 3) return false;
  *mount = {first[3], first[4], second[0], second[2]};
  return true;
}

bool HasMemory(absl::string_view options) {
  for (absl::string_view option : absl::StrSplit(options, ',')) {
    if (option == "memory") return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<MemoryGroup> FindMemoryGroup(absl::string_view cgroup, absl::string_view mountinfo) {
  const Membership member = FindMembership(cgroup);
  if (member.version == 0) return absl::NotFoundError("there are no control groups");
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    Mount mount;
    if (!ParseMount(line, &mount)) continue;
    const bool fits = member.version == 1 ? mount.type == "cgroup" && HasMemory(mount.options)
                                          : mount.type == "cgroup2";
    if (!fits) continue;
    // In a container, the group's own folder is what is mounted: "/a/b" is seen as "/".
    absl::string_view inside = member.path;
    if (mount.root != "/" && !absl::ConsumePrefix(&inside, mount.root)) continue;
    if (!inside.empty() && inside.front() != '/') continue;
    inside = absl::StripSuffix(inside, "/");
    const char* file = member.version == 1 ? "memory.oom_control" : "memory.events";
    return MemoryGroup{member.version, member.path, absl::StrCat(mount.point, inside, "/", file)};
  }
  return absl::NotFoundError("the memory control group is not mounted");
}

absl::StatusOr<uint64_t> ParseOomKills(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    uint64_t kills = 0;
    if (absl::ConsumePrefix(&line, "oom_kill ") && absl::SimpleAtoi(line, &kills)) return kills;
  }
  return absl::NotFoundError("it does not count out-of-memory kills");
}

OomWatch::OomWatch(ReadFile read, Clock& clock) : read_(std::move(read)), clock_(clock) {
  const auto find = [this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string cgroup, read_("/proc/self/cgroup"));
    ASSIGN_OR_RETURN(const std::string mountinfo, read_("/proc/self/mountinfo"));
    ASSIGN_OR_RETURN(const MemoryGroup group, FindMemoryGroup(cgroup, mountinfo));
    file_ = group.file;
    place_ = absl::StrCat("cgroup ", group.name);
    return ReadKills().status();
  };
  unreadable_ = find();
  if (!unreadable_.ok()) {
    file_ = kVmstat;
    place_ = "this machine";
    whole_machine_ = true;
  }
  Sample();
}

absl::StatusOr<uint64_t> OomWatch::ReadKills() const {
  ASSIGN_OR_RETURN(const std::string text, read_(file_));
  auto kills = ParseOomKills(text);
  if (!kills.ok()) return absl::NotFoundError(absl::StrCat(file_, ": ", kills.status().message()));
  return kills;
}

void OomWatch::Sample() {
  const SteadyTime now = clock_.Steady();
  if (auto kills = ReadKills(); kills.ok()) readings_.push_back({now, *kills});
  Forget(now);
}

void OomWatch::Forget(SteadyTime now) {
  while (readings_.size() > 1 && now - readings_[1].time >= kWindow) {
    const uint64_t before = std::min(readings_[0].kills, readings_[1].kills);
    blamed_ -= std::min(blamed_, readings_[1].kills - before);
    readings_.pop_front();
  }
}

OomVerdict OomWatch::Judge() {
  const SteadyTime now = clock_.Steady();
  Forget(now);
  const auto kills = ReadKills();
  if (!kills.ok() || readings_.empty()) {
    const absl::Status& why = unreadable_.ok() ? kills.status() : unreadable_;
    return {OomVerdict::Kind::kCannotTell, std::string(why.message())};
  }
  const uint64_t grown = *kills - std::min(*kills, readings_.front().kills);
  if (grown <= blamed_) {
    return {OomVerdict::Kind::kNotKilled, absl::StrCat(place_, " counts no new kill by it")};
  }
  if (whole_machine_) {
    return {OomVerdict::Kind::kCannotTell,
            absl::StrCat("it has killed something on this machine just now, and ",
                         unreadable_.message())};
  }
  ++blamed_;
  return {OomVerdict::Kind::kKilled,
          absl::StrCat(place_, " counts ", *kills, " kills by it, ", grown, " of them just now")};
}

}  // namespace center::supervision
