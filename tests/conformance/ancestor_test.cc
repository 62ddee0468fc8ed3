// A Python client as the ancestor had it: `STRING|…` and `JSON|…` without delimiters.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"

namespace center::conformance {
namespace {

using ::testing::ElementsAre;

// The client, which sends what it is told when it is told: two writes without a delimiter that are
// read together are one chunk, so the next may only come when the one before was read.
class Client {
 public:
  Client(itest::Fleet& fleet, uint16_t port) : fifo_path_(fleet.dir() / "commands") {
    EXPECT_EQ(mkfifo(fifo_path_.c_str(), 0600), 0);
    // For reading too, so that opening it waits for nobody.
    commands_ = ScopedFd(open(fifo_path_.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_TRUE(commands_.valid());
    process_ = std::make_unique<itest::Process>(itest::Process::Options{
        .program = CENTER_PYTHON,
        .args = {CENTER_CONFORMANCE_DIR "/ancestor_client.py", absl::StrCat(port)},
        .stdin_path = fifo_path_,
        .stdout_path = fleet.dir() / "client.log"});
  }

  void Send(absl::string_view message) {
    const std::string line = absl::StrCat(message, "\n");
    EXPECT_EQ(write(commands_.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  // Ends its input; the client must then end by itself.
  void Finish() {
    commands_.Reset();
    EXPECT_EQ(process_->Wait(absl::Seconds(20)), 0);
  }

 private:
  const std::string fifo_path_;
  ScopedFd commands_;
  std::unique_ptr<itest::Process> process_;
};

TEST(AncestorTest, EachWriteIsAPayload) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_CHUNK));
  Client client(fleet, port);
  client.Send("STRING|2");
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  client.Send("JSON|{\"proto_cnt\": 1}");
  ASSERT_TRUE(fleet.WaitStored("default", 2));
  client.Send("  surrounded by white space\t ");
  ASSERT_TRUE(fleet.WaitStored("default", 3));
  client.Finish();
  EXPECT_THAT(StoredInOrder(fleet),
              ElementsAre("STRING|2", "JSON|{\"proto_cnt\": 1}", "surrounded by white space"));
}

TEST(AncestorTest, ReadersSeeTextAndJson) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_CHUNK));
  Client client(fleet, port);
  client.Send("STRING|2");
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  client.Send("JSON|{\"proto_cnt\": 1}");
  ASSERT_TRUE(fleet.WaitStored("default", 2));
  client.Finish();

  v1::TailPayloadsRequest request;
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  grpc::ClientContext context;
  auto stream = v1::PayloadService::NewStub(fleet.channel())->TailPayloads(&context, request);
  std::vector<v1::Payload> payloads;
  v1::TailPayloadsResponse response;
  while (stream->Read(&response)) payloads.push_back(response.payload());
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(payloads.size(), 2u);
  EXPECT_EQ(payloads[0].kind(), v1::PAYLOAD_KIND_TEXT);
  EXPECT_EQ(payloads[0].text(), "STRING|2");
  EXPECT_EQ(payloads[1].kind(), v1::PAYLOAD_KIND_JSON);
  EXPECT_EQ(payloads[1].json(), "{\"proto_cnt\": 1}");
}

}  // namespace
}  // namespace center::conformance
