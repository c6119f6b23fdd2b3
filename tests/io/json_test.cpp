// Pieces of JSON.

#include "aelle/io/json.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace aelle::io {
namespace {

TEST(Json, QuotesWhatStringsMayNotHold) {
    EXPECT_EQ(json_string("a \"b\" \\ \n\x01 é"), "\"a \\\"b\\\" \\\\ \\n\\u0001 é\"");
    EXPECT_EQ(json_string("\xff"), "\"\xef\xbf\xbd\"");
    EXPECT_EQ(json_strings({"a", "b"}), "[\"a\",\"b\"]");
}

TEST(Json, HasNoNumberForWhatIsNotFinite) {
    EXPECT_EQ(json_numbers({1.5, std::nan(""), -HUGE_VAL, 123456.0}, 3), "[1.5,null,null,1.23e+05]");
    EXPECT_EQ(json_numbers(std::vector<int64_t>{}), "[]");
}

}  // namespace
}  // namespace aelle::io
