#include "synthetic.hpp"

#include <fstream>
#include <initializer_list>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "aelle/tasks/charrnn.hpp"
#include "aelle/tasks/smnist.hpp"
#include "process.hpp"

namespace aelle::perf {
namespace {

constexpr int64_t digits = 10, characters = 82;

/// IDX: a magic number that says bytes and how many dimensions, the dimensions, the bytes; big-endian.
void write_idx(const std::filesystem::path& file, std::initializer_list<int64_t> dims, int64_t below) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(dims.size())};
    int64_t count = 1;
    for (const int64_t d : dims) {
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(d >> shift & 0xff));
        count *= d;
    }
    RandomStream random(4, static_cast<uint64_t>(below), Purpose::sampling);
    for (int64_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(random.below(below)));
    std::ofstream out(file, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out) throw CannotCreate(file.string() + ": cannot be written");
}

}  // namespace

void write_synthetic_mnist(const std::filesystem::path& folder, int64_t images) {
    std::filesystem::create_directories(folder / "mnist");
    write_idx(folder / "mnist" / "train-images-idx3-ubyte", {images, 28, 28}, 256);
    write_idx(folder / "mnist" / "train-labels-idx1-ubyte", {images}, digits);
}

std::shared_ptr<const learn::Sequences> synthetic_smnist(int64_t images) {
    const TemporaryFolder folder;
    write_synthetic_mnist(folder.path(), images);
    return tasks::read_smnist(folder.path(), tasks::MnistFile::train);
}

std::shared_ptr<const learn::Sequences> synthetic_charrnn(int64_t windows, int64_t steps) {
    tasks::Text text;
    RandomStream random(5, 0, Purpose::sampling);
    for (int64_t i = 0; i < windows * (steps + 1); ++i) text.symbols.push_back(static_cast<int32_t>(random.below(characters)));
    for (int64_t i = 0; i < characters; ++i) text.vocabulary.emplace_back(1, static_cast<char>(32 + i));
    return tasks::text_windows(text, 0, static_cast<int64_t>(text.symbols.size()), steps, true);
}

}  // namespace aelle::perf
