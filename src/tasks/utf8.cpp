#include "utf8.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

#include "aelle/base/error.hpp"

namespace aelle::tasks {
namespace {

[[noreturn]] void fail(std::string_view text, std::size_t at, const std::string& origin, const char* what) {
    std::array<char, 8> byte;
    std::snprintf(byte.data(), byte.size(), "0x%02x", static_cast<unsigned char>(text[at]));
    throw DataError(origin + ": byte " + std::to_string(at) + ": found " + byte.data() + ", " + what + "; expected UTF-8");
}

}  // namespace

std::vector<char32_t> decode_utf8(std::string_view text, const std::string& origin) {
    std::vector<char32_t> codes;
    codes.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
        if (length == 0) fail(text, at, origin, "which cannot start a character");
        auto code = static_cast<uint32_t>(length == 1 ? lead : lead & (0x7f >> length));
        for (std::size_t i = 1; i < length; ++i) {
            if (at + i >= text.size()) fail(text, at, origin, "a character that the end of the text cuts off");
            const auto next = static_cast<unsigned char>(text[at + i]);
            if ((next & 0xc0) != 0x80) fail(text, at + i, origin, "which does not continue a character");
            code = code << 6 | (next & 0x3f);
        }
        constexpr std::array<uint32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
        if (code < least[length]) fail(text, at, origin, "a character in a longer form than needed");
        if (code >= 0xd800 && code <= 0xdfff) fail(text, at, origin, "a surrogate");
        if (code > 0x10ffff) fail(text, at, origin, "a character above U+10FFFF");
        codes.push_back(code);
        at += length;
    }
    return codes;
}

std::string encode_utf8(char32_t code) {
    const auto byte = [](uint32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
    const auto tail = [&](int shift) { return byte(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) return {byte(code)};
    if (code < 0x800) return {byte(0xc0 | code >> 6), tail(0)};
    if (code < 0x10000) return {byte(0xe0 | code >> 12), tail(6), tail(0)};
    return {byte(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

}  // namespace aelle::tasks
