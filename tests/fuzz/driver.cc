// Runs a fuzz target without libFuzzer: every file of the folders given, then mutations of them.
// The mutations come from a fixed seed, so that a failure happens again.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutationsMax = 200'000;
constexpr std::chrono::seconds kTimeMax(5);
constexpr size_t kInputBytesMax = 4096;

using Random = std::mt19937_64;

size_t Below(Random& random, size_t limit) { return limit == 0 ? 0 : random() % limit; }

void MutateOnce(Random& random, std::string& input) {
  const size_t at = Below(random, input.size() + 1);
  switch (Below(random, 6)) {
    case 0:  // a bit flips
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << Below(random, 8)));
      break;
    case 1:  // a byte from those that parsers care about
      input.insert(at, 1, "\n\r 0129\0\xff\x80{}|"[Below(random, 14)]);
      break;
    case 2:
      input.insert(at, 1, static_cast<char>(random()));
      break;
    case 3:
      input.erase(at, 1 + Below(random, 8));
      break;
    case 4:  // a piece comes twice
      input.insert(at, input.substr(Below(random, input.size() + 1), Below(random, 64)));
      break;
    default:
      input.resize(at);
  }
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
}

void RunOne(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> seeds = {"", "hello\nworld\r\n", std::string("\0\0\0\5hello", 9),
                                    "5 hello3 abc"};
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
      std::ifstream file(entry.path(), std::ios::binary);
      seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (error) {
      std::fprintf(stderr, "%s: %s\n", argv[i], error.message().c_str());
      return EXIT_FAILURE;
    }
  }
  for (const std::string& seed : seeds) RunOne(seed);

  Random random(20'000);  // NOLINT: the same mutations each time, on purpose
  const auto end = std::chrono::steady_clock::now() + kTimeMax;
  int mutations = 0;
  for (; mutations < kMutationsMax && std::chrono::steady_clock::now() < end; ++mutations) {
    std::string input = seeds[Below(random, seeds.size())];
    for (size_t i = 1 + Below(random, 8); i > 0; --i) MutateOnce(random, input);
    RunOne(input);
  }
  std::printf("%zu inputs, %d mutations\n", seeds.size(), mutations);
  return EXIT_SUCCESS;
}
