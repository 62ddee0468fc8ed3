#include "services/common/rpc/access_rules.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace center::rpc {
namespace {

constexpr char kRegistry[] = "/center.v1.RegistryService/";
constexpr char kHealth[] = "/grpc.health.v1.Health/";
constexpr char kReflection[] = "/grpc.reflection.";
constexpr char kWorkerStream[] = "/center.v1.WorkerService/StreamPayloads";

bool Share(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  return std::any_of(some.begin(), some.end(), [&](const std::string& name) {
    return std::find(others.begin(), others.end(), name) != others.end();
  });
}

}  // namespace

absl::Status CheckAccess(const AccessRules& rules, absl::string_view method,
                         const std::vector<std::string>& names) {
  const auto rule = std::find_if(rules.begin(), rules.end(), [method](const AccessRule& one) {
    return absl::StartsWith(method, one.prefix);
  });
  if (rule == rules.end()) return absl::OkStatus();
  const bool needed = rule->only.empty() || Share(rule->only, names);
  if (needed && !Share(rule->but_not, names)) return absl::OkStatus();
  const std::string caller =
      names.empty() ? "without a name" : absl::StrCat("of ", absl::StrJoin(names, ", "));
  return absl::PermissionDeniedError(absl::StrCat(
      "a certificate ", caller, " may not call ", method,
      needed ? absl::StrCat(": that is not for ", absl::StrJoin(rule->but_not, ", "))
             : absl::StrCat(": that is for ", absl::StrJoin(rule->only, ", "), " alone")));
}

AccessRules CoordinatorRules(const std::vector<std::string>& workers) {
  return {{.prefix = kRegistry, .only = workers},
          {.prefix = kHealth},
          {.prefix = "/", .but_not = workers}};
}

AccessRules WorkerRules(const std::vector<std::string>& coordinators,
                        const std::vector<std::string>& readers) {
  std::vector<std::string> both = coordinators;
  both.insert(both.end(), readers.begin(), readers.end());
  return {{.prefix = kWorkerStream, .only = both},
          {.prefix = kReflection, .only = both},  // grpcurl asks it how to read a stream
          {.prefix = kHealth},
          {.prefix = "/", .only = coordinators}};
}

}  // namespace center::rpc
