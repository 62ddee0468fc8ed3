#include "services/coordinator/jobs/job_store.h"

#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::jobs {
namespace {

// Descriptors that the writing thread keeps open.
constexpr size_t kOpenFilesMax = 256;

absl::Status Worse(const absl::Status& one, const absl::Status& other) {
  return one.ok() ? other : one;
}

}  // namespace

JobStore::JobStore(Options options)
    : options_(std::move(options)), writer_([this] { FinishBatch(); }) {}

absl::StatusOr<std::unique_ptr<JobStore>> JobStore::Open(Options options) {
  RETURN_IF_ERROR(MakeDirectories(options.dir));
  std::unique_ptr<JobStore> store(new JobStore(std::move(options)));  // the constructor is private
  RETURN_IF_ERROR(store->Scan());
  return store;
}

std::string JobStore::JobPath(JobId id) const {
  return absl::StrCat(options_.dir, "/j", id, ".job");
}

std::string JobStore::SegmentPath(JobId id, uint64_t first) const {
  return absl::StrCat(options_.dir, "/j", id, ".in.", first);
}

void JobStore::Enqueue(uint64_t bytes, std::function<void()> work) {
  backlog_.fetch_add(bytes, std::memory_order_relaxed);
  writer_.Post([this, bytes, work = std::move(work)] {
    work();
    backlog_.fetch_sub(bytes, std::memory_order_relaxed);
  });
}

void JobStore::Answer(std::function<void(const absl::Status& commit)> answer) {
  answers_.push_back(std::move(answer));
}

void JobStore::FinishBatch() {
  absl::Status commit;
  if (std::exchange(in_transaction_, false)) commit = options_.table->Commit();
  if (!commit.ok()) spdlog::error("jobs: {}", commit);
  if (answers_.empty()) return;
  options_.post([commit, answers = std::exchange(answers_, {})] {
    for (const auto& answer : answers) answer(commit);
  });
}

bool JobStore::FitsTable(JobId id, uint64_t bytes) {
  return open_[id].table_bytes + bytes <= options_.table_bytes_max;
}

absl::StatusOr<uint64_t> JobStore::AddRow(JobId id, RecordHeader header,
                                          std::span<const absl::string_view> body) {
  uint64_t bytes = kRowBytes;
  for (const absl::string_view piece : body) bytes += piece.size();
  header.body_bytes = static_cast<uint32_t>(bytes - kRowBytes);
  if (!in_transaction_) RETURN_IF_ERROR(options_.table->Begin());
  in_transaction_ = true;
  ASSIGN_OR_RETURN(const uint64_t row, options_.table->Add(id, header, body));
  open_[id].table_bytes += bytes;
  used_.fetch_add(bytes, std::memory_order_relaxed);
  return row;
}

absl::StatusOr<JobFile*> JobStore::FileOf(const std::string& path, uint64_t size) {
  std::unique_ptr<JobFile>& file = files_[path];
  if (file != nullptr) return file.get();
  auto opened = JobFile::Open(path, size);
  if (!opened.ok()) {
    files_.erase(path);
    return opened.status();
  }
  auto made = std::make_unique<JobFile>(*std::move(opened));
  if (files_.size() > kOpenFilesMax) files_.clear();
  std::unique_ptr<JobFile>& kept = files_[path];
  kept = std::move(made);
  return kept.get();
}

absl::Status JobStore::Append(const std::string& path, uint64_t* size, RecordHeader header,
                              std::span<const absl::string_view> body) {
  ASSIGN_OR_RETURN(JobFile* const file, FileOf(path, *size));
  const uint64_t before = *size;
  RETURN_IF_ERROR(file->Append(header, body));
  *size = file->size();
  used_.fetch_add(*size - before, std::memory_order_relaxed);
  return absl::OkStatus();
}

void JobStore::Create(JobId id, std::string meta, Done done) {
  const uint64_t bytes = meta.size();
  Enqueue(bytes, [this, id, meta = std::move(meta), done = std::move(done)] {
    const absl::string_view body[] = {meta};
    const absl::Status added = AddRow(id, {.type = RecordType::kJob}, body).status();
    Answer([done, added](const absl::Status& commit) { done(Worse(added, commit)); });
  });
}

absl::Status JobStore::AppendToInputs(JobId id, RecordHeader header,
                                      std::span<const absl::string_view> body) {
  uint64_t bytes = 0;
  for (const absl::string_view piece : body) bytes += piece.size();
  std::map<uint64_t, uint64_t>& segments = open_[id].segments;
  // Once there is a segment, everything goes there: it is read after the table.
  if (segments.empty() && FitsTable(id, bytes)) return AddRow(id, header, body).status();
  const bool begins = header.type == RecordType::kInputs;
  if (segments.empty() || (begins && segments.rbegin()->second >= options_.segment_bytes)) {
    segments.emplace(header.first, 0);
  }
  const auto last = std::prev(segments.end());
  return Append(SegmentPath(id, last->first), &last->second, header, body);
}

void JobStore::AppendInputs(JobId id, uint64_t first, std::shared_ptr<const RecordBlock> block,
                            std::string cursor) {
  Enqueue(block->memory_bytes(), [this, id, first, block, cursor = std::move(cursor)] {
    const std::string front = EncodeBlockFront(*block);
    const absl::string_view body[] = {front, block->data()};
    absl::Status status = AppendToInputs(
        id, {.type = RecordType::kInputs, .first = first, .count = block->count()}, body);
    if (status.ok() && !cursor.empty()) {
      const absl::string_view place[] = {cursor};
      status =
          AppendToInputs(id, {.type = RecordType::kCursor, .first = first + block->count()}, place);
    }
    // The job goes on; only a later coordinator could not go on with it.
    if (!status.ok()) spdlog::error("job j{}: its inputs are not stored: {}", id, status);
  });
}

void JobStore::CompleteInputs(JobId id, uint64_t total, Done done) {
  Enqueue(0, [this, id, total, done = std::move(done)] {
    const absl::Status added =
        AddRow(id, {.type = RecordType::kComplete, .first = total}, {}).status();
    Answer([done, added](const absl::Status& commit) { done(Worse(added, commit)); });
  });
}

void JobStore::ReleaseInputs(JobId id, uint64_t before) {
  Enqueue(0, [this, id, before] { RemoveSegments(id, before); });
}

// Those of which another one follows that begins at `before` or earlier. The last one stays.
void JobStore::RemoveSegments(JobId id, uint64_t before) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  std::map<uint64_t, uint64_t>& segments = found->second.segments;
  while (segments.size() > 1 && std::next(segments.begin())->first <= before) {
    RemoveFile(SegmentPath(id, segments.begin()->first), segments.begin()->second);
    segments.erase(segments.begin());
  }
}

void JobStore::AppendResults(JobId id, const ResultPart& part,
                             std::function<void(absl::StatusOr<StoredPart>)> done) {
  const uint64_t bytes = part.body != nullptr ? part.body->size() : 0;
  RecordHeader header{.type = RecordType::kResults,
                      .first = part.first,
                      .count = part.count,
                      .failed = static_cast<uint32_t>(part.failures.size())};
  Enqueue(bytes, [this, id, header, bytes, body = part.body, done = std::move(done)] {
    OpenJob& job = open_[id];
    StoredPart stored{.first = header.first,
                      .count = header.count,
                      .failed = header.failed,
                      .bytes = static_cast<uint32_t>(bytes),
                      .in_table = job.size == 0 && FitsTable(id, bytes),
                      .offset = job.size};
    const absl::string_view pieces[] = {body != nullptr ? absl::string_view(*body) : ""};
    absl::Status status;
    if (stored.in_table) {
      const auto row = AddRow(id, header, pieces);
      status = row.status();
      stored.offset = row.value_or(0);
    } else {
      status = Append(JobPath(id), &job.size, header, pieces);
    }
    Answer([done, stored, status = std::move(status)](const absl::Status& commit) {
      const absl::Status worst = Worse(status, commit);
      if (worst.ok()) return done(stored);
      done(worst);
    });
  });
}

void JobStore::End(JobId id, std::string end, Done done) {
  const size_t bytes = end.size();
  Enqueue(bytes, [this, id, end = std::move(end), done = std::move(done)] {
    const absl::string_view body[] = {end};
    const absl::Status added = AddRow(id, {.type = RecordType::kEnd}, body).status();
    for (const auto& [first, size] : std::exchange(open_[id].segments, {})) {
      RemoveFile(SegmentPath(id, first), size);
    }
    files_.erase(JobPath(id));
    Answer([done, added](const absl::Status& commit) { done(Worse(added, commit)); });
  });
}

void JobStore::Remove(JobId id) {
  Enqueue(0, [this, id] {
    const OpenJob job = std::exchange(open_[id], {});
    open_.erase(id);
    for (const auto& [first, size] : job.segments) RemoveFile(SegmentPath(id, first), size);
    if (job.size > 0) RemoveFile(JobPath(id), job.size);
    absl::Status status;
    if (!in_transaction_) status = options_.table->Begin();
    in_transaction_ = in_transaction_ || status.ok();
    if (status.ok()) status = options_.table->Remove(id);
    if (!status.ok()) spdlog::error("job j{}: it is not removed: {}", id, status);
    used_.fetch_sub(job.table_bytes, std::memory_order_relaxed);
  });
}

void JobStore::RemoveFile(const std::string& path, uint64_t size) {
  files_.erase(path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    spdlog::error("{}", ErrnoStatus(errno, absl::StrCat("unlink ", path)));
    return;
  }
  used_.fetch_sub(size, std::memory_order_relaxed);
}

void JobStore::Read(JobId id, const StoredPart& part,
                    std::function<void(absl::StatusOr<std::string>)> done) {
  reader_.Post([this, id, part, done = std::move(done)] {
    options_.post([done, body = ReadNow(id, part)]() mutable { done(std::move(body)); });
  });
}

absl::StatusOr<std::string> JobStore::ReadNow(JobId id, const StoredPart& part) const {
  RecordHeader header;
  if (part.in_table) return options_.table->Read(part.offset, &header);
  return ReadRecord(JobPath(id), part.offset, &header);
}

void JobStore::ReadInputs(
    JobId id, const StoredInputs& inputs,
    std::function<void(absl::StatusOr<std::shared_ptr<const RecordBlock>>)> done) {
  reader_.Post([this, id, inputs, done = std::move(done)] {
    RecordHeader header;
    auto body = inputs.in_table
                    ? options_.table->Read(inputs.offset, &header)
                    : ReadRecord(SegmentPath(id, inputs.segment), inputs.offset, &header);
    auto block = body.ok() ? DecodeBlock(header, *std::move(body))
                           : absl::StatusOr<std::shared_ptr<const RecordBlock>>(body.status());
    options_.post([done, block = std::move(block)]() mutable { done(std::move(block)); });
  });
}

}  // namespace center::jobs
