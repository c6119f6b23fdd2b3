#include "aelle/io/safetensors.hpp"

#include <cmath>

#include "aelle/io/file.hpp"
#include "io/safetensors_text.hpp"
#include "io/scratch.hpp"

namespace aelle::io {
namespace {

using test::contains;
using test::message_of;
using test::safetensors_file;
using test::SafetensorsWriter;

SafetensorsReader read_back(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {std::vector<std::byte>(bytes.begin(), bytes.end()), "made.safetensors"};
}

std::string refused(const std::string& text) {
    return message_of<DataError>([&] { read_back(text); });
}

std::string entry(const std::string& name, const std::string& type, const std::string& shape, const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

TEST(Safetensors, AllFloatingTypesAreRead) {
    const SafetensorsReader reader = read_back(
        SafetensorsWriter()
            .metadata(R"({"format":"pt","dt":"0.25"})")
            .add<double>("rnn.d", "F64", {2}, {1.0 / 3.0, -1e300})
            .add<float>("f", "F32", {2, 1}, {0.1f, -3.5f})
            .add<uint16_t>("h", "F16", {9}, {0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7bff, 0x7c00, 0xfc00, 0x7e00})
            .add<uint16_t>("b", "BF16", {3}, {0x3f80, 0xc2f7, 0x7f80})
            .add<int64_t>("count", "I64", {}, {7})
            .add<float>("none", "F32", {0, 5}, {})
            .text());
    EXPECT_EQ(reader.names(), (std::vector<std::string>{"b", "count", "f", "h", "none", "rnn.d"}));
    EXPECT_EQ(reader.read("rnn.d"), (std::vector<double>{1.0 / 3.0, -1e300}));
    EXPECT_EQ(reader.dims("f"), (Dims{2, 1}));
    EXPECT_EQ(reader.read("f"), (std::vector<double>{double{0.1f}, -3.5}));
    const std::vector<double> half = reader.read("h");
    const double infinity = std::numeric_limits<double>::infinity();
    const std::vector<double> expected = {1, -2, 0.333251953125, 0x1p-24, -0.0, 65504, infinity, -infinity};  // IEEE 754-2008, table 3.5
    EXPECT_EQ(std::vector<double>(half.begin(), half.begin() + 8), expected);
    EXPECT_TRUE(std::signbit(half[4]));
    EXPECT_TRUE(std::isnan(half[8]));
    EXPECT_EQ(reader.read("b"), (std::vector<double>{1, -123.5, infinity}));
    EXPECT_TRUE(reader.read("none").empty());
    EXPECT_EQ(reader.metadata().at("dt"), "0.25");
    EXPECT_TRUE(contains(message_of<DataError>([&] { reader.read("count"); }), "count: found type 'I64', expected F64, F32, F16 or BF16"));
    EXPECT_TRUE(contains(message_of<DataError>([&] { reader.read("absent"); }), "absent: missing"));
    EXPECT_FALSE(reader.has("absent"));
}

TEST(Safetensors, HeadersThatThePublishedWriterMakesAreRead) {
    // the writer of safetensors pads the header with blanks, so that the data are aligned
    const SafetensorsReader reader = read_back(safetensors_file("{" + entry("w", "F32", "[1]", "[0,4]") + "}      ", std::string(4, '\0')));
    EXPECT_EQ(reader.read("w"), (std::vector<double>{0.0}));
    EXPECT_TRUE(read_back(safetensors_file("{}", "")).names().empty());
    EXPECT_EQ(read_back(safetensors_file("{" + entry("f8", "F8_E4M3", "[4]", "[0,4]") + "}", "abcd")).dims("f8"), (Dims{4}));
}

TEST(Safetensors, BadHeadersAreRefusedByName) {
    const std::string data(16, '\0');
    const auto one = [&](const std::string& type, const std::string& shape, const std::string& offsets) {
        return refused(safetensors_file("{" + entry("w", type, shape, offsets) + "}", data));
    };
    EXPECT_TRUE(contains(one("F32", "[5]", "[0,16]"), "w: found 16 bytes, expected those of shape (5) and type F32"));
    EXPECT_TRUE(contains(one("F32", "[4]", "[0,20]"), "w: data_offsets: found 0 to 20, expected a part of the 16"));
    EXPECT_TRUE(contains(one("F32", "[4]", "[16,0]"), "found 16 to 0"));
    EXPECT_TRUE(contains(one("F32", "[4]", "[-16,0]"), "w: found a negative number"));
    EXPECT_TRUE(contains(one("F32", "[-4]", "[0,16]"), "w: found a negative number"));
    EXPECT_TRUE(contains(one("F32", "[4.0]", "[0,16]"), "no integer"));
    EXPECT_TRUE(contains(one("F32", "[4]", "[0,16,16]"), "more than two offsets"));
    EXPECT_TRUE(contains(one("F32", "[4]", "[0]"), "not complete"));
    EXPECT_TRUE(contains(one("F32", "[18446744073709551615]", "[0,16]"), "above 2^63"));
    EXPECT_TRUE(contains(one("F32", "[99999999999999999999999]", "[0,16]"), "no integer"));
    EXPECT_TRUE(contains(one("F32", "[4]", "[0,18446744073709551615]"), "18446744073709551615"));
    EXPECT_TRUE(contains(one("F64", "[4294967296,4294967296]", "[0,0]"), "found 0 bytes")) << "the product is 0 in 64 bits";
    EXPECT_TRUE(contains(one("F32", "[9223372036854775807,0,3]", "[0,16]"), "found 16 bytes"));
    std::string ones = "1";
    for (int i = 0; i < 32; ++i) ones += ",1";
    EXPECT_TRUE(contains(one("F32", "[" + ones + "]", "[0,16]"), "more than 32 dimensions"));
    EXPECT_TRUE(contains(one("F32", "[[4]]", "[0,16]"), "a list"));
    EXPECT_TRUE(contains(one("F32", "{}", "[0,16]"), "an object"));
    EXPECT_TRUE(contains(one("F32", "null", "[0,16]"), "null"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"w":{"dtype":4,"shape":[4],"data_offsets":[0,16]}})", data)), "w: found a number"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"w":{"shape":[4],"data_offsets":[0,16]}})", data)), "not complete"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"w":{"dtype":"F32","dtype":"F64"}})", data)), "key 'dtype' twice"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"w":{"type":"F32"}})", data)), "key 'type'"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"w":7})", data)), "w: found a number"));
    EXPECT_TRUE(contains(refused(safetensors_file("[]", "")), "header: found a list"));
    EXPECT_TRUE(contains(refused(safetensors_file("7", "")), "header: found a number"));
    EXPECT_TRUE(contains(refused(safetensors_file("{} {}", "")), "no JSON at byte"));
    EXPECT_TRUE(contains(refused(safetensors_file("{\"\xff\":1}", "")), "no JSON at byte"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"__metadata__":{"a":1}})", "")), "__metadata__: found a number"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"__metadata__":{"a":"1","a":"2"}})", "")), "a key twice"));
    EXPECT_TRUE(contains(refused(safetensors_file(R"({"__metadata__":{},"__metadata__":{}})", "")), "the name twice"));
}

TEST(Safetensors, TensorsCoverTheFileOnceEach) {
    const std::string data(16, '\0');
    const auto two = [&](const std::string& second, const std::string& name = "v") {
        return refused(safetensors_file("{" + entry("w", "F32", "[2]", "[0,8]") + "," + entry(name, "F32", "[2]", second) + "}", data));
    };
    EXPECT_TRUE(contains(two("[4,12]"), "v: data_offsets: found a beginning at 4, expected 8"));
    EXPECT_TRUE(contains(two("[0,8]"), "overlap"));
    EXPECT_TRUE(contains(two("[8,16]", "w"), "w: found the name twice"));
    EXPECT_TRUE(contains(refused(safetensors_file("{" + entry("w", "F32", "[2]", "[8,16]") + "}", data)), "hole"));
    EXPECT_TRUE(contains(refused(safetensors_file("{" + entry("w", "F32", "[2]", "[0,8]") + "}", data)), "found tensors of 8 bytes, expected the 16"));
}

TEST(Safetensors, WrongLengthsAndEveryTruncationAreRefused) {
    const std::string whole = SafetensorsWriter().add<float>("w", "F32", {2}, {1, 2}).text();
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_THROW(read_back(whole.substr(0, size)), DataError) << size;
    refused(whole + '\0');
    const std::string header = "{" + entry("w", "F32", "[0]", "[0,0]") + "}";
    for (const int64_t length : {int64_t{0}, int64_t{1}, int64_t{1000}, INT64_MAX}) refused(safetensors_file(header, "", length));
    EXPECT_TRUE(contains(refused(std::string(8, '\xff')), "found a length of 18446744073709551615"));
}

// A header may be as deep or as wide as the file is long; neither recursion nor memory may follow it.
TEST(Safetensors, DeepAndWideHeadersAreRefusedAtOnce) {
    refused(safetensors_file(std::string(1'000'000, '['), ""));
    std::string nested;
    for (int i = 0; i < 100'000; ++i) nested += "{\"a\":";
    refused(safetensors_file(nested, ""));
    const std::string message = refused(safetensors_file("{\"" + std::string(1'000'000, 'x') + "\":1}", ""));
    EXPECT_LT(message.size(), 1000u);
}

class SafetensorsFiles : public test::Scratch {};

TEST_F(SafetensorsFiles, AreReadFromDisk) {
    const auto file = folder_ / "net.safetensors";
    EXPECT_TRUE(contains(message_of<MissingInput>([&] { SafetensorsReader{file}; }), file.string()));
    EXPECT_TRUE(contains(message_of<DataError>([&] { SafetensorsReader{folder_}; }), "not a file"));
    write_atomically(file, SafetensorsWriter().add<float>("w", "F32", {2}, {1, 2}).text());
    EXPECT_EQ(SafetensorsReader(file).read("w"), (std::vector<double>{1, 2}));
    EXPECT_TRUE(looks_like_safetensors(read_bytes(file)));
    write_atomically(file, "\x89HDF\r\n\x1a\n{");
    EXPECT_FALSE(looks_like_safetensors(read_bytes(file)));
}

}  // namespace
}  // namespace aelle::io
