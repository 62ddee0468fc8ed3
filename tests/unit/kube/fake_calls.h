// An API server that keeps what it is asked, and answers when told.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/kube/calls.h"

namespace center::kube {

class FakeCalls final : public Calls {
 public:
  void Scale(const std::string& stateful_set, int64_t replicas, Scaled done) override {
    asked.push_back(absl::StrCat("scale ", stateful_set, " ", replicas));
    scaled.push_back(std::move(done));
  }
  void DeletePod(const std::string& name, const std::string& uid,
                 absl::optional<absl::Duration> grace, Done done) override {
    asked.push_back(absl::StrCat("delete ", name, " ", uid,
                                 grace.has_value() ? absl::FormatDuration(*grace) : ""));
    deleted.push_back(std::move(done));
  }

  std::vector<std::string> asked;
  std::vector<Scaled> scaled;
  std::vector<Done> deleted;
};

}  // namespace center::kube
