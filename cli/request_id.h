// Ids that make mutations safe to repeat.
#pragma once

#include <string>

namespace center::cli {

// 128 random bits as hex digits.
std::string NewRequestId();

}  // namespace center::cli
