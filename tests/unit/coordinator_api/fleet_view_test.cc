#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;

std::vector<std::string> Names(const v1::ListServersResponse& page) {
  std::vector<std::string> names;
  for (const auto& server : page.servers()) names.push_back(server.name());
  return names;
}
std::vector<std::string> Names(const v1::ListWorkersResponse& page) {
  std::vector<std::string> names;
  for (const auto& worker : page.workers()) names.push_back(worker.name());
  return names;
}

TEST_F(FleetTest, ServersAreListedByNameInPages) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(Start(StartRequest(1, name)).ok());
  v1::ListServersRequest request;
  request.set_page_size(2);
  auto page = fleet_->ListServers(request);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(Names(*page), ElementsAre("a", "b"));
  request.set_page_token(page->next_page_token());
  page = fleet_->ListServers(request);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(Names(*page), ElementsAre("c"));
  EXPECT_EQ(page->next_page_token(), "");
  request.set_page_token("!");
  EXPECT_TRUE(absl::IsInvalidArgument(fleet_->ListServers(request).status()));
}

TEST_F(FleetTest, WorkersAreListedByServerAndSlotInPages) {
  ASSERT_TRUE(Start(StartRequest(11, "b")).ok());
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  v1::ListWorkersRequest request;
  request.set_page_size(10);
  auto page = fleet_->ListWorkers(request);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(Names(*page),
              ElementsAre("a/0", "b/0", "b/1", "b/2", "b/3", "b/4", "b/5", "b/6", "b/7", "b/8"));
  request.set_page_token(page->next_page_token());
  page = fleet_->ListWorkers(request);
  EXPECT_THAT(Names(*page), ElementsAre("b/9", "b/10"));
  EXPECT_EQ(page->next_page_token(), "");
}

TEST_F(FleetTest, WorkersOfOneServer) {
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  ASSERT_TRUE(Start(StartRequest(2, "b")).ok());
  v1::ListWorkersRequest request;
  request.set_server("b");
  EXPECT_THAT(Names(*fleet_->ListWorkers(request)), ElementsAre("b/0", "b/1"));
  request.set_server("c");
  EXPECT_EQ(rpc::ReasonOf(fleet_->ListWorkers(request).status()), "SERVER_NOT_FOUND");
  request.set_server("");
  for (const char* token : {"a", "a/x", "/", "A/0"}) {
    request.set_page_token(token);
    EXPECT_TRUE(absl::IsInvalidArgument(fleet_->ListWorkers(request).status())) << token;
  }
}

TEST_F(FleetTest, AnUnknownServerIsNotFound) {
  EXPECT_EQ(rpc::ReasonOf(fleet_->GetServer("nobody").status()), "SERVER_NOT_FOUND");
}

TEST_F(FleetTest, TheCoordinatorCountsWhatRuns) {
  ASSERT_TRUE(Start(StartRequest(2, "a")).ok());
  ASSERT_TRUE(Start(StartRequest(1, "b")).ok());
  const int64_t pid = Pid(0, "b");
  v1::StopServerRequest request;
  request.set_name("b");
  StopLater(request);
  Exit(pid);
  v1::Coordinator counted;
  fleet_->CountInto(&counted);
  EXPECT_EQ(counted.servers(), 1u);
  EXPECT_EQ(counted.workers(), 2u);
}

}  // namespace
}  // namespace center::coordinator
