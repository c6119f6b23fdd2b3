#include "aelle/study/toml.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <sstream>

// A malformed file must be an error, never a failed assertion inside toml++ or, with NDEBUG, a broken assumption: "[" and a control character
// break one, though the parser would report it properly one step later.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/file.hpp"

namespace aelle::study {
namespace {

std::string place(const toml::source_region& region, const std::string& origin) {
    const std::string name = region.path ? *region.path : origin;
    if (region.begin.line == 0 || name.starts_with("--set")) return name;
    return name + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column);
}

std::string to_text(const toml::node& node) {
    std::ostringstream stream;
    node.visit([&](const auto& value) { stream << toml::toml_formatter(value); });
    return stream.str();
}

/// The byte behind the string that starts at `at`; a line's end ends a string of one line, which is an error for the parser to report.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const std::string three(3, quote);
    const bool lines = text.substr(at).starts_with(three);
    for (std::size_t i = at + (lines ? 3 : 1); i < text.size(); ++i) {
        if (quote == '"' && text[i] == '\\') {
            const std::size_t next = std::min(text.find_first_not_of(" \t\r\n", i + 1), text.size());
            if (next < text.size() && static_cast<unsigned char>(text[next]) >= 0x80) return next;  // another place that toml++ trips over
            ++i;
        } else if (!lines && (text[i] == quote || text[i] == '\n')) {
            return i + 1;
        } else if (lines && text.substr(i).starts_with(three)) {
            const std::size_t behind = text.find_first_not_of(quote, i);  // up to two quotes before the closing three belong to the text
            return std::min({behind, text.size(), i + 5});
        }
    }
    return text.size();
}

/// The first byte outside of strings and comments that is not ASCII: TOML has none, and some of them (U+00A1 to U+0499 behind a value) lead
/// toml++ 3.3 to a place that it takes for unreachable.
std::optional<std::size_t> stray_byte(std::string_view text) {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    constexpr std::string_view before_strings = " \t\r\n=[{,.";  // in valid TOML; elsewhere toml++ does not see a string either
    const std::size_t start = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    std::size_t at = start;
    while (at < text.size()) {
        const bool may_begin = at == start || before_strings.find(text[at - 1]) != std::string_view::npos;
        if (static_cast<unsigned char>(text[at]) >= 0x80) return at;
        if (text[at] == '#') at = std::min(text.find('\n', at), text.size());
        else if (may_begin && (text[at] == '"' || text[at] == '\'')) at = end_of_string(text, at);
        else ++at;
    }
    return std::nullopt;
}

toml::table parse_text(std::string_view text, const std::string& origin) {
    if (const auto stray = stray_byte(text)) {
        const std::string_view before = text.substr(0, *stray);
        const std::string_view line = before.substr(before.rfind('\n') + 1);  // npos + 1 is 0
        const auto column = std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; }) + 1;
        throw DataError(origin + ":" + std::to_string(std::ranges::count(before, '\n') + 1) + ":" + std::to_string(column) +
                        ": not valid TOML: found a character that is not ASCII, expected such characters in strings and comments only, and not behind a backslash");
    }
    try {
        return toml::parse(text, origin);
    } catch (const toml::parse_error& error) {
        throw DataError(place(error.source(), origin) + ": not valid TOML: " + std::string(error.description()));
    }
}

/// The value of "key=value" as a node; a bare word that is no TOML value is a string.
toml::table parse_override(const std::string& override_text, std::string& key) {
    const std::size_t equals = override_text.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw UsageError("--set " + override_text + ": expected key.path=value");
    }
    key = override_text.substr(0, equals);
    const std::string origin = "--set " + override_text, value = override_text.substr(equals + 1);
    try {
        if (!stray_byte(value)) return toml::parse("value = " + value, origin);
    } catch (const toml::parse_error&) {  // taken as a string below
    }
    toml::table quoted;
    quoted.insert("value", value);
    return parse_text("value = " + to_text(*quoted.get("value")), origin);
}

void apply_override(toml::table& root, const std::string& override_text) {
    std::string path;
    toml::table parsed = parse_override(override_text, path);
    toml::table* table = &root;
    std::istringstream parts(path);
    std::string key, next;
    std::getline(parts, key, '.');
    while (std::getline(parts, next, '.')) {
        if (!table->contains(key)) table->insert(key, toml::table{});
        table = table->get(key)->as_table();
        if (table == nullptr) throw DataError("--set " + override_text + ": '" + key + "' is a value, not a table");
        key = next;
    }
    if (table->contains(key) && table->get(key)->is_table()) {
        throw DataError("--set " + override_text + ": '" + path + "' is a table, not a value");
    }
    table->insert_or_assign(key, std::move(*parsed.get("value")));
}

void flatten(const toml::table& table, const std::string& prefix, std::map<std::string, std::string>& values) {
    for (const auto& [key, node] : table) {
        const std::string name = prefix + std::string(key.str());
        if (const auto* inner = node.as_table()) {
            flatten(*inner, name + ".", values);
        } else {
            values[name] = to_text(node);
        }
    }
}

}  // namespace

struct TomlDocument::Impl {
    toml::table root;
    std::string origin;
    std::string text;
};

TomlDocument TomlDocument::read(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
    return parse(io::read_text(file), file.string(), overrides);
}

TomlDocument TomlDocument::parse(std::string_view text, std::string_view origin, const std::vector<std::string>& overrides) {
    TomlDocument document;
    document.impl_ = std::make_shared<Impl>();
    document.impl_->origin = origin;
    document.impl_->root = parse_text(text, document.impl_->origin);
    document.impl_->text = text;
    for (const std::string& override_text : overrides) apply_override(document.impl_->root, override_text);
    if (!overrides.empty()) document.impl_->text = to_text(document.impl_->root) + "\n";
    return document;
}

const std::string& TomlDocument::text() const { return impl_->text; }

std::optional<std::string> TomlDocument::first_difference(const TomlDocument& other, std::string_view except) const {
    std::map<std::string, std::string> here, there;
    flatten(impl_->root, "", here);
    flatten(other.impl_->root, "", there);
    const std::string skipped = std::string(except) + ".";
    for (const auto* side : {&here, &there}) {
        for (const auto& [key, value] : *side) {
            if (key.starts_with(skipped)) continue;
            const auto a = here.find(key);
            const auto b = there.find(key);
            const std::string text_a = a == here.end() ? "absent" : a->second;
            const std::string text_b = b == there.end() ? "absent" : b->second;
            if (text_a != text_b) return key + ": here " + text_a + ", there " + text_b;
        }
    }
    return std::nullopt;
}

std::string TomlDocument::fingerprint(std::string_view except) const {
    std::map<std::string, std::string> values;
    flatten(impl_->root, "", values);
    const std::string skipped = std::string(except) + ".";
    uint64_t hash = 14695981039346656037u;  // FNV-1a
    const auto add = [&](const std::string& word) {
        for (const char c : word + '\n') hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    };
    for (const auto& [key, value] : values) {
        if (key.starts_with(skipped)) continue;
        add(key);
        add(value);
    }
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    return text;
}

struct TomlTable::Impl {
    std::shared_ptr<TomlDocument::Impl> document;
    const toml::table* table = nullptr;  // null: absent
    std::string name;                    // "variants" or "" for the root
    std::vector<std::string> known;
    std::vector<std::shared_ptr<Impl>> children;

    std::string full(const std::string& key) const { return name.empty() ? key : name + "." + key; }

    const toml::node* find(const std::string& key) {
        known.push_back(key);
        return table == nullptr ? nullptr : table->get(key);
    }

    [[noreturn]] void fail(const toml::node* node, const std::string& key, const std::string& message) const {
        std::string where = document->origin;
        if (node != nullptr) {
            where = place(node->source(), document->origin);
        } else if (table != nullptr && !name.empty()) {
            where = place(table->source(), document->origin);
        }
        throw DataError(where + ": " + full(key) + ": " + message);
    }

    void finish() const {
        for (const auto& child : children) child->finish();
        if (table == nullptr) return;
        for (const auto& [key, node] : *table) {
            const std::string word(key.str());
            bool found = false;
            for (const std::string& candidate : known) found = found || candidate == word;
            if (!found) fail(&node, word, "unknown key" + did_you_mean(word, known));
        }
    }

    /// Reads `key` as a list by converting every element; `scalar` when the key holds a single value.
    template <class T>
    std::vector<T> list(const std::string& key, std::optional<std::vector<T>> fallback, const char* expected,
                        const std::function<std::optional<T>(const toml::node&)>& convert) {
        const toml::node* node = find(key);
        if (node == nullptr) {
            if (!fallback) fail(nullptr, key, std::string("missing, expected ") + expected);
            return *fallback;
        }
        const toml::array* array = node->as_array();
        if (array == nullptr) fail(node, key, "found " + to_text(*node) + ", expected " + expected);
        std::vector<T> values;
        for (const toml::node& element : *array) {
            const auto value = convert(element);
            if (!value) fail(&element, key, "found " + to_text(element) + ", expected " + expected);
            values.push_back(*value);
        }
        if (values.empty()) fail(node, key, std::string("found an empty list, expected ") + expected);
        return values;
    }

    template <class T>
    T single(const std::string& key, std::optional<T> fallback, const std::string& expected,
             const std::function<std::optional<T>(const toml::node&)>& convert) {
        const toml::node* node = find(key);
        if (node == nullptr) {
            if (!fallback) fail(nullptr, key, "missing, expected " + expected);
            return *fallback;
        }
        const auto value = convert(*node);
        if (!value) fail(node, key, "found " + to_text(*node) + ", expected " + expected);
        return *value;
    }
};

namespace {

std::optional<int64_t> integer_in(const toml::node& node, int64_t low, int64_t high) {
    if (!node.is_integer()) return std::nullopt;
    const int64_t value = node.as_integer()->get();
    if (value < low || value > high) return std::nullopt;
    return value;
}

std::optional<double> real_in(const toml::node& node, double low, double high) {
    if (!node.is_number()) return std::nullopt;
    const double value = node.is_integer() ? static_cast<double>(node.as_integer()->get()) : node.as_floating_point()->get();
    if (!(value >= low && value <= high)) return std::nullopt;  // refuses NaN too
    return value;
}

std::optional<std::string> string_among(const toml::node& node, const std::vector<std::string>& choices) {
    if (!node.is_string()) return std::nullopt;
    const std::string value = node.as_string()->get();
    for (const std::string& choice : choices) {
        if (choice == value) return value;
    }
    return choices.empty() ? std::optional(value) : std::nullopt;
}

std::string integer_range(int64_t low, int64_t high) {
    return "from " + std::to_string(low) + " to " + std::to_string(high);
}

std::string real_range(double low, double high) { return "from " + rounded(low, 6) + " to " + rounded(high, 6); }

}  // namespace

TomlTable::TomlTable(const TomlDocument& document) : impl_(std::make_shared<Impl>()) {
    impl_->document = document.impl();
    impl_->table = &impl_->document->root;
}

TomlTable::TomlTable(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

TomlTable TomlTable::table(const std::string& key) {
    const toml::node* node = impl_->find(key);
    for (const auto& known : impl_->children) {  // several readers may share a table: each adds to its known keys
        if (known->name == impl_->full(key)) return TomlTable(known);
    }
    auto child = std::make_shared<Impl>();
    child->document = impl_->document;
    child->name = impl_->full(key);
    if (node != nullptr) {
        child->table = node->as_table();
        if (child->table == nullptr) impl_->fail(node, key, "found a value, expected a table [" + child->name + "]");
    }
    impl_->children.push_back(child);
    return TomlTable(child);
}

bool TomlTable::has(const std::string& key) { return impl_->find(key) != nullptr; }

int64_t TomlTable::integer(const std::string& key, std::optional<int64_t> fallback, int64_t low, int64_t high) {
    return impl_->single<int64_t>(key, fallback, "an integer " + integer_range(low, high),
                                  [&](const toml::node& node) { return integer_in(node, low, high); });
}

int64_t TomlTable::integer_or_auto(const std::string& key, int64_t low, int64_t high) {
    return impl_->single<int64_t>(key, 0, "\"auto\" or an integer " + integer_range(low, high),
                                  [&](const toml::node& node) -> std::optional<int64_t> {
                                      if (string_among(node, {"auto"})) return 0;
                                      return integer_in(node, low, high);
                                  });
}

double TomlTable::real(const std::string& key, std::optional<double> fallback, double low, double high) {
    return impl_->single<double>(key, fallback, "a number " + real_range(low, high),
                                 [&](const toml::node& node) { return real_in(node, low, high); });
}

bool TomlTable::boolean(const std::string& key, bool fallback) {
    return impl_->single<bool>(key, fallback, "true or false", [](const toml::node& node) -> std::optional<bool> {
        if (!node.is_boolean()) return std::nullopt;
        return node.as_boolean()->get();
    });
}

std::string TomlTable::string(const std::string& key, std::optional<std::string> fallback) {
    return impl_->single<std::string>(key, fallback, "a string", [](const toml::node& node) { return string_among(node, {}); });
}

std::string TomlTable::choice(const std::string& key, std::optional<std::string> fallback,
                              const std::vector<std::string>& choices) {
    return impl_->single<std::string>(key, fallback, "one of: " + join(choices, ", "),
                                      [&](const toml::node& node) { return string_among(node, choices); });
}

std::vector<int64_t> TomlTable::integers(const std::string& key, std::optional<std::vector<int64_t>> fallback, int64_t low,
                                         int64_t high) {
    const std::string expected = "a list of integers " + integer_range(low, high);
    return impl_->list<int64_t>(key, fallback, expected.c_str(), [&](const toml::node& node) { return integer_in(node, low, high); });
}

std::vector<double> TomlTable::reals(const std::string& key, std::optional<std::vector<double>> fallback, double low, double high) {
    const std::string expected = "a list of numbers " + real_range(low, high);
    return impl_->list<double>(key, fallback, expected.c_str(), [&](const toml::node& node) { return real_in(node, low, high); });
}

std::vector<std::string> TomlTable::strings(const std::string& key, std::optional<std::vector<std::string>> fallback,
                                            const std::vector<std::string>& choices) {
    const std::string expected = choices.empty() ? "a list of strings" : "a list of some of: " + join(choices, ", ");
    return impl_->list<std::string>(key, fallback, expected.c_str(),
                                    [&](const toml::node& node) { return string_among(node, choices); });
}

void TomlTable::fail(const std::string& key, const std::string& message) const {
    impl_->fail(impl_->table == nullptr ? nullptr : impl_->table->get(key), key, message);
}

void TomlTable::finish() const { impl_->finish(); }

}  // namespace aelle::study
