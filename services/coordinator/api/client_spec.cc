#include "services/coordinator/api/client_spec.h"

#include "services/coordinator/api/spec.h"

namespace center::coordinator {

void CheckClientSpec(const v1::ClientSpec& request, const v1::ClientSpec& merged,
                     std::vector<rpc::FieldViolation>* violations) {
  SpecProblems problems;
  FindClientSpecProblems(request, merged, &problems);
  AddSpecViolations(std::move(problems), violations);
}

std::string ClientNameOrDefault(const std::string& name) {
  return name.empty() ? std::string(kDefaultClient) : name;
}

}  // namespace center::coordinator
