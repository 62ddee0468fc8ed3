#include "services/coordinator/api/request_log.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/supervision/fakes.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::Server Named(const std::string& name) {
  v1::Server server;
  server.set_name(name);
  return server;
}

google::protobuf::Any Packed(const std::string& name) {
  google::protobuf::Any packed;
  packed.PackFrom(Named(name));
  return packed;
}

class RequestLogTest : public testing::Test {
 protected:
  using Answer = absl::StatusOr<v1::Server>;

  RequestLogTest() { Open(); }

  // As a new coordinator.
  void Open() {
    log_.reset();
    store_.reset();
    auto store = state::Store::Open(scratch_.path() + "/center.db");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    log_ = std::make_unique<RequestLog>(*store_, clock_);
  }

  // The name in the answer, or its code and reason; what is answered later comes to answers_ only.
  std::string Run(const RequestLog::Call& call) {
    const size_t before = answers_.size();
    log_->Run<v1::Server>(
        call, [this](const Answer& answer) { answers_.push_back(answer); },
        [this](ServerAnswer finish) {
          ++runs_;
          if (later_) {
            finish_later_ = std::move(finish);
          } else {
            finish(result_);
          }
        });
    return answers_.size() == before ? "" : Text(answers_.back());
  }
  static std::string Text(const Answer& answer) {
    if (answer.ok()) return answer->name();
    return absl::StrCat(absl::StatusCodeToString(answer.status().code()), " ",
                        rpc::ReasonOf(answer.status()));
  }

  ScratchDir scratch_;
  supervision::FakeClock clock_;
  std::unique_ptr<state::Store> store_;
  std::unique_ptr<RequestLog> log_;
  std::vector<Answer> answers_;
  Answer result_ = Named("first");
  bool later_ = false;
  ServerAnswer finish_later_;
  int runs_ = 0;
};

TEST_F(RequestLogTest, ARepetitionAnswersAsTheFirstCallDidAndDoesNothing) {
  EXPECT_EQ(Run({"Start", "r1", "x"}), "first");
  result_ = Named("second");
  EXPECT_EQ(Run({"Start", "r1", "x"}), "first");
  EXPECT_EQ(runs_, 1);
}

TEST_F(RequestLogTest, AnAnswerOutlivesTheCoordinatorForADay) {
  Run({"Start", "r1", "x"});
  Open();
  result_ = Named("second");
  clock_.Advance(absl::ToChronoNanoseconds(state::kAnswerAge));
  EXPECT_EQ(Run({"Start", "r1", "x"}), "first");
  clock_.Advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(Run({"Start", "r1", "x"}), "second");
}

TEST_F(RequestLogTest, WithoutAnIdEveryCallIsNew) {
  Run({"Start", "", "x"});
  Run({"Start", "", "x"});
  EXPECT_EQ(runs_, 2);
}

TEST_F(RequestLogTest, MethodsAndIdsAreToldApart) {
  Run({"Start", "r1", "x"});
  Run({"Stop", "r1", "x"});
  Run({"Start", "r2", "x"});
  EXPECT_EQ(runs_, 3);
}

TEST_F(RequestLogTest, AnIdOfAnotherRequestIsRefused) {
  EXPECT_EQ(Run({"Start", "r1", "x"}), "first");
  EXPECT_EQ(Run({"Start", "r1", "y"}), "INVALID_ARGUMENT INVALID_FIELDS");
  EXPECT_THAT(std::string(answers_.back().status().message()),
              HasSubstr("request_id: is that of an earlier request"));
  Open();
  EXPECT_EQ(Run({"Start", "r1", ""}), "INVALID_ARGUMENT INVALID_FIELDS");
  EXPECT_EQ(Run({"Start", "r1", "x"}), "first") << "the first one's answer stays";
  EXPECT_EQ(runs_, 1);
}

TEST_F(RequestLogTest, ARepetitionOfACallUnderWayWaitsForItsAnswer) {
  later_ = true;
  EXPECT_EQ(Run({"Start", "r1", "x"}), "");
  EXPECT_EQ(Run({"Start", "r1", "x"}), "");
  EXPECT_EQ(Run({"Start", "r1", "y"}), "INVALID_ARGUMENT INVALID_FIELDS");
  answers_.clear();
  finish_later_(result_);
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(Text(answers_[0]), "first");
  EXPECT_EQ(Text(answers_[1]), "first");
  EXPECT_EQ(runs_, 1);
}

TEST_F(RequestLogTest, ACallerMayAskAgainFromItsAnswer) {
  std::vector<std::string> heard;
  const auto operation = [this](ServerAnswer finish) {
    ++runs_;
    finish(result_);
  };
  log_->Run<v1::Server>(
      {"Start", "r1", "x"},
      [&](const Answer& answer) {
        heard.push_back(Text(answer));
        log_->Run<v1::Server>(
            {"Start", "r1", "x"},
            [&](const Answer& again) { heard.push_back("again " + Text(again)); }, operation);
      },
      operation);
  EXPECT_THAT(heard, ElementsAre("first", "again first"));
  EXPECT_EQ(runs_, 1);
}

TEST_F(RequestLogTest, ARefusedCallIsTriedAnew) {
  result_ = absl::AlreadyExistsError("in use");
  EXPECT_EQ(Run({"Start", "r1", "x"}), "ALREADY_EXISTS ");
  result_ = Named("second");
  EXPECT_EQ(Run({"Start", "r1", "y"}), "second") << "nothing was remembered, so nothing differs";
}

TEST_F(RequestLogTest, AFailureThatHadAnEffectIsRememberedWithItsReason) {
  result_ = rpc::WithReason(absl::AbortedError("it died"), "START_FAILED", {{"server", "web"}});
  EXPECT_EQ(Run({"Start", "r1", "x"}), "ABORTED START_FAILED");
  Open();
  EXPECT_EQ(Run({"Start", "r1", "x"}), "ABORTED START_FAILED");
  EXPECT_EQ(answers_.back().status(), result_.status());
  EXPECT_EQ(runs_, 1);
}

TEST_F(RequestLogTest, TheOldestAnswersMakeRoomForNewOnes) {
  for (uint64_t i = 0; i < state::kAnswersMax + 200; ++i) {
    clock_.Advance(std::chrono::nanoseconds(1));
    Run({"Start", absl::StrCat(i), "x"});
  }
  result_ = Named("second");
  EXPECT_EQ(Run({"Start", absl::StrCat(state::kAnswersMax + 199), "x"}), "first");
  EXPECT_EQ(Run({"Start", "0", "x"}), "second") << "forgotten, so it is a new call";
}

TEST_F(RequestLogTest, ADamagedAnswerIsAnErrorAndTheCallIsNotRepeated) {
  for (const std::string& bytes :
       {std::string("\xff"), std::string(), Named("x").SerializeAsString(),
        EncodeAnswer("x", Packed("y")).substr(0, 30)}) {
    ASSERT_TRUE(store_->RememberAnswer("Start/r1", bytes, clock_.Wall()).ok());
    EXPECT_EQ(Run({"Start", "r1", "x"}), "DATA_LOSS ") << bytes.size();
  }
  EXPECT_EQ(runs_, 0);
}

TEST_F(RequestLogTest, AnswersSurviveTheirEncoding) {
  auto decoded = DecodeAnswer(EncodeAnswer("asked\xff", Packed("web")));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->request, "asked\xff");
  ASSERT_TRUE(decoded->result.ok());
  v1::Server server;
  ASSERT_TRUE(decoded->result->UnpackTo(&server));
  EXPECT_EQ(server.name(), "web");
}

}  // namespace
}  // namespace center::coordinator
