#include "aelle/tasks/charrnn.hpp"

#include <algorithm>

#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"
#include "missing.hpp"
#include "utf8.hpp"

namespace aelle::tasks {
namespace {

class Windows final : public learn::Sequences {
public:
    Windows(std::span<const int32_t> text, int64_t classes, int64_t steps, bool every_step)
        : text_(text.begin(), text.end()), classes_(classes), steps_(steps), every_step_(every_step) {}
    int64_t size() const override { return static_cast<int64_t>(text_.size()) / (steps_ + 1); }
    int64_t steps() const override { return steps_; }
    int64_t features() const override { return classes_; }
    int64_t classes() const override { return classes_; }
    int64_t target_steps() const override { return every_step_ ? steps_ : 1; }

    void gather(std::span<const int64_t> indices, learn::Minibatch& out) const override {
        const auto batch = static_cast<int64_t>(indices.size());
        const int64_t first_target = steps_ - target_steps();
        out.steps = steps_;
        out.batch = batch;
        out.values.clear();
        out.symbols.resize(static_cast<std::size_t>(steps_ * batch));
        out.targets.resize(static_cast<std::size_t>(target_steps() * batch));
        for (int64_t b = 0; b < batch; ++b) {
            const int64_t index = indices[static_cast<std::size_t>(b)];
            require(index >= 0 && index < size(), "a window beyond the end of the text is asked for");
            const int32_t* window = text_.data() + index * (steps_ + 1);
            for (int64_t t = 0; t < steps_; ++t) out.symbols[static_cast<std::size_t>(t * batch + b)] = window[t];
            for (int64_t t = first_target; t < steps_; ++t) out.targets[static_cast<std::size_t>((t - first_target) * batch + b)] = window[t + 1];
        }
    }

private:
    std::vector<int32_t> text_;
    int64_t classes_, steps_;
    bool every_step_;
};

}  // namespace

Text read_text(const std::filesystem::path& data) {
    const std::filesystem::path file = first_of_each("War and Peace", data, {{data / "war_and_peace" / "input.txt"}}).front();
    const std::string bytes = io::read_text(file);
    std::vector<char32_t> codes = decode_utf8(bytes, file.string());
    constexpr char32_t byte_order_mark = 0xfeff;
    if (!codes.empty() && codes.front() == byte_order_mark) codes.erase(codes.begin());
    if (codes.empty()) throw DataError(file.string() + ": found no text, expected at least one character");
    // Symbols number the code points that occur, ascending.
    constexpr int32_t unseen = -1, seen = 0;
    std::vector<int32_t> symbol_of(*std::ranges::max_element(codes) + std::size_t{1}, unseen);
    for (const char32_t code : codes) symbol_of[code] = seen;
    Text text;
    for (char32_t code = 0; code < symbol_of.size(); ++code) {
        if (symbol_of[code] == unseen) continue;
        symbol_of[code] = static_cast<int32_t>(text.vocabulary.size());
        text.vocabulary.push_back(encode_utf8(code));
    }
    text.symbols.reserve(codes.size());
    for (const char32_t code : codes) text.symbols.push_back(symbol_of[code]);
    return text;
}

std::unique_ptr<learn::Sequences> text_windows(const Text& text, int64_t first, int64_t last, int64_t steps, bool every_step) {
    const auto length = static_cast<int64_t>(text.symbols.size());
    if (first < 0 || last > length || first > last) {
        throw DataError("text windows: found characters " + std::to_string(first) + " to " + std::to_string(last) + ", expected a part of the " +
                        std::to_string(length) + " of the text");
    }
    if (steps < 1) throw DataError("text windows: found " + std::to_string(steps) + " steps, expected at least 1");
    if (steps >= last - first) {
        throw DataError("text windows: found " + std::to_string(last - first) + " characters, expected at least " + std::to_string(steps) +
                        " + 1 for one window");
    }
    const auto part = std::span(text.symbols).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
    return std::make_unique<Windows>(part, static_cast<int64_t>(text.vocabulary.size()), steps, every_step);
}

}  // namespace aelle::tasks
