#pragma once
/// UTF-8 (RFC 3629), strictly.

#include <string>
#include <string_view>
#include <vector>

namespace aelle::tasks {

/// Code points of a text. DataError naming `origin` and the byte at which it is not UTF-8: a continuation byte that is missing or out of place, a
/// longer form than needed, a surrogate, a value above U+10FFFF, a character cut off by the end.
std::vector<char32_t> decode_utf8(std::string_view text, const std::string& origin);

/// The bytes of one code point.
std::string encode_utf8(char32_t code);

}  // namespace aelle::tasks
