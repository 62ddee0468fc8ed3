// Pods as the API server shows them, for tests.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "services/coordinator/kube/objects.h"

namespace center::kube {

inline Json PodJson(const std::string& name, const std::string& uid) {
  return Json{{"metadata",
               {{"name", name},
                {"uid", uid},
                {"resourceVersion", "1"},
                {"labels", {{kServerLabel, "default"}}}}},
              {"spec", {{"nodeName", "node-1"}}},
              {"status", {{"phase", "Pending"}}}};
}

// With the worker's container in this state, such as {"running", {…}}.
inline Json WithState(Json pod, const Json& state, int restarts = 0,
                      const Json& last_state = Json::object()) {
  pod["status"]["containerStatuses"] = Json::array(
      {Json{{"name", "sidecar"}, {"restartCount", 99}}, Json{{"name", kWorkerContainer},
                                                             {"restartCount", restarts},
                                                             {"state", state},
                                                             {"lastState", last_state}}});
  return pod;
}
inline Json Running() { return Json{{"running", {{"startedAt", "2026-11-25T12:00:00Z"}}}}; }
inline Json Waiting(const std::string& reason, const std::string& message = "") {
  return Json{{"waiting", {{"reason", reason}, {"message", message}}}};
}
inline Json Ended(int exit_code, const std::string& reason = "Error") {
  return Json{
      {"terminated",
       {{"exitCode", exit_code}, {"reason", reason}, {"finishedAt", "2026-11-25T12:00:09Z"}}}};
}
inline Json WithCondition(Json pod, const std::string& type, const std::string& status,
                          const std::string& reason = "", const std::string& message = "") {
  pod["status"]["conditions"].push_back(
      Json{{"type", type}, {"status", status}, {"reason", reason}, {"message", message}});
  return pod;
}
inline Json Deleting(Json pod) {
  pod["metadata"]["deletionTimestamp"] = "2026-11-25T12:00:00Z";
  return pod;
}

inline Json SetJson(const std::string& server, int replicas) {
  return Json{
      {"metadata",
       {{"name", absl::StrCat("center-", server)},
        {"uid", absl::StrCat("set-", server)},
        {"resourceVersion", "1"},
        {"labels", {{kServerLabel, server}}}}},
      {"spec",
       {{"replicas", replicas},
        {"template",
         {{"spec",
           {{"containers",
             Json::array({Json{{"name", kWorkerContainer},
                               {"ports", Json::array({Json{{"name", kIngestPort},
                                                           {"containerPort", 5000}}})}}})}}}}}}}};
}

}  // namespace center::kube
