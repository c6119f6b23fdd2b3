// safetensors files: as they are, or, so that changes of the header do not break its length, "{header}" up to a line feed, and data.
#include "aelle/io/safetensors.hpp"

#include <algorithm>
#include <vector>

#include "fuzz.hpp"

namespace {

std::vector<std::byte> file_of(std::string_view input) {
    std::vector<std::byte> content;
    const auto append = [&](std::string_view text) {
        for (const char c : text) content.push_back(static_cast<std::byte>(c));
    };
    if (input.starts_with('{')) {
        const std::size_t end = std::min(input.find('\n'), input.size());
        for (int i = 0; i < 8; ++i) content.push_back(static_cast<std::byte>(end >> (8 * i)));
        append(input.substr(0, end));
        append(input.substr(std::min(end + 1, input.size())));
    } else {
        append(input);
    }
    return content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    using namespace aelle;
    std::vector<std::byte> content = file_of(fuzz::text(data, size));
    fuzz::reads([&] {
        const io::SafetensorsReader file(std::move(content), "input");
        for (const std::string& name : file.names()) {
            fuzz::reads([&] {
                uint64_t count = 1;
                for (const int64_t d : file.dims(name)) count *= static_cast<uint64_t>(d);
                fuzz::expect(file.read(name).size() == count, "another number of values than the shape says");
            });
        }
    });
    return 0;
}
