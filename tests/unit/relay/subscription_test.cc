// Named subscriptions over gRPC.
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

class SubscriptionTest : public RelayTest {
 protected:
  void SetUp() override {
    RelayTest::SetUp();
    AddWorker().Append(10);
    AddWorker().Append(10);
    Publish();
  }
  absl::Status Commit(const std::string& name, const Offsets& offsets, bool rewind = false,
                      const std::string& server = "") {
    v1::CommitCursorRequest request;
    request.set_server(server);
    request.set_subscription(name);
    request.mutable_cursor()->mutable_next_offsets()->insert(offsets.begin(), offsets.end());
    request.set_rewind(rewind);
    grpc::ClientContext context;
    committed_cursor_.Clear();
    return rpc::FromGrpc(stub_->CommitCursor(&context, request, &committed_cursor_));
  }
  absl::Status Delete(const std::string& name) {
    v1::DeleteSubscriptionRequest request;
    request.set_subscription(name);
    v1::DeleteSubscriptionResponse response;
    grpc::ClientContext context;
    return rpc::FromGrpc(stub_->DeleteSubscription(&context, request, &response));
  }
  v1::CommitCursorResponse committed_cursor_;
};

TEST_F(SubscriptionTest, StreamStartsAtTheCommittedCursor) {
  ASSERT_TRUE(Commit("audit", {{"default/0", 7}}).ok());
  v1::StreamPayloadsRequest request;
  request.mutable_start()->set_subscription("audit");
  Subscriber subscriber(*stub_, request);
  ASSERT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.payloads(), 3u + 10u);  // default/1 has no offset: from the earliest
}

TEST_F(SubscriptionTest, NewSubscriptionStartsAtTheEarliest) {
  v1::StreamPayloadsRequest request;
  request.mutable_start()->set_subscription("never-committed");
  Subscriber subscriber(*stub_, request);
  ASSERT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.payloads(), 20u);
}

TEST_F(SubscriptionTest, OffsetsMoveBackOnlyWithRewind) {
  ASSERT_TRUE(Commit("audit", {{"default/0", 7}, {"default/1", 4}}).ok());
  ASSERT_TRUE(Commit("audit", {{"default/0", 3}}).ok());
  EXPECT_EQ(committed_cursor_.cursor().next_offsets().at("default/0"), 7u);
  EXPECT_EQ(committed_cursor_.cursor().next_offsets().at("default/1"), 4u);
  ASSERT_TRUE(Commit("audit", {{"default/0", 3}}, /*rewind=*/true).ok());
  EXPECT_EQ(committed_cursor_.cursor().next_offsets().at("default/0"), 3u);
  EXPECT_THAT(committed(), ::testing::ElementsAre("default", "default", "default"));
}

TEST_F(SubscriptionTest, CommitIsValidated) {
  EXPECT_EQ(rpc::ReasonOf(Commit("", {})), "INVALID_FIELDS");
  EXPECT_EQ(rpc::ReasonOf(Commit("Audit!", {})), "INVALID_FIELDS");
  EXPECT_EQ(rpc::ReasonOf(Commit("audit", {{"default/9", 1}})), "INVALID_FIELDS");
  EXPECT_EQ(rpc::ReasonOf(Commit("audit", {{"default/0", UINT64_MAX}})), "INVALID_FIELDS");
  EXPECT_EQ(rpc::ReasonOf(Commit("audit", {}, false, "none")), "SERVER_NOT_FOUND");
  EXPECT_THAT(committed(), ::testing::IsEmpty());
}

TEST_F(SubscriptionTest, WorkersThatWereCommittedBeforeStayKnown) {
  ASSERT_TRUE(Commit("audit", {{"default/1", 4}}).ok());
  directory_.SetServer("default", {{"default/0", workers_[0]->address(), 1}}, true);
  EXPECT_TRUE(Commit("audit", {{"default/0", 1}, {"default/1", 5}}).ok());
}

TEST_F(SubscriptionTest, ListsInPages) {
  for (const char* name : {"c", "a", "e", "b", "d"}) {
    ASSERT_TRUE(Commit(name, {{"default/0", 1}}).ok());
  }
  std::vector<std::string> names;
  v1::ListSubscriptionsRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    v1::ListSubscriptionsResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->ListSubscriptions(&context, request, &response).ok());
    for (const auto& subscription : response.subscriptions()) {
      names.push_back(subscription.name());
      EXPECT_EQ(subscription.server(), "default");
      EXPECT_EQ(subscription.cursor().next_offsets().at("default/0"), 1u);
      EXPECT_EQ(subscription.commit_time().seconds(), 1'700'000'000);
    }
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ::testing::ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(pages, 3);

  request.set_page_token("Not A Token");
  v1::ListSubscriptionsResponse response;
  grpc::ClientContext context;
  EXPECT_EQ(rpc::ReasonOf(rpc::FromGrpc(stub_->ListSubscriptions(&context, request, &response))),
            "INVALID_FIELDS");
}

TEST_F(SubscriptionTest, DeletedSubscriptionIsGone) {
  ASSERT_TRUE(Commit("audit", {{"default/0", 1}}).ok());
  EXPECT_TRUE(Delete("audit").ok());
  EXPECT_EQ(rpc::ReasonOf(Delete("audit")), "SUBSCRIPTION_NOT_FOUND");
  EXPECT_EQ(committed().size(), 2u);
}

}  // namespace
}  // namespace center::relay
