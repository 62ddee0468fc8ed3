// Transport by libcurl with OpenSSL.
//
// A token in a file is read for every call: Kubernetes replaces it about once an hour. A peer that
// has vanished without a word is noticed by TCP's keepalive within a minute.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/kube/config.h"
#include "services/coordinator/kube/transport.h"

namespace center::kube {

class CurlTransport final : public Transport {
 public:
  CurlTransport(ClusterConfig config, ReadFileFn read_file);
  ~CurlTransport() override;
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  absl::StatusOr<HttpAnswer> Call(const HttpRequest& request) override;
  absl::StatusOr<HttpAnswer> Stream(const HttpRequest& request, const OnData& on_data) override;
  void Interrupt() override { interrupted_.store(true); }

 private:
  struct Exchange;

  // A connection that is kept between calls; each is one thread's at a time.
  struct HandleCloser {
    void operator()(void* handle) const;
  };
  using Handle = std::unique_ptr<void, HandleCloser>;

  absl::StatusOr<HttpAnswer> Perform(const HttpRequest& request, const OnData& on_data);
  absl::StatusOr<std::string> Token() const;
  Handle TakeHandle();
  void GiveBack(Handle handle);
  void SetAddress(void* handle, const std::string& target, Exchange* exchange) const;
  void Prepare(void* handle, const HttpRequest& request, Exchange* exchange) const;
  absl::Status StatusOfCurl(int code, const Exchange& exchange, const HttpRequest& request) const;

  const ClusterConfig config_;
  const ReadFileFn read_file_;
  std::atomic<bool> interrupted_{false};
  absl::Mutex mutex_;
  std::vector<Handle> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::kube
