#include "tests/unit/rpc/certificates.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace center::rpc {
namespace {

// The certificate of `name`, to be signed.
X509Ptr NewCertificate(const std::string& name, EVP_PKEY* key, Authority::Life life) {
  static std::atomic<long> serial{1};
  X509Ptr made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), absl::ToInt64Seconds(life.begin));
  X509_gmtime_adj(X509_getm_notAfter(made.get()), absl::ToInt64Seconds(life.end));
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return made;
}

void AddExtension(X509* to, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  EXPECT_EQ(X509_add_ext(to, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

std::string AlternativeName(const std::string& name) {
  in6_addr parsed{};
  if (absl::StrContains(name, "://")) return absl::StrCat("URI:", name);
  const bool address = ::inet_pton(AF_INET, name.c_str(), &parsed) == 1 ||
                       ::inet_pton(AF_INET6, name.c_str(), &parsed) == 1;
  return absl::StrCat(address ? "IP:" : "DNS:", name);
}

template <typename Write>
void WriteFile(const std::string& path, Write write) {
  const std::string next = path + ".new";
  std::FILE* file = std::fopen(next.c_str(), "w");
  ASSERT_NE(file, nullptr) << next;
  EXPECT_EQ(write(file), 1) << next;
  EXPECT_EQ(std::fclose(file), 0);
  std::filesystem::rename(next, path);
}

}  // namespace

Authority::Authority(std::string folder, std::string name)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      path_(absl::StrCat(folder_, "/", name_, ".ca.pem")),
      key_(EVP_EC_gen("P-256")) {
  certificate_ = NewCertificate(name_, key_.get(), Life{});
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  EXPECT_GT(X509_sign(certificate_.get(), key_.get(), EVP_sha256()), 0);
  WriteFile(path_, [this](std::FILE* file) { return PEM_write_X509(file, certificate_.get()); });
}

TlsFiles Authority::Issue(const std::string& file, const std::vector<std::string>& names,
                          Life life) const {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr made = NewCertificate(file, key.get(), life);
  X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
  if (!names.empty()) {
    AddExtension(made.get(), NID_subject_alt_name,
                 absl::StrJoin(names, ",", [](std::string* out, const std::string& name) {
                   out->append(AlternativeName(name));
                 }));
  }
  EXPECT_GT(X509_sign(made.get(), key_.get(), EVP_sha256()), 0);
  const std::string base = absl::StrCat(folder_, "/", file);
  TlsFiles files{.cert = base + ".pem", .key = base + ".key", .ca = path_};
  WriteFile(files.key, [&](std::FILE* out) {
    return PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  WriteFile(files.cert, [&](std::FILE* out) { return PEM_write_X509(out, made.get()); });
  return files;
}

}  // namespace center::rpc
