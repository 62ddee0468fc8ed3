#include "cli/drill_ledger.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "services/common/crc32c.h"

namespace center::cli {
namespace {

constexpr uint32_t kFillingBytesMax = 64;
constexpr size_t kChecksumDigits = 8;
constexpr size_t kNotesMax = 10;
// Nothing that a drill sends comes near it; a number beyond is no payload of ours.
constexpr uint32_t kSequenceMax = 1 << 24;

uint8_t CopiesAt(const DrillTally::Connection* found, uint32_t sequence) {
  return found == nullptr || sequence >= found->copies.size() ? 0 : found->copies[sequence];
}

absl::optional<DrillPayload> ParseAfter(absl::string_view prefix, absl::string_view whole) {
  absl::string_view text = whole;
  if (!absl::ConsumePrefix(&text, prefix)) return absl::nullopt;
  const size_t comma = text.find(',');
  const size_t space = text.find(' ');
  if (comma == absl::string_view::npos || space == absl::string_view::npos || comma > space ||
      text.size() < space + 2 + kChecksumDigits) {
    return absl::nullopt;
  }
  const absl::string_view checked = whole.substr(0, whole.size() - kChecksumDigits - 1);
  DrillPayload payload;
  if (!absl::SimpleAtoi(text.substr(0, comma), &payload.connection) ||
      !absl::SimpleAtoi(text.substr(comma + 1, space - comma - 1), &payload.sequence) ||
      payload.sequence >= kSequenceMax ||
      whole.substr(checked.size()) != absl::StrFormat(" %08x", Crc32c(checked))) {
    return absl::nullopt;
  }
  return payload;
}

// Adds to *figure what `now` has more than was reported, and remembers it.
void ReportMore(uint32_t now, uint32_t* reported, uint64_t* figure) {
  if (now <= *reported) return;
  *figure += now - *reported;
  *reported = now;
}

}  // namespace

std::string DrillPayloadPrefix(absl::string_view run) {
  return run.empty() ? "" : absl::StrCat(run, ":");
}

std::string DrillPayloadText(DrillPayload payload, absl::string_view run) {
  std::string text =
      absl::StrCat(DrillPayloadPrefix(run), payload.connection, ",", payload.sequence, " ");
  text.append((payload.connection + 7 * payload.sequence) % kFillingBytesMax, 'x');
  absl::StrAppendFormat(&text, " %08x", Crc32c(text));
  return text;
}

absl::optional<DrillPayload> ParseDrillPayload(absl::string_view text, absl::string_view run) {
  return ParseAfter(DrillPayloadPrefix(run), text);
}

void DrillTally::Add(absl::string_view worker, absl::string_view text) {
  if (!absl::StartsWith(text, prefix_)) return;  // of somebody else
  const absl::optional<DrillPayload> payload = ParseAfter(prefix_, text);
  if (!payload.has_value()) {
    ++damaged_;
    return;
  }
  ++payloads_;
  Connection& connection = connections_[payload->connection];
  if (connection.worker.empty()) connection.worker = std::string(worker);
  if (connection.copies.size() <= payload->sequence) {
    connection.copies.resize(payload->sequence + 1);
  }
  uint8_t& copies = connection.copies[payload->sequence];
  if (copies < std::numeric_limits<uint8_t>::max()) ++copies;
}

std::map<std::string, uint64_t> DrillTally::PayloadsByWorker() const {
  std::map<std::string, uint64_t> payloads;
  for (const auto& [number, found] : connections_) {
    payloads[found.worker] +=
        std::accumulate(found.copies.begin(), found.copies.end(), uint64_t{0});
  }
  return payloads;
}

const DrillTally::Connection* DrillTally::Find(uint32_t connection) const {
  const auto found = connections_.find(connection);
  return found == connections_.end() ? nullptr : &found->second;
}

DrillFigures& DrillFigures::operator+=(const DrillFigures& other) {
  connects += other.connects;
  refused += other.refused;
  reset += other.reset;
  cut += other.cut;
  acknowledged += other.acknowledged;
  resent += other.resent;
  lost += other.lost;
  duplicated += other.duplicated;
  unseen += other.unseen;
  damaged += other.damaged;
  slowest_connect = std::max(slowest_connect, other.slowest_connect);
  return *this;
}

void DrillLedger::BeginRow() {
  absl::MutexLock lock(&mutex_);
  row_ = DrillFigures();
}

uint32_t DrillLedger::Connected(SteadyTime since, SteadyTime now, uint64_t resent) {
  absl::MutexLock lock(&mutex_);
  ++row_.connects;
  row_.resent += resent;
  row_.slowest_connect = std::max(row_.slowest_connect, now - since);
  connections_.push_back({.opened = since});
  return static_cast<uint32_t>(connections_.size() - 1);
}

void DrillLedger::ConnectFailed(SteadyTime since, SteadyTime now, absl::string_view why) {
  absl::MutexLock lock(&mutex_);
  ++row_.connects;
  row_.slowest_connect = std::max(row_.slowest_connect, now - since);
  failed_connects_.push_back({.from = since, .to = now, .why = std::string(why)});
}

void DrillLedger::Sending(uint32_t connection, uint32_t count) {
  absl::MutexLock lock(&mutex_);
  connections_[connection].sent = count;
}

void DrillLedger::Acknowledged(uint32_t connection, SteadyTime now) {
  absl::MutexLock lock(&mutex_);
  Entry& entry = connections_[connection];
  entry.end = End::kAcknowledged;
  entry.ended = now;
  row_.acknowledged += entry.sent;
  ++acknowledged_connections_;
}

void DrillLedger::Broken(uint32_t connection, SteadyTime now, absl::string_view why) {
  absl::MutexLock lock(&mutex_);
  Entry& entry = connections_[connection];
  entry.end = End::kBroken;
  entry.ended = now;
  entry.why = std::string(why);
}

void DrillLedger::Fault(std::string worker, SteadyTime from, SteadyTime to) {
  absl::MutexLock lock(&mutex_);
  faults_.push_back({.worker = std::move(worker), .from = from, .to = to});
}

DrillFigures DrillLedger::Settle(const DrillTally& seen, const DrillTally& stored) {
  absl::MutexLock lock(&mutex_);
  uint64_t damaged = stored.damaged();
  for (const auto& [number, found] : stored.connections()) {
    if (number < connections_.size()) continue;
    damaged += found.copies.size();
    Note(absl::StrCat(found.worker, " has payloads of connection ", number,
                      ", which there was none of"));
  }
  if (damaged > damaged_) row_.damaged += damaged - damaged_;
  damaged_ = std::max(damaged_, damaged);
  SettleConnects();
  for (uint32_t number = 0; number < connections_.size(); ++number) {
    Entry& entry = connections_[number];
    const DrillTally::Connection* in_journal = stored.Find(number);
    SettleEnd(entry, number, in_journal);
    SettlePayloads(entry, number, seen.Find(number), in_journal);
  }
  return row_;
}

void DrillLedger::SettleConnects() {
  for (const FailedConnect& connect : failed_connects_) {
    if (sockets_ == Sockets::kOwn && WasCut("", connect.from, connect.to)) {
      ++row_.cut;
      continue;
    }
    ++row_.refused;
    Note(connect.why);
  }
  failed_connects_.clear();
}

void DrillLedger::SettleEnd(Entry& entry, uint32_t number, const DrillTally::Connection* stored) {
  if (entry.end != End::kBroken || entry.end_settled) return;
  entry.end_settled = true;
  // Of a connection from which nothing was stored nobody knows whose it was.
  const absl::string_view worker = stored == nullptr ? "" : absl::string_view(stored->worker);
  if (WasCut(worker, entry.opened, entry.ended)) {
    ++row_.cut;
    return;
  }
  ++row_.reset;
  Note(absl::StrCat("connection ", number, worker.empty() ? "" : " to ", worker,
                    " broke: ", entry.why));
}

bool DrillLedger::WasCut(absl::string_view worker, SteadyTime from, SteadyTime to) const {
  return std::any_of(faults_.begin(), faults_.end(), [&](const Interval& fault) {
    return (worker.empty() || worker == fault.worker) && from <= fault.to && to >= fault.from;
  });
}

void DrillLedger::SettlePayloads(Entry& entry, uint32_t number, const DrillTally::Connection* seen,
                                 const DrillTally::Connection* stored) {
  uint32_t lost = 0;
  uint32_t duplicated = 0;
  uint32_t unseen = 0;
  uint32_t stored_end = 0;  // after the last one that is stored
  for (uint32_t i = 0; i < entry.sent; ++i) {
    if (CopiesAt(stored, i) > 0) stored_end = i + 1;
  }
  for (uint32_t i = 0; i < entry.sent; ++i) {
    const uint8_t copies = CopiesAt(stored, i);
    const uint8_t sights = CopiesAt(seen, i);
    const bool must_be_there = entry.end == End::kAcknowledged || sights > 0 || i < stored_end;
    if (copies == 0 && must_be_there) {
      if (lost == entry.lost) {
        Note(absl::StrCat("payload ", number, ",", i, " is lost: ",
                          sights > 0 ? "a subscriber has seen it"
                          : entry.end == End::kAcknowledged
                              ? "it was acknowledged"
                              : "a later one of its connection is stored"));
      }
      ++lost;
    }
    if (copies > 1) duplicated += copies - 1u;
    if (sights > 1) duplicated += sights - 1u;
    if (copies > 0 && sights == 0) ++unseen;
  }
  ReportMore(lost, &entry.lost, &row_.lost);
  ReportMore(duplicated, &entry.duplicated, &row_.duplicated);
  ReportMore(unseen, &entry.unseen, &row_.unseen);
}

uint64_t DrillLedger::acknowledged_connections() const {
  absl::MutexLock lock(&mutex_);
  return acknowledged_connections_;
}

std::vector<std::string> DrillLedger::notes() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> texts;
  texts.reserve(notes_.size());
  for (const auto& [text, times] : notes_) {
    texts.push_back(times == 1 ? text : absl::StrCat(text, " (", times, " times)"));
  }
  return texts;
}

void DrillLedger::Note(std::string text) {
  const auto found = std::find_if(notes_.begin(), notes_.end(),
                                  [&](const auto& note) { return note.first == text; });
  if (found != notes_.end()) {
    ++found->second;
  } else if (notes_.size() < kNotesMax) {
    notes_.emplace_back(std::move(text), 1);
  }
}

}  // namespace center::cli
