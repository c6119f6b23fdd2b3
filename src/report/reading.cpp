#include "aelle/report/reading.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include "aelle/base/text.hpp"
#include "aelle/embed/scores.hpp"
#include "interpretation_tables.hpp"
#include "paper_parts.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The scores of one study by name.
class Reader {
public:
    Reader(const Results& results, const Scores& scores) : results_(results), scores_(scores) { aelle_ = by_rule(results, "aelle-pc1"); }

    const Results& results() const { return results_; }
    const std::string& aelle() const { return aelle_; }
    bool at_median() const { return aelle_.ends_with("-median"); }
    /// AeLLE's threshold in words, with the rule for its boundary where that is not the usual one.
    std::string aelle_words() const { return at_median() ? "AeLLE's PC1 (cut at its median)" : "AeLLE's PC1"; }
    /// Of one threshold on one number each: those whose boundary follows the same rule as AeLLE's.
    std::vector<std::string> by_same_rule(const std::vector<std::string>& classifiers) const {
        std::vector<std::string> same;
        for (const std::string& name : classifiers) {
            const std::string chosen = by_rule(results_, name);
            if (!at_median() || chosen != name) same.push_back(chosen);
        }
        return same;
    }
    /// Null where the analysis has no such classifier or it judges nothing then.
    const Summary* find(const std::string& classifier, int64_t e) const {
        const int64_t c = results_.find_classifier(classifier);
        if (c < 0) return nullptr;
        const Summary& summary = scores_.summary[static_cast<std::size_t>(c * results_.epochs() + e)];
        return summary.n > 0 ? &summary : nullptr;
    }
    /// The best of some classifiers.
    const Summary* best(const std::vector<std::string>& classifiers, int64_t e) const {
        const Summary* best = nullptr;
        for (const std::string& name : classifiers) {
            const Summary* one = find(name, e);
            if (one && (!best || one->f1.mean > best->f1.mean)) best = one;
        }
        return best;
    }

private:
    const Results& results_;
    const Scores& scores_;
    std::string aelle_;
};

enum class Comparison { better, alike, worse };

/// Split by split; of use for two splits or more, whose spread is what a difference is measured by.
Comparison compare(const Summary& a, const Summary& b) {
    std::vector<double> difference = a.f1_of_repeat;
    for (std::size_t r = 0; r < difference.size(); ++r) difference[r] -= b.f1_of_repeat[r];
    const Spread spread = spread_of(difference);
    if (spread.mean > spread.deviation) return Comparison::better;
    return spread.mean < -spread.deviation ? Comparison::worse : Comparison::alike;
}

/// "before training and after epochs 1, 2 and 5".
std::string epochs_text(const Results& results, const std::vector<int64_t>& epochs) {
    std::vector<std::string> later;
    bool before = false;
    for (const int64_t e : epochs) {
        const int64_t epoch = results.epoch[static_cast<std::size_t>(e)];
        if (epoch == 0) before = true;
        else later.push_back(std::to_string(epoch));
    }
    std::string text = before ? "before training" : "";
    if (later.empty()) return text;
    text += (before ? " and after " : "after ") + std::string(later.size() > 1 ? "epochs " : "epoch ");
    const std::string last = later.back();
    later.pop_back();
    return text + (later.empty() ? "" : join(later, ", ") + " and ") + last;
}

/// "0.78 to 0.98" of values at some epochs.
std::string range_text(const std::vector<double>& values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return fixed(*low) == fixed(*high) ? fixed(*low) : fixed(*low) + " to " + fixed(*high);
}

/// AeLLE against the best of some classifiers, epoch by epoch, in one sentence; nothing where there is nothing to compare.
void compare_through_training(const Reader& reader, const std::vector<std::string>& others, const std::function<bool(int64_t)>& counts,
                              const std::string& described, std::vector<std::string>& sentences) {
    struct Outcome {
        std::vector<int64_t> epochs;
        std::vector<double> mine, theirs;
    };
    std::array<Outcome, 3> outcomes;
    for (int64_t e = 0; e < reader.results().epochs(); ++e) {
        const Summary *mine = reader.find(reader.aelle(), e), *theirs = reader.best(others, e);
        if (!mine || !theirs || !counts(e)) continue;
        Outcome& outcome = outcomes[static_cast<std::size_t>(compare(*mine, *theirs))];
        outcome.epochs.push_back(e);
        outcome.mine.push_back(mine->f1.mean);
        outcome.theirs.push_back(theirs->f1.mean);
    }
    static constexpr std::array<const char*, 3> verdicts{"better", "no difference beyond the spread between splits", "worse"};
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        const Outcome& outcome = outcomes[i];
        if (outcome.epochs.empty()) continue;
        parts.push_back(std::string(verdicts[i]) + " " + epochs_text(reader.results(), outcome.epochs) + " (F1 " +
                        range_text(outcome.mine) + " against " + range_text(outcome.theirs) + ")");
    }
    if (!parts.empty())
        sentences.push_back("One threshold on " + reader.aelle_words() + " against " + described + ": " + join(parts, "; ") + ".");
}

Paragraph where_it_helps(const Reader& reader) {
    Paragraph paragraph{"Where AeLLE helps", {}};
    if (reader.results().repeats < 2) {
        if (reader.find(reader.aelle(), reader.results().epochs() - 1)) {
            paragraph.sentences.push_back(
                "A single split has no spread that a difference could be measured by, so classifiers are not compared here: set repeats "
                "above 1.");
        }
        return paragraph;
    }
    compare_through_training(
        reader, reader.by_same_rule({"le-mean", "le-max", "le-std", "le-kaplan-yorke", "le-pc1"}), [](int64_t) { return true; },
        "one threshold on a single number of the spectrum, the best of " +
            std::string(reader.at_median() ? "mean, largest and first component, each cut at its median"
                                           : "mean, largest, spread, Kaplan-Yorke dimension and first component"),
        paragraph.sentences);
    compare_through_training(
        reader, {"epoch-loss"}, [&](int64_t e) { return !reader.results().loss_is_label(e); },
        "the loss at the same age, its threshold fitted to that epoch", paragraph.sentences);
    return paragraph;
}

/// Those of the classifiers that are no worse than AeLLE, with the epochs.
std::vector<std::string> no_worse(const Reader& reader, const std::vector<std::string>& classifiers) {
    std::vector<std::string> found;
    for (const std::string& name : classifiers) {
        std::vector<int64_t> epochs;
        std::vector<double> values;
        for (int64_t e = 0; e < reader.results().epochs(); ++e) {
            const Summary *mine = reader.find(reader.aelle(), e), *theirs = reader.find(name, e);
            if (!mine || !theirs || compare(*mine, *theirs) == Comparison::better) continue;
            epochs.push_back(e);
            values.push_back(theirs->f1.mean);
        }
        if (!epochs.empty()) found.push_back(name + " (F1 " + range_text(values) + ", " + epochs_text(reader.results(), epochs) + ")");
    }
    return found;
}

Paragraph where_simple_does(const Reader& reader) {
    Paragraph paragraph{"Where something simpler does as well", {}};
    if (reader.results().repeats < 2 || !reader.find(reader.aelle(), reader.results().epochs() - 1)) return paragraph;
    const auto say = [&](const std::vector<std::string>& classifiers, const std::string& what) {
        const std::vector<std::string> found = no_worse(reader, classifiers);
        paragraph.sentences.push_back(found.empty()
                                          ? "Nothing that " + what + " does as well."
                                          : "No worse than " + reader.aelle_words() + ", of what " + what + ": " + join(found, "; ") + ".");
    };
    say({"init", "init-distance", "architecture", "logistic", "logistic-by-architecture"}, "is known before anything is trained");
    say({"ridge-spectrum", "ridge-le-pcs", "5-nn-spectrum", "5-nn-mean-max"}, "sees the same spectra without an autoencoder");
    return paragraph;
}

double mean_of(const std::vector<double>& values) {
    return values.empty() ? nan : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

embed::Outcomes outcomes_of(const Results& results, int64_t c, int64_t r, int64_t e) {
    embed::Outcomes outcomes;
    for (int64_t v = 0; v < results.variants(); ++v) {
        if (!results.is_judged(c, r, v, e)) continue;
        const bool called = results.call(c, r, v, e) == 1, good = results.is_good(v);
        ++(called ? (good ? outcomes.tp : outcomes.fp) : (good ? outcomes.fn : outcomes.tn));
    }
    return outcomes;
}

/// A classifier against calling everything good on architectures left out. F1 is compared on those with a good network, as it cannot be
/// other than 0 or undefined on the others; accuracy on all.
void say_left_out(const Results& results, int64_t c, int64_t all, std::vector<std::string>& sentences) {
    const Results left_out = on_left_out(results);
    std::vector<double> f1, base_f1, accuracy, base_accuracy;
    int64_t better = 0;
    for (int64_t r = 0; r < left_out.repeats; ++r) {
        const embed::Outcomes outcomes = outcomes_of(left_out, c, r, left_out.epochs() - 1);
        if (outcomes.count() == 0) continue;
        const embed::Scores score = embed::scores(outcomes), base = embed::scores(outcomes_of(left_out, all, r, left_out.epochs() - 1));
        accuracy.push_back(score.accuracy);
        base_accuracy.push_back(base.accuracy);
        if (outcomes.tp + outcomes.fn == 0) continue;
        f1.push_back(score.f1);
        base_f1.push_back(base.f1);
        better += score.f1 > base.f1;
    }
    if (f1.empty()) return;
    std::string sentence = "On architectures that it was not fitted on it scores F1 " + fixed(mean_of(f1)) +
                           " on average, everything good " + fixed(mean_of(base_f1)) + ", over the " + std::to_string(f1.size()) + " of " +
                           std::to_string(accuracy.size()) + " with a good network; better on " + std::to_string(better) + " of them";
    if (!(mean_of(f1) > mean_of(base_f1))) sentence += ", on average no better than calling everything good";
    sentences.push_back(sentence + ". Accuracy over all " + std::to_string(accuracy.size()) + ": " + fixed(mean_of(accuracy)) +
                        " against " + fixed(mean_of(base_accuracy)) + ".");
}

void say_controls(const Reader& reader, std::vector<std::string>& sentences) {
    const Results& results = reader.results();
    const int64_t last = results.epochs() - 1, c = results.find_classifier(reader.aelle()), all = results.find_classifier("all-good");
    const Summary* mine = reader.find(reader.aelle(), last);
    const Summary* everything = reader.find("all-good", last);
    if (!mine || !everything || c < 0 || all < 0) return;
    if (!results.control_label.empty()) {
        const Results control = by_own_architecture(results);
        const double score = mean_of(f1_of_repeats(control, c, last)), base = mean_of(f1_of_repeats(control, all, last));
        const double gain = mine->f1.mean - everything->f1.mean, kept = score - base;
        std::string sentence = "Where good means better than the median of the own architecture, it scores " + fixed(score) +
                               " (everything good: " + fixed(base) + ")";
        if (gain > 0.0) {
            sentence += kept < 0.5 * gain ? ": most of what it tells is which architectures are good."
                                          : ": most of what it tells is not the architecture.";
        } else {
            sentence += ".";
        }
        sentences.push_back(sentence);
    }
    if (!results.held_out.empty()) say_left_out(results, c, all, sentences);
}

Paragraph what_limits(const Reader& reader) {
    const Results& results = reader.results();
    Paragraph paragraph{"What limits it", {}};
    const int64_t last = results.epochs() - 1;
    const Summary* mine = reader.find(reader.aelle(), last);
    if (!mine || results.repeats == 0) return paragraph;
    say_controls(reader, paragraph.sentences);
    std::string sentence =
        "A test set holds " + fixed(static_cast<double>(mine->n) / static_cast<double>(results.repeats), 0) + " networks";
    if (!std::isnan(mine->f1.deviation))
        sentence += "; another split moves its F1 by " + fixed(mine->f1.deviation) + " (standard deviation)";
    paragraph.sentences.push_back(sentence + ".");
    if (results.split_by == "spectra") {
        paragraph.sentences.push_back(
            "The split is by spectrum and leaks: other spectra of test networks were seen in training, so these scores are too good.");
    }
    return paragraph;
}

Paragraph what_it_goes_by(const Reader& reader) {
    const Direction& direction = reader.results().direction;
    Paragraph paragraph{"What the autoencoder goes by", {}};
    if (direction.share.empty() || direction.shift.size() < 2) return paragraph;
    std::vector<double> shares = direction.share;
    std::sort(shares.rbegin(), shares.rend());
    double sum = 0.0;
    int64_t needed = 0;
    while (sum < 0.8 && needed < static_cast<int64_t>(shares.size())) sum += shares[static_cast<std::size_t>(needed++)];
    if (sum >= 0.8) {
        paragraph.sentences.push_back(std::to_string(needed) + " of " + std::to_string(shares.size()) +
                                      " latent dimensions make four fifths of the variance of the predicted loss.");
    }
    const auto statistics = [&](std::size_t s) {
        const auto first = direction.spectrum.begin() + static_cast<std::ptrdiff_t>(s) * direction.length;
        return std::pair{std::accumulate(first, first + direction.length, 0.0) / static_cast<double>(direction.length),
                         *std::max_element(first, first + direction.length)};
    };
    const auto [low_mean, low_max] = statistics(0);
    const auto [high_mean, high_max] = statistics(direction.shift.size() - 1);
    std::string sentence = "Along the predictor's direction, from a predicted loss of " + rounded(direction.prediction.back(), 3) + " to " +
                           rounded(direction.prediction.front(), 3) + ", the decoded mean exponent goes from " + rounded(high_mean, 3) +
                           " to " + rounded(low_mean, 3) + " and the largest from " + rounded(high_max, 3) + " to " + rounded(low_max, 3) +
                           " " + exponent_unit(reader.results());
    const double asked = direction.prediction.back() - direction.prediction.front(),
                 got = direction.encoded.back() - direction.encoded.front();
    sentence += got > 0.25 * asked
                    ? "; encoded again, those spectra are predicted " + rounded(direction.encoded.back(), 3) + " and " +
                          rounded(direction.encoded.front(), 3) + "."
                    : "; but encoded again, those spectra are not predicted so, and the direction is not one that spectra take.";
    paragraph.sentences.push_back(sentence);
    const std::string below_zero = below_zero_note(reader.results());
    if (!below_zero.empty()) paragraph.sentences.push_back(below_zero);
    return paragraph;
}

const std::string& name_of(const Results& results, const Summary& summary) {
    return results.classifier[static_cast<std::size_t>(summary.classifier)];
}

bool uses_autoencoder(const std::string& classifier) { return classifier.find("aelle") != std::string::npos; }

/// One classifier against another on the same splits, in words.
std::string comparison(const Results& results, const Summary& with, const Summary& without) {
    std::vector<double> difference = with.f1_of_repeat;
    for (std::size_t r = 0; r < difference.size(); ++r) difference[r] -= without.f1_of_repeat[r];
    const Spread spread = spread_of(difference);
    std::string text = "Best with AeLLE (" + name_of(results, with) + ", " + mean_and_deviation(with.f1) + ") minus best without it (" +
                       name_of(results, without) + ", " + mean_and_deviation(without.f1) +
                       "), split by split: " + mean_and_deviation(spread) + "; ";
    if (std::isnan(spread.deviation)) return text + "of a single split, which decides nothing.";
    if (!(spread.mean > 0)) return text + "AeLLE shows no advantage here.";
    if (!(spread.mean > spread.deviation)) return text + "smaller than the spread between splits, so no advantage of AeLLE is shown.";
    return text + "larger than the spread between splits.";
}

}  // namespace

std::vector<Paragraph> reading(const Results& results, const Scores& scores) {
    const Reader reader(results, scores);
    std::vector<Paragraph> paragraphs{where_it_helps(reader), where_simple_does(reader), what_limits(reader), what_it_goes_by(reader)};
    std::erase_if(paragraphs, [](const Paragraph& paragraph) { return paragraph.sentences.empty(); });
    return paragraphs;
}

std::string text_of(const std::vector<Paragraph>& paragraphs) {
    std::string text;
    for (const Paragraph& paragraph : paragraphs) {
        text += "\n" + paragraph.title + "\n";
        for (const std::string& sentence : paragraph.sentences) text += "- " + sentence + "\n";
    }
    return text;
}

std::vector<std::string> findings(const Results& results, const Scores& scores, int64_t epoch) {
    const std::vector<Summary> order = ranked(scores, epoch);
    std::vector<std::string> sentences;
    const auto by_label = [&](const std::string& name) { return name.starts_with("epoch-loss") && results.loss_is_label(epoch); };
    const auto first_other =
        std::find_if(order.begin(), order.end(), [&](const Summary& summary) { return !by_label(name_of(results, summary)); });
    if (first_other == order.end() || results.repeats == 0) return sentences;
    const Summary& best = *first_other;
    std::vector<std::string> near, at_baseline;
    std::optional<Summary> with, without;
    const double baseline = everything_good_score(results, epoch);
    for (const Summary& summary : order) {
        const std::string& name = name_of(results, summary);
        if (by_label(name)) continue;
        if (summary.classifier != best.classifier && summary.f1.mean >= best.f1.mean - best.f1.deviation) near.push_back(name);
        if (name != "all-good" && !(summary.f1.mean > baseline)) at_baseline.push_back(name);
        auto& slot = uses_autoencoder(name) ? with : without;
        if (!slot) slot = summary;
    }
    std::string first = "Best mean F1 after epoch " + std::to_string(results.epoch[static_cast<std::size_t>(epoch)]) + ": " +
                        name_of(results, best) + ", " + mean_and_deviation(best.f1) + ". ";
    if (!std::isnan(best.f1.deviation)) {
        first += near.empty() ? "No other lies within its standard deviation." : "Within its standard deviation: " + join(near, ", ") + ".";
    }
    sentences.push_back(first);
    if (with && without) sentences.push_back(comparison(results, *with, *without));
    if (!at_baseline.empty()) sentences.push_back("Not better than calling everything good: " + join(at_baseline, ", ") + ".");
    return sentences;
}

}  // namespace aelle::report
