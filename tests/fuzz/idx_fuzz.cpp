// IDX files of images and of labels: as they are, plain or gzip, or, after a letter 'z', packed here.
#include "src/tasks/idx.hpp"

#include "fuzz.hpp"
#include "tests/io/gzip_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    using namespace aelle;
    const std::string input(fuzz::text(data, size)), file = input.starts_with('z') ? test::gzip(input.substr(1)) : input;
    const auto content = std::as_bytes(std::span(file));
    for (const auto& expected : {std::vector<std::optional<int64_t>>{std::nullopt, 28, 28}, std::vector<std::optional<int64_t>>{std::nullopt}}) {
        fuzz::reads([&] {
            const tasks::Idx idx = tasks::parse_idx(content, "input", expected);
            std::size_t count = 1;
            for (const int64_t d : idx.dims) count *= static_cast<std::size_t>(d);
            fuzz::expect(idx.values.size() == count, "another number of values than the sizes say");
        });
    }
    return 0;
}
