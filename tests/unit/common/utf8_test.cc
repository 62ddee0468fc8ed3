#include "services/common/utf8.h"

#include "gtest/gtest.h"

namespace center {
namespace {

TEST(ValidUtf8Test, TextStaysAsItIs) {
  for (const char* text : {"", "plain\n\ttext", "grüße", "€", "😀", "a\x7f"}) {
    EXPECT_EQ(ValidUtf8(text), text);
  }
  EXPECT_EQ(ValidUtf8(absl::string_view("a\0b", 3)), std::string("a\0b", 3));
}

TEST(ValidUtf8Test, OtherBytesAreEscapedAndTheirNeighboursStay) {
  EXPECT_EQ(ValidUtf8("a\xff\x80z"), "a\\xff\\x80z");
  EXPECT_EQ(ValidUtf8("ü\xc3"), "ü\\xc3") << "a character that was cut";
  EXPECT_EQ(ValidUtf8("\xe2\x82x"), "\\xe2\\x82x");
  EXPECT_EQ(ValidUtf8("\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
}

TEST(ValidUtf8Test, OverlongFormsAndSurrogatesAreNoCharacters) {
  EXPECT_EQ(ValidUtf8("\xc0\x80"), "\\xc0\\x80");
  EXPECT_EQ(ValidUtf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(ValidUtf8("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace center
