// Early return on an absl::Status: the two macros that every file of Center uses.
//
//   RETURN_IF_ERROR(file.Sync());
//   ASSIGN_OR_RETURN(auto fd, OpenForRead(path));
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define CENTER_CONCAT_INNER(a, b) a##b
#define CENTER_CONCAT(a, b) CENTER_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                                       \
  do {                                                              \
    if (absl::Status center_status = (expr); !center_status.ok()) { \
      return center_status;                                         \
    }                                                               \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  CENTER_ASSIGN_OR_RETURN_IMPL(CENTER_CONCAT(center_statusor_, __LINE__), lhs, expr)

#define CENTER_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return tmp.status();                \
  lhs = std::move(tmp).value()
