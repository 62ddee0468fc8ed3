// Owners of OpenSSL's objects, and what certificates say.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace center::rpc {

template <auto Free>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslFree<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslFree<SSL_free>>;

// Null when the text holds none.
X509Ptr ParseCertificate(absl::string_view pem);
KeyPtr ParseKey(absl::string_view pem);

// Its subject alternative names: of hosts, addresses and URIs.
std::vector<std::string> NamesOf(const X509& certificate);
absl::Time TimeOf(const ASN1_TIME* time);
std::string DateOf(absl::Time time);

}  // namespace center::rpc
