#include "aelle/tasks/smnist.hpp"

#include <numeric>

#include "tasks/data_folder.hpp"

namespace aelle::tasks {
namespace {

using test::contains;
using test::gzip;
using test::idx;
using test::message_of;
using test::put;

constexpr uint32_t images_magic = 0x803, labels_magic = 0x801;

class SmnistFiles : public test::Scratch {
protected:
    std::filesystem::path images() const { return folder_ / "mnist/train-images-idx3-ubyte"; }
    std::filesystem::path labels() const { return folder_ / "mnist/train-labels-idx1-ubyte"; }
    std::string refused() const {
        return message_of<DataError>([&] { read_smnist(folder_, MnistFile::train); });
    }
    struct Content {
        std::string levels = std::string(3 * 784, '\0'), classes = std::string("\x07\x00\x09", 3);
    };
    /// Three images with an own level in each corner.
    Content content() const {
        Content made;
        for (int i = 0; i < 3; ++i) {
            made.levels[static_cast<std::size_t>(784 * i)] = static_cast<char>(10 * i + 1);
            made.levels[static_cast<std::size_t>(784 * i + 27)] = static_cast<char>(10 * i + 2);
            made.levels[static_cast<std::size_t>(784 * i + 783)] = static_cast<char>(255);
        }
        return made;
    }
    void put_good() const {
        put(images(), idx(images_magic, {3, 28, 28}, content().levels));
        put(labels(), idx(labels_magic, {3}, content().classes));
    }
};

TEST_F(SmnistFiles, RowsAreStepsAndLevelsAreDividedBy255) {
    put_good();
    const auto images = read_smnist(folder_, MnistFile::train);
    EXPECT_EQ(images->size(), 3);
    EXPECT_EQ(images->steps(), 28);
    EXPECT_EQ(images->features(), 28);
    EXPECT_EQ(images->classes(), 10);
    EXPECT_EQ(images->target_steps(), 1);
    learn::Minibatch batch;
    images->gather(std::vector<int64_t>{2, 0}, batch);
    ASSERT_EQ(batch.values.size(), 28u * 28 * 2);
    EXPECT_EQ(batch.targets, (std::vector<int32_t>{9, 7}));
    EXPECT_TRUE(batch.symbols.empty());
    const auto value = [&](int step, int sequence, int feature) { return batch.values[static_cast<std::size_t>((step * 2 + sequence) * 28 + feature)]; };
    EXPECT_EQ(value(0, 0, 0), 21.0f / 255.0f);
    EXPECT_EQ(value(0, 1, 0), 1.0f / 255.0f);
    EXPECT_EQ(value(0, 1, 27), 2.0f / 255.0f);
    EXPECT_EQ(value(27, 0, 27), 1.0f);
    EXPECT_EQ(value(13, 1, 13), 0.0f);
}

TEST_F(SmnistFiles, PackedFilesGiveTheSame) {
    put(images().string() + ".gz", gzip(idx(images_magic, {3, 28, 28}, content().levels)));
    const std::string packed = gzip(idx(labels_magic, {3}, content().classes));
    put(labels().string() + ".gz", packed);
    learn::Minibatch from_packed, from_plain;
    read_smnist(folder_, MnistFile::train)->gather(std::vector<int64_t>{0, 1, 2}, from_packed);
    put_good();
    read_smnist(folder_, MnistFile::train)->gather(std::vector<int64_t>{0, 1, 2}, from_plain);
    EXPECT_EQ(from_packed.values, from_plain.values);
    EXPECT_EQ(from_packed.targets, from_plain.targets);
}

TEST_F(SmnistFiles, MissingFilesAreNamedWithTheWayToGetThem) {
    std::string message = message_of<MissingInput>([&] { read_smnist(folder_, MnistFile::test); });
    for (const char* part : {"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte ", "tools/fetch-data", "--data", "AELLE_DATA"}) {
        EXPECT_TRUE(contains(message, part)) << message;
    }
    EXPECT_TRUE(contains(message, "the data folder is " + folder_.string())) << message;
    put_good();
    std::filesystem::remove(labels());
    message = message_of<MissingInput>([&] { read_smnist(folder_, MnistFile::train); });
    EXPECT_TRUE(contains(message, "labels") && !contains(message, "images-idx3")) << message;
    EXPECT_TRUE(contains(message_of<MissingInput>([] { read_smnist("", MnistFile::train); }), "no data folder was given"));
}

TEST_F(SmnistFiles, WrongHeadersAreRefused) {
    put_good();
    put(images(), idx(labels_magic, {3, 28, 28}, content().levels));
    EXPECT_TRUE(contains(refused(), "found 0x00000801, expected 0x00000803")) << refused();
    put(images(), idx(images_magic, {3, 28, 27}, content().levels));
    EXPECT_TRUE(contains(refused(), "found 3 x 28 x 27, expected any x 28 x 28")) << refused();
    put(images(), idx(images_magic, {0, 28, 28}, ""));
    EXPECT_TRUE(contains(refused(), "found 0 x 28 x 28")) << refused();
    put(images(), idx(images_magic, {2, 28, 28}, content().levels.substr(784)));
    EXPECT_TRUE(contains(refused(), "found 3 labels, expected 2")) << refused();
    put(images(), "");
    EXPECT_TRUE(contains(refused(), "header")) << refused();
    put_good();
    put(labels(), idx(labels_magic, {3}, {"\x07\x0a\x09", 3}));
    EXPECT_TRUE(contains(refused(), "label 1: found 10, expected 0 to 9") && contains(refused(), labels().string())) << refused();
}

TEST_F(SmnistFiles, EveryTruncationIsRefusedAndSoIsMore) {
    const std::string whole = idx(labels_magic, {3}, content().classes), packed = gzip(whole);
    put_good();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        put(labels(), whole.substr(0, size));
        EXPECT_THROW(read_smnist(folder_, MnistFile::train), DataError) << size;
    }
    put(labels(), whole + '\0');
    EXPECT_TRUE(contains(refused(), "found more than the 3 bytes")) << refused();
    std::filesystem::remove(labels());
    for (std::size_t size = 0; size < packed.size(); ++size) {
        put(labels().string() + ".gz", packed.substr(0, size));
        EXPECT_THROW(read_smnist(folder_, MnistFile::train), DataError) << size;
    }
    for (const std::string& more : {gzip("more"), std::string("more"), packed.substr(0, 5)}) {
        put(labels().string() + ".gz", packed + more);
        EXPECT_THROW(read_smnist(folder_, MnistFile::train), DataError) << more;
    }
    put(labels().string() + ".gz", gzip(whole.substr(0, 9)) + gzip(whole.substr(9)));  // two streams are one file, as for gunzip
    EXPECT_EQ(read_smnist(folder_, MnistFile::train)->size(), 3);
    std::string damaged = packed;
    damaged[damaged.size() - 5] ^= 1;  // its checksum
    put(labels().string() + ".gz", damaged);
    EXPECT_TRUE(contains(refused(), "damaged")) << refused();
}

// A header that claims 3 TiB, and 64 MiB of zeros packed into 64 KiB: neither may take memory for what it claims.
TEST_F(SmnistFiles, HostileSizesTakeNoMemory) {
    put_good();
    put(images(), idx(images_magic, {0xffffffff, 28, 28}, content().levels));
    EXPECT_TRUE(contains(refused(), "expected any x 28 x 28, any being 1 to 1000000")) << refused();
    put(images(), idx(images_magic, {1'000'000, 28, 28}, content().levels));
    EXPECT_TRUE(contains(refused(), "found 2352 bytes behind the header, expected 784000000")) << refused();
    std::filesystem::remove(images());
    put(images().string() + ".gz", gzip(idx(images_magic, {3, 28, 28}, std::string(std::size_t{64} << 20, '\0'))));
    EXPECT_TRUE(contains(refused(), "found more than the 2352 bytes")) << refused();
}

TEST(Smnist, RealFilesAreRead) {
    const auto data = test::real_data("mnist");
    if (!data) GTEST_SKIP() << "no mnist in $AELLE_DATA or ../shared/data";
    const auto train = read_smnist(*data, MnistFile::train), test = read_smnist(*data, MnistFile::test);
    EXPECT_EQ(train->size(), 60000);
    EXPECT_EQ(test->size(), 10000);
    std::vector<int64_t> first(10);
    std::iota(first.begin(), first.end(), 0);
    learn::Minibatch batch;
    train->gather(first, batch);
    EXPECT_EQ(batch.targets, (std::vector<int32_t>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));  // the well-known first digits
    test->gather(first, batch);
    EXPECT_EQ(batch.targets, (std::vector<int32_t>{7, 2, 1, 0, 4, 1, 4, 9, 5, 9}));
    std::vector<int64_t> all(10000);
    std::iota(all.begin(), all.end(), 0);
    test->gather(all, batch);
    const double mean = std::accumulate(batch.values.begin(), batch.values.end(), 0.0) / static_cast<double>(batch.values.size());
    EXPECT_NEAR(mean, 0.1325, 5e-5);  // published mean grey level of the test images
}

}  // namespace
}  // namespace aelle::tasks
