#include "services/coordinator/kube/list_watch.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/kube/fake_transport.h"

namespace center::kube {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Object(const std::string& name, int version) {
  return absl::StrCat(R"({"metadata":{"name":")", name, R"(","resourceVersion":")", version,
                      R"("}})");
}
std::string Page(const std::vector<std::string>& objects, int version,
                 const std::string& more = "") {
  return absl::StrCat(R"({"metadata":{"resourceVersion":")", version, R"(","continue":")", more,
                      R"("},"items":[)", absl::StrJoin(objects, ","), "]}");
}
std::string Event(const std::string& type, const std::string& object) {
  return absl::StrCat(R"({"type":")", type, R"(","object":)", object, "}\n");
}
std::string Expired() {
  return Event("ERROR", R"({"kind":"Status","code":410,"message":"too old resource version"})");
}

class ListWatchTest : public ::testing::Test {
 protected:
  absl::Duration Round() { return watch_.Round(); }

  FakeTransport api_;
  std::vector<std::string> heard_;
  double random_ = 0.5;  // no jitter
  ListWatch watch_{
      api_,
      {.collection = "/api/v1/pods",
       .selector = "a=b,c",
       .page_size = 2,
       .objects_max = 5,
       .event_bytes_max = 1000,
       .random = [this] { return random_; }},
      {.on_list =
           [this](const std::vector<Json>& all) {
             std::string line = "list";
             for (const Json& one : all) {
               absl::StrAppend(&line, " ", TextAt(one, {"metadata", "name"}));
             }
             heard_.push_back(line);
           },
       .on_change =
           [this](ListWatch::Change change, const Json& object) {
             heard_.push_back(absl::StrCat(change == ListWatch::Change::kPut ? "put " : "gone ",
                                           TextAt(object, {"metadata", "name"})));
           },
       .on_health =
           [this](const absl::Status& status) {
             heard_.push_back(status.ok() ? "well" : absl::StrCat("ill: ", status.message()));
           }}};
};

TEST_F(ListWatchTest, ListsAllPagesAndWatchesFromTheListOn) {
  api_.Answer(200, Page({Object("a", 1), Object("b", 2)}, 7, "m/ore"));
  api_.Answer(200, Page({Object("c", 3)}, 7));
  api_.Answer(200, Event("ADDED", Object("d", 8)) + Event("DELETED", Object("a", 9)));
  EXPECT_EQ(Round(), absl::ZeroDuration());
  EXPECT_THAT(heard_, ElementsAre("list a b c", "put d", "gone a"));
  EXPECT_EQ(api_.target(0), "/api/v1/pods?limit=2&labelSelector=a%3Db%2Cc");
  EXPECT_THAT(api_.target(1), HasSubstr("&continue=m%2Fore"));
  EXPECT_THAT(api_.target(2), AllOf(HasSubstr("watch=true"), HasSubstr("resourceVersion=7&"),
                                    HasSubstr("allowWatchBookmarks=true")));
}

TEST_F(ListWatchTest, AWatchThatHasEndedGoesOnFromItsLastBookmarkWithoutAList) {
  api_.Answer(200, Page({}, 7));
  api_.Answer(200, Event("BOOKMARK", Object("", 50)));
  api_.Answer(200, "");
  Round();
  Round();
  EXPECT_THAT(heard_, ElementsAre("list"));
  EXPECT_THAT(api_.target(2), HasSubstr("resourceVersion=50&"));
}

TEST_F(ListWatchTest, AnExpiredVersionMeansANewList) {
  api_.Answer(200, Page({Object("a", 1)}, 7));
  api_.Answer(200, Event("ADDED", Object("b", 8)) + Expired());
  EXPECT_EQ(Round(), absl::Milliseconds(200));
  api_.Answer(200, Page({Object("b", 8)}, 90));
  api_.Answer(200, "");
  Round();
  EXPECT_THAT(heard_, ElementsAre("list a", "put b", "list b"));
}

TEST_F(ListWatchTest, AnExpiredVersionAsAnAnswerMeansANewListAsWell) {
  api_.Answer(200, Page({}, 7));
  api_.Answer(410, R"({"message":"too old"})");
  Round();
  EXPECT_EQ(watch_.resource_version(), "");
  // And where the next page has expired, the list begins anew.
  api_.Answer(200, Page({Object("a", 1)}, 8, "more"));
  api_.Answer(410, "");
  Round();
  api_.Answer(200, Page({Object("z", 9)}, 9));
  Round();
  EXPECT_THAT(heard_, ElementsAre("list", "list z", HasSubstr("ill: nothing")));
}

TEST_F(ListWatchTest, PausesDoubleAndAreForgottenWhenSomethingComes) {
  std::vector<absl::Duration> pauses;
  for (int i = 0; i < 10; ++i) pauses.push_back(Round());
  EXPECT_EQ(pauses[0], absl::Milliseconds(200));
  EXPECT_EQ(pauses[1], absl::Milliseconds(400));
  EXPECT_EQ(pauses[9], absl::Seconds(30));
  api_.Answer(200, Page({}, 7));
  api_.Answer(200, Event("ADDED", Object("a", 8)));
  EXPECT_EQ(Round(), absl::ZeroDuration());
  EXPECT_EQ(Round(), absl::Milliseconds(200));
  // Trouble is told once, and so is its end.
  EXPECT_THAT(heard_, ElementsAre(HasSubstr("ill"), "list", "well", "put a", HasSubstr("ill")));
}

TEST_F(ListWatchTest, JitterSpreadsThePauses) {
  random_ = 0.0;
  EXPECT_EQ(Round(), absl::Milliseconds(150));
  random_ = 1.0;
  EXPECT_EQ(Round(), absl::Milliseconds(500));
}

TEST_F(ListWatchTest, AServerThatThrottlesIsObeyed) {
  api_.Answer(429, "slow down", absl::Seconds(7));
  EXPECT_EQ(Round(), absl::Seconds(7));
  EXPECT_THAT(heard_, ElementsAre(HasSubstr("answers 429: slow down")));
}

TEST_F(ListWatchTest, AServerThatEndsEveryWatchAtOnceIsNotHammered) {
  api_.Answer(200, Page({}, 7));
  api_.Answer(200, "");
  EXPECT_EQ(Round(), absl::Milliseconds(200));
}

TEST_F(ListWatchTest, MissingRightsAreToldAndTriedAgain) {
  api_.Answer(403, R"({"message":"pods is forbidden"})");
  EXPECT_GT(Round(), absl::ZeroDuration());
  EXPECT_THAT(heard_, ElementsAre(HasSubstr("pods is forbidden")));
}

TEST_F(ListWatchTest, TroubleThatGoesOnIsToldOnceAndAnotherKindAgain) {
  api_.Answer(200, Page({}, 7));
  for (int code : {503, 503, 403, 403}) {
    api_.Answer(code, "");
    Round();
  }
  EXPECT_THAT(heard_, ElementsAre("list", HasSubstr("503"), HasSubstr("403")));
  // A watch that has begun is its end, also before anything comes.
  api_.Answer(200, "");
  Round();
  EXPECT_THAT(heard_, ElementsAre("list", HasSubstr("503"), HasSubstr("403"), "well"));
}

TEST_F(ListWatchTest, TooManyObjectsAndTooLongEventsAreRefused) {
  api_.Answer(200, Page(std::vector<std::string>(6, Object("a", 1)), 7));
  Round();
  EXPECT_THAT(heard_, ElementsAre(HasSubstr("more than 5 objects")));
  heard_.clear();
  api_.Answer(200, Page({}, 7));
  api_.Answer(200, std::string(5000, 'x'));
  Round();
  EXPECT_EQ(watch_.resource_version(), "") << "what was too long is fetched by a list";
}

TEST_F(ListWatchTest, GarbageMeansANewList) {
  for (const char* garbage : {"no json\n", "[]\n", "{\"type\":\"ADDED\"}\n", "7\n"}) {
    heard_.clear();
    api_.Answer(200, Page({}, 7));
    api_.Answer(200, garbage);
    Round();
    EXPECT_EQ(watch_.resource_version(), "") << garbage;
    EXPECT_THAT(heard_, Not(IsEmpty()));
  }
  api_.Answer(200, "[1, 2]");
  heard_.clear();
  Round();
  EXPECT_THAT(heard_, ElementsAre(HasSubstr("no list")));
}

}  // namespace
}  // namespace center::kube
