// center-worker as a process that runs tasks, without a coordinator: how it starts, drains and
// ends, and what becomes of the programs that it has started.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "center/v1/worker.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"
#include "tests/integration/fleet.h"
#include "tests/integration/process.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds kCallLimit{120};

std::string Module(absl::string_view name) {
  return absl::StrCat(CENTER_TASK_MODULES, "/lib", name, ".so");
}

// A process that is there, and no zombie.
bool IsAlive(pid_t pid) {
  const std::string stat = ReadWholeFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t state = stat.rfind(") ");
  return state != std::string::npos && stat[state + 2] != 'Z';
}

class PoolWorkerTest : public ::testing::Test {
 protected:
  PoolWorkerTest() { AdoptOrphans(); }
  ~PoolWorkerTest() override {
    worker_.reset();
    if (HasFailure()) ADD_FAILURE() << "the worker's log:\n" << FileTail(log());
    KillDescendants();
  }

  // Starts the worker, and opens the stream on which it runs chunks.
  void Start(const std::vector<std::string>& flags) {
    worker_ = std::make_unique<Process>(Process::Options{
        .program = Binary("center-worker"), .args = Arguments(flags), .stdout_path = log()});
    stub_ = v1::WorkerService::NewStub(
        rpc::MakeChannel(*ParseNetAddress(absl::StrCat("unix:", socket()))));
    context_.set_deadline(std::chrono::system_clock::now() + kCallLimit);
    context_.set_wait_for_ready(true);
    stream_ = stub_->Compute(&context_);
    v1::ComputeResponse hello;
    ASSERT_TRUE(stream_->Read(&hello));
    ASSERT_TRUE(hello.has_hello());
  }
  std::vector<std::string> Arguments(const std::vector<std::string>& flags) const {
    std::vector<std::string> args = {"--no-listen", absl::StrCat("--listen=unix:", socket())};
    args.insert(args.end(), flags.begin(), flags.end());
    return args;
  }
  void Run(uint64_t id, const std::string& task, const std::vector<std::string>& args,
           const std::string& input) {
    v1::ComputeRequest request;
    v1::RunChunk& run = *request.mutable_run();
    run.set_chunk_id(id);
    run.set_task(task);
    for (const std::string& arg : args) run.add_args(arg);
    v1::Records& records = *run.mutable_inputs()->mutable_records();
    records.set_count(1);
    records.set_uniform_size(static_cast<uint32_t>(input.size()));
    records.set_data(input);
    ASSERT_TRUE(stream_->Write(request));
  }
  v1::ChunkResult ReadResult() {
    v1::ComputeResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response.result();
  }
  absl::Status FinishStream() {
    v1::ComputeResponse ignored;
    while (stream_->Read(&ignored)) {
    }
    return rpc::FromGrpc(stream_->Finish());
  }
  // The exit code; -1 for a signal or none in time.
  int WaitForExit() {
    const auto status = worker_->Wait(absl::Seconds(30));
    return status.has_value() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }
  // Runs a shell that says who it is and waits; its process id.
  pid_t RunWaitingProgram(uint64_t id) {
    const std::string path = dir_ / absl::StrCat("pid", id);
    Run(id, "exec", {"sh", "-c", absl::StrCat("echo $$ > ", path, "; sleep 1000")}, "");
    int pid = 0;
    EXPECT_TRUE(WaitFor([&] { return absl::SimpleAtoi(ReadWholeFile(path), &pid); }));
    return pid;
  }

  std::string socket() const { return dir_ / "worker.sock"; }
  std::string log() const { return dir_ / "worker.log"; }

  TempDir dir_;
  std::unique_ptr<Process> worker_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ComputeRequest, v1::ComputeResponse>> stream_;
};

TEST_F(PoolWorkerTest, APoolRunsTasksAndKeepsNoJournal) {
  Start({absl::StrCat("--task-module=", Module("reverse"))});
  Run(1, "reverse", {}, "abc");
  EXPECT_EQ(ReadResult().results().data(), "cba");
  Run(2, "sha256", {}, "abc");
  EXPECT_EQ(ReadResult().results().data(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THAT(ReadWholeFile(log()),
              AllOf(HasSubstr("ready: no producers"), Not(HasSubstr("journal"))));
  worker_->Signal(SIGTERM);
  EXPECT_TRUE(absl::IsUnavailable(FinishStream()));
  EXPECT_EQ(WaitForExit(), 0);
}

TEST_F(PoolWorkerTest, AModuleThatCannotBeUsedIsOneLineAndNoStart) {
  const std::pair<const char*, const char*> cases[] = {
      {"missing", "cannot be loaded"},
      {"no_symbol", "exports no center_task_module_get"},
      {"other_abi", "has ABI version 2"},
      {"throws_at_load", "has thrown: no licence"},
      {"duplicate", "task sha256 is there already"}};
  for (const auto& [name, why] : cases) {
    const RunResult result = RunToEnd(Binary("center-worker"),
                                      Arguments({absl::StrCat("--task-module=", Module(name))}));
    EXPECT_EQ(result.exit_code, 1) << name;
    EXPECT_THAT(result.err, AllOf(HasSubstr("cannot start: "), HasSubstr(why),
                                  HasSubstr(Module(name)), Not(HasSubstr("ready: no"))));
    const std::vector<std::string> lines = absl::StrSplit(result.err, '\n', absl::SkipEmpty());
    EXPECT_EQ(lines.size(), 1u) << result.err;
  }
}

TEST_F(PoolWorkerTest, WhatRunsIsFinishedWhenTheWorkerDrains) {
  Start({});
  const std::string begun = dir_ / "begun";
  Run(1, "exec", {"sh", "-c", absl::StrCat("echo x > ", begun, "; sleep 0.3; echo done")}, "");
  ASSERT_TRUE(WaitFor([&] { return !ReadWholeFile(begun).empty(); }));
  worker_->Signal(SIGTERM);
  const v1::ChunkResult result = ReadResult();
  EXPECT_EQ(result.chunk_id(), 1u);
  EXPECT_FALSE(result.cancelled());
  EXPECT_EQ(result.results().data(), "done");
  EXPECT_TRUE(absl::IsUnavailable(FinishStream()));
  EXPECT_EQ(WaitForExit(), 0);
}

TEST_F(PoolWorkerTest, WhatTakesLongerThanTheDrainTimeoutIsToldToStop) {
  Start({"--drain-timeout=200ms", "--compute-threads=2"});
  Run(1, "sleep", {}, "1h");
  Run(2, "echo", {}, "x");
  EXPECT_EQ(ReadResult().chunk_id(), 2u) << "so the first runs as well";
  worker_->Signal(SIGTERM);
  const v1::ChunkResult result = ReadResult();
  EXPECT_EQ(result.chunk_id(), 1u);
  EXPECT_TRUE(result.cancelled());
  EXPECT_TRUE(absl::IsUnavailable(FinishStream()));
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_THAT(ReadWholeFile(log()), Not(HasSubstr("goes on although")));
}

TEST_F(PoolWorkerTest, ATaskThatDoesNotStopDoesNotKeepTheWorkerFromEnding) {
  Start({"--drain-timeout=100ms", "--cancel-grace=100ms", "--compute-threads=2",
         absl::StrCat("--task-module=", Module("misbehaving"))});
  Run(1, "misbehave", {}, "loop");
  Run(2, "misbehave", {}, "x");
  EXPECT_EQ(ReadResult().chunk_id(), 2u) << "so the first runs as well";
  worker_->Signal(SIGTERM);
  EXPECT_FALSE(FinishStream().ok());
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_THAT(ReadWholeFile(log()), HasSubstr("a task goes on although it was told to stop"));
}

TEST_F(PoolWorkerTest, ProgramsEndWithAWorkerThatIsKilled) {
  Start({"--compute-threads=2"});
  const pid_t first = RunWaitingProgram(1);
  const pid_t second = RunWaitingProgram(2);
  EXPECT_TRUE(IsAlive(first));
  EXPECT_TRUE(IsAlive(second));
  worker_->Signal(SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return !IsAlive(first) && !IsAlive(second); }));
}

TEST_F(PoolWorkerTest, AProgramThatHasLeftItsGroupEndsWithAWorkerThatIsKilled) {
  Start({});
  const std::string path = dir_ / "pid";
  // Without --wait setsid, as the leader of a group, would end at once, and what is left of the
  // group with it: perhaps its child, which has not left it yet.
  Run(1, "exec", {"setsid", "--wait", "sh", "-c", absl::StrCat("echo $$ > ", path, "; sleep 1000")},
      "");
  int pid = 0;
  ASSERT_TRUE(WaitFor([&] { return absl::SimpleAtoi(ReadWholeFile(path), &pid); }));
  worker_->Signal(SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return !IsAlive(pid); }));
}

TEST_F(PoolWorkerTest, ProgramsEndWithAWorkerThatDrains) {
  Start({"--drain-timeout=100ms"});
  const pid_t program = RunWaitingProgram(1);
  worker_->Signal(SIGTERM);
  EXPECT_TRUE(ReadResult().cancelled());
  EXPECT_TRUE(absl::IsUnavailable(FinishStream()));
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_FALSE(IsAlive(program));
}

TEST_F(PoolWorkerTest, ProgramsEndWithAStreamThatBreaks) {
  Start({});
  const pid_t program = RunWaitingProgram(1);
  context_.TryCancel();
  EXPECT_FALSE(FinishStream().ok());
  EXPECT_TRUE(WaitFor([&] { return !IsAlive(program); }));
  EXPECT_TRUE(worker_->running());
}

}  // namespace
}  // namespace center::itest
