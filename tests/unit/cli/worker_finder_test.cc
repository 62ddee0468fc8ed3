#include "cli/worker_finder.h"

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;

class WorkerFinderTest : public testing::Test {
 protected:
  v1::Server& Server(v1::ServerState state) {
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("default");
    server.set_state(state);
    return server;
  }
  static void AddWorker(v1::Server* server, int32_t pid, const std::string& address) {
    v1::Worker* worker = server->add_workers();
    worker->set_slot(static_cast<uint32_t>(server->workers_size() - 1));
    worker->set_name(absl::StrCat("default/", worker->slot()));
    worker->set_pid(pid);
    worker->set_address(address);
    server->mutable_spec()->set_workers(static_cast<uint32_t>(server->workers_size()));
  }
  WorkerFinder Finder(const std::string& address) {
    return WorkerFinder({.coordinator = coordinator_.Channel(),
                         .address = address.empty() ? coordinator_.address() : address,
                         .server = "default"},
                        &directory_);
  }
  relay::WorkerDirectory::Snapshot Found() { return *directory_.Get("default"); }

  ScratchDir folder_;
  FakeCoordinator coordinator_{folder_.path()};
  relay::WorkerDirectory directory_;
};

TEST_F(WorkerFinderTest, ANewProcessOfAWorkerHasAnotherGeneration) {
  AddWorker(&Server(v1::SERVER_STATE_RUNNING), 7, "10.0.0.1:7080");
  WorkerFinder finder = Finder("");
  ASSERT_TRUE(finder.Find().ok());
  const relay::WorkerEndpoint before = Found().workers.at(0);
  EXPECT_EQ(before.address, "10.0.0.1:7080");
  EXPECT_TRUE(Found().running);
  ASSERT_TRUE(finder.Find().ok());
  EXPECT_EQ(Found().workers.at(0), before);

  coordinator_.servers.servers[0].mutable_workers(0)->set_pid(8);
  ASSERT_TRUE(finder.Find().ok());
  EXPECT_GT(Found().workers.at(0).generation, before.generation);
}

TEST_F(WorkerFinderTest, AStoppedServerIsSaidToBe) {
  Server(v1::SERVER_STATE_STOPPED);
  ASSERT_TRUE(Finder("").Find().ok());
  EXPECT_FALSE(Found().running);
}

TEST_F(WorkerFinderTest, AServerThatIsNotThereIsForgotten) {
  AddWorker(&Server(v1::SERVER_STATE_RUNNING), 7, "10.0.0.1:7080");
  WorkerFinder finder = Finder("");
  ASSERT_TRUE(finder.Find().ok());
  coordinator_.servers.servers.clear();
  EXPECT_EQ(rpc::ReasonOf(finder.Find()), "SERVER_NOT_FOUND");
  EXPECT_FALSE(directory_.Get("default").ok());
}

TEST_F(WorkerFinderTest, ASocketOfAnotherMachineCannotBeReached) {
  AddWorker(&Server(v1::SERVER_STATE_RUNNING), 7, "unix:/var/lib/center/default.0.sock");
  const absl::Status status = Finder("10.0.0.5:7070").Find();
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_UNREACHABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("a socket of another machine"));
  // One of this machine is not there yet: its worker is being started.
  EXPECT_TRUE(Finder("").Find().ok());
}

TEST_F(WorkerFinderTest, ACancelledFinderAsksNobody) {
  Server(v1::SERVER_STATE_RUNNING);
  WorkerFinder finder = Finder("");
  finder.Cancel();
  EXPECT_TRUE(absl::IsCancelled(finder.Find()));
}

}  // namespace
}  // namespace center::cli
