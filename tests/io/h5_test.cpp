#include "aelle/io/h5.hpp"

#include <cmath>
#include <limits>
#include <thread>

#include "aelle/io/file.hpp"
#include "scratch.hpp"

namespace aelle::io {
namespace {

using test::contains;
using test::message_of;

class H5 : public test::Scratch {
protected:
    std::filesystem::path file() const { return folder_ / "a.h5"; }
};

void fill(H5Writer& writer) {
    writer.write("exponents", std::vector<double>{1, 2, 3, 4, 5, 6}, {2, 3});
    writer.write("variant", std::vector<int64_t>{7, 9}, {2});
    writer.write("rank", std::vector<int32_t>{0, 1, 2}, {3});
    writer.write_strings("deep/er/names", {"a", "\xc3\xa9t\xc3\xa9", ""}, {3});
    writer.make_scale("variant", "variant");
    writer.make_scale("rank", "rank");
    writer.attach_scale("exponents", 0, "variant");
    writer.attach_scale("exponents", 1, "rank");
    writer.attribute("/", "study", std::string("text\nof a study"));
    writer.attribute("exponents", "units", std::string("1/step"));
}

TEST_F(H5, EveryTypeComesBackBitByBit) {
    const double odd = std::numeric_limits<double>::denorm_min();
    const std::vector<double> doubles{-0.0, odd, std::nan(""), std::numeric_limits<double>::infinity(), 0.1};
    const std::vector<float> floats{-0.0f, 1e-45f, 3.5f};
    const std::vector<int64_t> longs{std::numeric_limits<int64_t>::min(), -1, std::numeric_limits<int64_t>::max()};
    const std::vector<int32_t> ints{std::numeric_limits<int32_t>::min(), 5};
    const std::vector<uint8_t> bytes{0, 128, 255};
    H5Writer writer;
    writer.write("doubles", doubles, {5});
    writer.write("floats", floats, {1, 3, 1});
    writer.write("longs", longs, {3});
    writer.write("ints", ints, {2});
    writer.write("bytes", bytes, {3});
    writer.write("raw", std::vector<std::byte>{std::byte{1}, std::byte{254}}, {2});
    writer.write("scalar", std::vector<double>{2.5}, {});
    writer.write("empty", std::vector<double>{}, {0, 4});
    writer.commit(file());
    const H5Reader reader(file());
    const auto bits = [](const auto& values) {
        const auto view = std::as_bytes(std::span(values));
        return std::vector<std::byte>(view.begin(), view.end());
    };
    EXPECT_EQ(bits(reader.read<double>("doubles")), bits(doubles));
    EXPECT_EQ(reader.raw_bytes("doubles"), bits(doubles));
    EXPECT_EQ(bits(reader.read<float>("floats")), bits(floats));
    EXPECT_EQ(reader.read<int64_t>("longs"), longs);
    EXPECT_EQ(reader.read<int32_t>("ints"), ints);
    EXPECT_EQ(reader.read<uint8_t>("bytes"), bytes);
    EXPECT_EQ(reader.read<std::byte>("raw"), (std::vector<std::byte>{std::byte{1}, std::byte{254}}));
    EXPECT_EQ(reader.read<double>("scalar"), std::vector<double>{2.5});
    EXPECT_EQ(reader.dims("scalar"), Dims{});
    EXPECT_EQ(reader.dims("floats"), (Dims{1, 3, 1}));
    EXPECT_EQ(reader.dims("empty"), (Dims{0, 4}));
    EXPECT_TRUE(reader.read<double>("empty").empty());
}

TEST_F(H5, NumbersConvertOnlyWhereNothingIsLost) {
    H5Writer writer;
    writer.write("whole", std::vector<double>{1, -2, 3e9}, {3});
    writer.write("small", std::vector<double>{1, 2}, {2});
    writer.write("fraction", std::vector<double>{1, 2.5}, {2});
    writer.write("nan", std::vector<double>{std::nan("")}, {1});
    writer.write("long", std::vector<int64_t>{1, int64_t{1} << 40}, {2});
    writer.write("negative", std::vector<int32_t>{-1}, {1});
    writer.commit(file());
    const H5Reader reader(file());
    EXPECT_EQ(reader.read<int64_t>("whole"), (std::vector<int64_t>{1, -2, 3'000'000'000}));
    EXPECT_EQ(reader.read<uint8_t>("small"), (std::vector<uint8_t>{1, 2}));
    EXPECT_EQ(reader.read<float>("fraction"), (std::vector<float>{1, 2.5}));
    EXPECT_EQ(reader.read<double>("long"), (std::vector<double>{1, 1099511627776.0}));
    for (const char* name : {"fraction", "nan"}) message_of<DataError>([&] { reader.read<int64_t>(name); });
    for (const char* name : {"whole", "long"}) message_of<DataError>([&] { reader.read<int32_t>(name); });
    const std::string message = message_of<DataError>([&] { reader.read<uint8_t>("negative"); });
    EXPECT_TRUE(contains(message, file().string()) && contains(message, "negative") && contains(message, "0 to 255")) << message;
}

TEST_F(H5, GroupsNamesAndTextsComeBack) {
    H5Writer writer;
    fill(writer);
    writer.commit(file());
    const H5Reader reader(file());
    EXPECT_EQ(reader.datasets(), (std::vector<std::string>{"exponents", "rank", "variant"}));
    EXPECT_EQ(reader.groups(), std::vector<std::string>{"deep"});
    EXPECT_EQ(reader.groups("deep"), std::vector<std::string>{"er"});
    EXPECT_EQ(reader.datasets("deep/er"), std::vector<std::string>{"names"});
    EXPECT_TRUE(reader.has("deep/er/names") && reader.has("deep") && reader.has("/") && reader.has("/deep/er"));
    EXPECT_FALSE(reader.has("deep/names") || reader.has("nothing/at/all") || reader.has("exponents/x"));
    EXPECT_EQ(reader.read_strings("deep/er/names"), (std::vector<std::string>{"a", "\xc3\xa9t\xc3\xa9", ""}));
}

TEST_F(H5, AttributesOfEveryKindComeBack) {
    const std::vector<std::pair<std::string, AttributeValue>> values{
        {"text", std::string("one\ntwo")}, {"no text", std::string()},
        {"real", 0.1},                     {"integer", std::numeric_limits<int64_t>::min()},
        {"yes", true},                     {"no", false},
        {"texts", std::vector<std::string>{"a", "longer", ""}},
        {"reals", std::vector<double>{1.5, -2}},
        {"no reals", std::vector<double>{}},
        {"no texts", std::vector<std::string>{}},
        {"long", std::string(59'000, 'x')}};
    H5Writer writer;
    writer.write("set", std::vector<double>{1}, {1});
    for (const auto& [name, value] : values) {
        writer.attribute("/", name, std::string("to be replaced"));
        writer.attribute("/", name, value);
        if (name != "long") writer.attribute("set", name, value);
    }
    writer.commit(file());
    const H5Reader reader(file());
    for (const auto& [name, value] : values) {
        ASSERT_TRUE(reader.attribute("/", name)) << name;
        EXPECT_EQ(*reader.attribute("/", name), value) << name;
    }
    EXPECT_EQ(reader.text("set", "text"), "one\ntwo");
    EXPECT_EQ(reader.number("set", "real"), 0.1);
    EXPECT_FALSE(reader.attribute("/", "other"));
    EXPECT_FALSE(reader.attribute("nothing", "text"));
    EXPECT_TRUE(contains(message_of<DataError>([&] { reader.number("/", "text"); }), "attribute text"));
    EXPECT_TRUE(contains(message_of<DataError>([&] { reader.text("set", "real"); }), "attribute real of set"));
    EXPECT_TRUE(contains(message_of<DataError>([&] { reader.text("/", "other"); }), "missing"));
}

TEST_F(H5, WrongNamesTypesAndShapesAreDataErrorsThatSayWhere) {
    H5Writer writer;
    fill(writer);
    writer.commit(file());
    const H5Reader reader(file());
    const auto expect_named = [&](const std::string& message, const std::string& name, const std::string& found) {
        EXPECT_TRUE(contains(message, file().string()) && contains(message, name) && contains(message, found)) << message;
    };
    expect_named(message_of<DataError>([&] { reader.read<double>("spectrum"); }), "spectrum", "missing");
    expect_named(message_of<DataError>([&] { reader.dims("deep/none"); }), "deep/none", "missing");
    expect_named(message_of<DataError>([&] { reader.read<double>("deep"); }), "deep", "dataset");
    expect_named(message_of<DataError>([&] { reader.read<double>("deep/er/names"); }), "names", "expected numbers");
    expect_named(message_of<DataError>([&] { reader.read_strings("exponents"); }), "exponents", "expected text");
    expect_named(message_of<DataError>([&] { reader.read<double>("exponents", {2, 4}); }), "(2, 3)", "(2, 4)");
    expect_named(message_of<DataError>([&] { reader.read<double>("exponents", {6}); }), "(2, 3)", "(6)");
    expect_named(message_of<DataError>([&] { reader.datasets("none"); }), "none", "group");
    EXPECT_EQ(reader.read<double>("exponents", {-1, 3}).size(), 6u);
}

TEST_F(H5, MisuseOfTheWriterIsAnInternalError) {
    H5Writer writer;
    writer.write("a", std::vector<double>{1, 2}, {2});
    message_of<InternalError>([&] { writer.write("b", std::vector<double>{1, 2}, {3}); });
    message_of<InternalError>([&] { writer.write("a", std::vector<double>{1, 2}, {2}); });
    message_of<InternalError>([&] { writer.attribute("none", "x", 1.0); });
    message_of<InternalError>([&] { writer.attach_scale("a", 1, "a"); });
}

TEST_F(H5, TheSameContentGivesTheSameFile) {
    for (const char* name : {"first.h5", "second.h5"}) {
        H5Writer writer, another;  // two at a time do not disturb each other
        fill(writer);
        another.write("other", std::vector<double>{1}, {1});
        another.commit(folder_ / "other.h5");
        writer.commit(folder_ / name);
        std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a stored time would differ now
    }
    EXPECT_EQ(read_bytes(folder_ / "first.h5"), read_bytes(folder_ / "second.h5"));
    EXPECT_EQ(H5Reader(folder_ / "other.h5").datasets(), std::vector<std::string>{"other"});
}

TEST_F(H5, CommitReplacesTheFileOrLeavesItAlone) {
    H5Writer first;
    fill(first);
    first.commit(file());
    const H5Reader old(file());  // an open reader keeps the file that it opened
    H5Writer second;
    second.write("new", std::vector<double>{1}, {1});
    second.commit(file());
    EXPECT_EQ(old.read<int64_t>("variant"), (std::vector<int64_t>{7, 9}));
    EXPECT_TRUE(H5Reader(file()).has("new"));
    H5Writer third;
    message_of<CannotCreate>([&] { third.commit(folder_ / "none" / "a.h5"); });
    message_of<InternalError>([&] { third.commit(file()); });
    EXPECT_TRUE(H5Reader(file()).has("new"));
}

TEST_F(H5, ThreadsMayUseTheRoomAtOnce) {
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            const auto name = folder_ / (std::to_string(t) + ".h5");
            for (int64_t i = 0; i < 25; ++i) {
                H5Writer writer;
                const std::vector<double> values(static_cast<std::size_t>(10 + i), static_cast<double>(t));
                writer.write("values", values, {10 + i});
                writer.commit(name, Checksum::trailer);
                if (H5Reader(name, Checksum::trailer).read<double>("values") == values) ++good;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 100);
}

}  // namespace
}  // namespace aelle::io
