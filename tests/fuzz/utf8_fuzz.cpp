// UTF-8 text: what is accepted is the encoding of what was decoded, byte by byte.
#include "src/tasks/utf8.hpp"

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    using namespace aelle;
    fuzz::reads([&] {
        std::string back;
        for (const char32_t code : tasks::decode_utf8(fuzz::text(data, size), "input")) back += tasks::encode_utf8(code);
        fuzz::expect(back == fuzz::text(data, size), "decoding and encoding changed a text");
    });
    return 0;
}
