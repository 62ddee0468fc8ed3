// SHA-256 by OpenSSL's libcrypto, which uses what the processor has for it.
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "absl/strings/string_view.h"
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

constexpr size_t kDigestBytes = 32;
// Bytes between two looks at the stop token: some milliseconds.
constexpr size_t kHashSliceBytes = 4 << 20;

// Looking the algorithm up takes longer than a short input: once per state.
struct Hasher {
  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm{
      EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free};
};

int CreateHasher(center_setup* setup) {
  if (setup->arg_count > 0) return FailSetup(setup, "sha256 takes no arguments");
  auto hasher = std::make_unique<Hasher>();
  if (hasher->algorithm == nullptr || hasher->context == nullptr) {
    return FailSetup(setup, "libcrypto offers no SHA-256");
  }
  setup->state = hasher.release();
  return 0;
}

void DestroyHasher(void* state) { std::unique_ptr<Hasher> owner(static_cast<Hasher*>(state)); }

int Hash(const Hasher& hasher, center_call* call) {
  absl::string_view left = ToView(call->input);
  bool good = EVP_DigestInit_ex2(hasher.context.get(), hasher.algorithm.get(), nullptr) == 1;
  while (good && !left.empty()) {
    const absl::string_view slice = left.substr(0, kHashSliceBytes);
    good = EVP_DigestUpdate(hasher.context.get(), slice.data(), slice.size()) == 1;
    left.remove_prefix(slice.size());
    if (!left.empty() && call->stopping(call) != 0) return FailInput(call, "stopped");
  }
  std::array<unsigned char, kDigestBytes> digest;
  good = good && EVP_DigestFinal_ex(hasher.context.get(), digest.data(), nullptr) == 1;
  if (!good) return FailInput(call, "libcrypto has failed");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 2 * kDigestBytes> hex;
  for (size_t i = 0; i < kDigestBytes; ++i) {
    hex[2 * i] = kDigits[digest[i] >> 4];
    hex[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return call->append(call, hex.data(), hex.size());
}

int HashMany(void* state, center_call* call) {
  const auto& hasher = *static_cast<const Hasher*>(state);
  while (call->next(call) != 0) {
    if (Hash(hasher, call) != 0 && call->stopping(call) != 0) return 1;
  }
  return 0;
}

}  // namespace

const center_task kSha256Task = {"sha256",
                                 "the SHA-256 of each input",
                                 "Input:  any bytes.\n"
                                 "Result: 64 lower-case hexadecimal digits.\n",
                                 &CreateHasher,
                                 &DestroyHasher,
                                 nullptr,
                                 &HashMany};

}  // namespace center::compute
