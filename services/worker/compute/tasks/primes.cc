// How many primes there are up to a number, by a sieve of Eratosthenes in segments: memory for the
// primes up to the square root and one segment, whatever the number.
#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

constexpr int64_t kNumberMax = 1'000'000'000'000'000;
// Odd numbers in a segment; a byte each, so that it stays in the processor's first cache.
constexpr int64_t kSegment = 32'768;

// The odd primes whose square is at most `number`.
std::vector<int64_t> OddPrimesUpToRoot(int64_t number) {
  // The floating-point root may be off by one either way; a prime too many does no harm.
  const auto root = static_cast<size_t>(std::sqrt(static_cast<double>(number))) + 1;
  std::vector<bool> composite(root + 1);
  std::vector<int64_t> primes;
  for (size_t i = 3; i <= root; i += 2) {
    if (composite[i]) continue;
    primes.push_back(static_cast<int64_t>(i));
    for (size_t k = i * i; k <= root; k += 2 * i) composite[k] = true;
  }
  return primes;
}

int CountPrimes(void* /*state*/, center_call* call) {
  int64_t number = 0;
  if (!NumberInput(call, &number)) return 1;
  if (number > kNumberMax) return FailInput(call, absl::StrCat(number, " is above 10^15"));
  if (number < 2) return AppendNumber(call, 0);
  const std::vector<int64_t> primes = OddPrimesUpToRoot(number);
  // Of each prime, the next odd multiple to strike out.
  std::vector<int64_t> multiples;
  multiples.reserve(primes.size());
  for (const int64_t prime : primes) multiples.push_back(prime * prime);
  int64_t count = 1;  // 2
  std::vector<char> composite(kSegment);
  // The segment holds low, low + 2, ….
  for (int64_t low = 3; low <= number; low += 2 * kSegment) {
    if (call->stopping(call) != 0) return FailInput(call, "stopped");
    const int64_t numbers = std::min(kSegment, (number - low) / 2 + 1);
    std::fill_n(composite.begin(), numbers, 0);
    for (size_t i = 0; i < primes.size() && primes[i] * primes[i] < low + 2 * numbers; ++i) {
      int64_t at = (multiples[i] - low) / 2;
      for (; at < numbers; at += primes[i]) composite[static_cast<size_t>(at)] = 1;
      multiples[i] = low + 2 * at;
    }
    count += std::count(composite.begin(), composite.begin() + numbers, 0);
  }
  return AppendNumber(call, count);
}

}  // namespace

const center_task kPrimesTask = {"primes",
                                 "how many primes there are up to N",
                                 "Input:  N, a whole number up to 10^15.\n"
                                 "Result: how many primes are at most N (25 for 100).\n",
                                 nullptr,
                                 nullptr,
                                 &CountPrimes,
                                 nullptr};

}  // namespace center::compute
